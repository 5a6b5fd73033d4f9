"""Success rules that ask for nothing: which untrained samplers pass which thresholds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ganbench.api.records import Calibration
from ganbench.evaluation.success import meets
from ganbench.suite.success import SuccessRule

DIGITS = 3


@dataclass(frozen=True)
class PassingBaseline:
    """An untrained sampler that passes a rule: at these of its thresholds, with this value; none for a condition."""

    sampler: str
    thresholds: tuple[float, ...] = ()
    value: float = math.nan
    direction: str = "neutral"
    samples: int = 0


def find_passing(rule: SuccessRule, rows: Iterable[Calibration]) -> list[PassingBaseline]:
    """Give the trivial samplers that pass a rule, by one of its thresholds or more, the strongest first.

    `rows` are what untrained samplers score on the rule's dataset. To pass is what it is for a trial: strictly beyond
    the threshold in the metric's direction, and every joined condition holds. The ceiling may pass; NaN never does.
    """
    found: list[PassingBaseline] = []
    for sampler, scores in group_by_sampler(rows).items():
        values = {row.name: row.value for row in scores}
        row = next((row for row in scores if row.name == rule.metric), None)
        if rule.metric is None and meets(rule, values):
            found.append(PassingBaseline(sampler, samples=scores[0].samples))
        elif row is not None:
            passed = tuple(t for t in rule.thresholds if meets(rule, values, t, row.direction))
            if passed:
                found.append(PassingBaseline(sampler, passed, row.value, row.direction, row.samples))
    return sorted(found, key=lambda one: one.value if one.direction == "lower" else -one.value)


def group_by_sampler(rows: Iterable[Calibration]) -> Mapping[str, list[Calibration]]:
    """Gather what each trivial sampler scores."""
    found: dict[str, list[Calibration]] = {}
    for row in rows:
        if row.trivial:
            found.setdefault(row.sampler, []).append(row)
    return found


def explain_refusal(rule: SuccessRule, passes: Sequence[PassingBaseline]) -> str:
    """Say why a rule that trivial samplers pass is refused, and what would do."""
    first = passes[0]
    others = ", ".join(describe_passing(one) for one in passes[1:])
    also = f" So do {others}." if others else ""
    how = f"{first.sampler!r}, a sampler that nobody trained, passes"
    allow = "or set allow_trivial = true, and the tables will say who passes"
    if rule.metric is None:
        return f"{how} {rule.condition!r}.{also} Ask for more, {allow}."
    sign, harder = ("<", "less") if first.direction == "lower" else (">", "more")
    asked = " and ".join(f"{rule.metric} {sign} {threshold:g}" for threshold in first.thresholds)
    limit = round_harder(first.value, first.direction)
    return (
        f"{how} {asked}: it has {first.value:.{DIGITS}g} on {first.samples} samples.{also} "
        f"Thresholds of {limit:g} or {harder} would do; or join a condition that it does not meet, {allow}."
    )


def describe_passing(one: PassingBaseline) -> str:
    """Name a sampler and what it has."""
    return f"{one.sampler!r}" + ("" if math.isnan(one.value) else f" ({one.value:.{DIGITS}g})")


def round_harder(value: float, direction: str) -> float:
    """Round a value to three digits, never to where it would pass."""
    if value == 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - DIGITS + 1)
    steps = value / unit
    return float(f"{(math.floor(steps) if direction == 'lower' else math.ceil(steps)) * unit:.{DIGITS}g}")


def write_notes(rule: SuccessRule, rows: Iterable[Calibration]) -> tuple[str, ...]:
    """Say for a table which untrained samplers pass a rule; nothing where none does."""
    who = [
        describe_passing(one)
        + (f" passes {', '.join(f'{t:g}' for t in one.thresholds)}" if one.thresholds else " passes")
        for one in find_passing(rule, rows)
    ]
    return (f"Thresholds that show no learning: of the samplers that nobody trained, {'; '.join(who)}.",) if who else ()
