"""The batches to train now, selected by `--only` and `--limit`; the plan does not change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from ganbench.api.trials import Batch, Trial
from ganbench.errors import GanbenchError, shorten, unknown_name

if TYPE_CHECKING:
    from ganbench.plan.plan import Plan

TRAITS: Mapping[str, Callable[[Trial], tuple[str, ...]]] = {
    "method": lambda trial: (trial.labels["method"], trial.declared_method),
    "dataset": lambda trial: (trial.labels["dataset"],),
    "architecture": lambda trial: (trial.labels["architecture"],),
    "seed": lambda trial: (str(trial.seed),),
    "key": lambda trial: (trial.key,),
}
"""The traits of a trial that `--only` can name, each with the values that the trial goes by."""


def check(only: Sequence[str], limit: int | None) -> None:
    """Raise GanbenchError for an unknown trait, a trait without a value, and a limit below 1."""
    for text in only:
        name, equals, value = text.partition("=")
        if not equals or not value.strip():
            raise GanbenchError(f"--only {shorten(text)}: write a trait and its value, as in method=ns-gan.")
        if name.strip() not in TRAITS:
            raise unknown_name("trait", name.strip(), TRAITS, "--only")
    if limit is not None and limit < 1:
        raise GanbenchError(
            f"--limit = {limit}: it is the largest number of trials to train now. Give 1 or more, or leave it out."
        )


def select(batches: Sequence[Batch], plan: Plan, only: Sequence[str], limit: int | None) -> tuple[Batch, ...]:
    """Return the batches to train now, in order: those with a trial that has the traits `only`, up to `limit` trials.

    Several values of one trait are alternatives; different traits must all match; a key may be shortened. Batches stay
    whole, since a trial's numbers depend on the composition of its batch. Raise GanbenchError for a value that no trial
    of the plan has, and if the first batch alone exceeds the limit.
    """
    traits: dict[str, set[str]] = {}
    for text in only:
        name, _, value = (part.strip() for part in text.partition("="))
        traits.setdefault(name, set()).add(check_value(name, value, plan))
    matching = [batch for batch in batches if any(matches(trial, traits) for trial in batch.trials)]
    if limit is None:
        return tuple(matching)
    selection: list[Batch] = []
    for batch in matching:
        if sum(len(each.trials) for each in (*selection, batch)) > limit:
            break
        selection.append(batch)
    if matching and not selection:
        size = len(matching[0].trials)
        raise GanbenchError(
            f"--limit = {limit}: the next batch, {matching[0].label}, has {size} trials, which train together. "
            f"Give {size} or more."
        )
    return tuple(selection)


def check_value(name: str, value: str, plan: Plan) -> str:
    """Return a value of a trait; raise GanbenchError, with the values of the plan's trials, if none of them has it."""
    values = list(dict.fromkeys(own for trial in plan.trials for own in TRAITS[name](trial)))
    if any(matches_value(name, actual, value) for actual in values):
        return value
    if name == "key":
        raise GanbenchError(f"--only: no trial of this plan has a key that begins with {shorten(value)}.")
    raise unknown_name(name, value, values, "--only")


def matches(trial: Trial, traits: Mapping[str, set[str]]) -> bool:
    """Return whether a trial has, for every trait, one of its values."""
    return all(
        any(matches_value(name, own, value) for own in TRAITS[name](trial) for value in values)
        for name, values in traits.items()
    )


def matches_value(name: str, actual: str, value: str) -> bool:
    """Return whether the actual value of a trait is this value; a key may be shortened."""
    return actual.startswith(value) if name == "key" else actual == value
