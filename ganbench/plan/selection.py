"""What of the work that is left is trained now: whole batches, chosen by `--only` and `--limit`; the plan stays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from ganbench.api.trials import Batch, Trial
from ganbench.errors import GanbenchError, shorten, unknown

if TYPE_CHECKING:
    from ganbench.plan.plan import Plan

TRAITS: Mapping[str, Callable[[Trial], str]] = {
    "method": lambda trial: trial.labels["method"],
    "dataset": lambda trial: trial.labels["dataset"],
    "architecture": lambda trial: trial.labels["architecture"],
    "seed": lambda trial: str(trial.seed),
    "key": lambda trial: trial.key,
}
"""What `--only` may name of a trial."""

SHOWN = 20
"""Names that a complaint lists, at most."""


def check(only: Sequence[str], limit: int | None) -> None:
    """Raise GanbenchError for what names no trait of a trial, or for a limit that lets nothing through."""
    for text in only:
        name, equals, value = text.partition("=")
        if not equals or not value.strip():
            raise GanbenchError(f"--only {shorten(text)}: give a trait and its value, as in method=ns-gan.")
        if name.strip() not in TRAITS:
            raise unknown("trait of a trial", name.strip(), TRAITS, "--only")
    if limit is not None and limit < 1:
        raise GanbenchError(f"--limit = {limit}: give the most trials to train now, 1 or more, or leave it out.")


def select(left: Sequence[Batch], plan: Plan, only: Sequence[str], limit: int | None) -> tuple[Batch, ...]:
    """Give the batches to train now: those with a trial that has the traits, in their order, up to the limit.

    Values of one trait are alternatives, different traits must all hold; a key may be shortened. Batches stay whole,
    since a trial's numbers depend on its company. Raises GanbenchError for a value that no trial of the plan has, and
    where not even the first batch is within the limit.
    """
    wanted: dict[str, set[str]] = {}
    for text in only:
        name, _, value = (part.strip() for part in text.partition("="))
        wanted.setdefault(name, set()).add(check_value(name, value, plan))
    chosen = [batch for batch in left if any(matches(trial, wanted) for trial in batch.trials)]
    if limit is None:
        return tuple(chosen)
    within: list[Batch] = []
    for batch in chosen:
        if sum(len(each.trials) for each in (*within, batch)) > limit:
            break
        within.append(batch)
    if chosen and not within:
        size = len(chosen[0].trials)
        raise GanbenchError(
            f"--limit = {limit}: the next batch, {chosen[0].label}, has {size} trials and trains as a whole. "
            f"Give {size} or more."
        )
    return tuple(within)


def check_value(name: str, value: str, plan: Plan) -> str:
    """Give a value that some trial of the plan has; GanbenchError with those that they have otherwise."""
    values = list(dict.fromkeys(TRAITS[name](trial) for trial in plan.trials))
    if any(matches_value(name, own, value) for own in values):
        return value
    if name == "key":
        raise GanbenchError(f"--only: no trial of this plan has a key that begins with {shorten(value)}.")
    more = f" (and {len(values) - SHOWN} more)" if len(values) > SHOWN else ""
    raise GanbenchError(f"{unknown(name, value, values[:SHOWN], '--only')}{more}")


def matches(trial: Trial, wanted: Mapping[str, set[str]]) -> bool:
    """Say whether a trial has one of the wanted values of every trait."""
    return all(
        any(matches_value(name, TRAITS[name](trial), value) for value in values) for name, values in wanted.items()
    )


def matches_value(name: str, own: str, value: str) -> bool:
    """Say whether a trial's value is the one asked for; a key may be shortened."""
    return own.startswith(value) if name == "key" else own == value
