"""Success rules that show no learning, because an untrained baseline passes them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ganbench.api.metrics import metric_title
from ganbench.api.records import Calibration
from ganbench.evaluation.success import meets
from ganbench.suite.success import SuccessRule

DIGITS = 3
"""The significant digits of values and thresholds in messages."""


@dataclass(frozen=True)
class PassingBaseline:
    """An untrained baseline that passes a rule.

    `thresholds` are those of the rule that it passes, and `value` is its score; a rule that is a condition alone has
    neither (() and NaN). `samples` is the number of samples that were scored.
    """

    sampler: str
    thresholds: tuple[float, ...] = ()
    value: float = math.nan
    direction: str = "neutral"
    samples: int = 0


def find_passing(rule: SuccessRule, rows: Iterable[Calibration]) -> list[PassingBaseline]:
    """Return the untrained baselines that pass a rule at one or more of its thresholds, the best score first.

    `rows` are the scores of the baselines on the rule's dataset. A baseline passes as a trial succeeds: strictly beyond
    the threshold in the metric's direction, and with a true condition. Real data and the perfect sampler are ignored; a
    NaN never passes.
    """
    passing: list[PassingBaseline] = []
    for sampler, scores in group_by_sampler(rows).items():
        values = {row.name: row.value for row in scores}
        row = next((row for row in scores if row.name == rule.metric), None)
        if rule.metric is None and meets(rule, values):
            passing.append(PassingBaseline(sampler, samples=scores[0].samples))
        elif row is not None:
            passed = tuple(t for t in rule.thresholds if meets(rule, values, t, row.direction))
            if passed:
                passing.append(PassingBaseline(sampler, passed, row.value, row.direction, row.samples))
    return sorted(passing, key=lambda baseline: baseline.value if baseline.direction == "lower" else -baseline.value)


def group_by_sampler(rows: Iterable[Calibration]) -> Mapping[str, list[Calibration]]:
    """Return the scores of each untrained baseline by its name, without real data and perfect samplers."""
    groups: dict[str, list[Calibration]] = {}
    for row in rows:
        if row.trivial:
            groups.setdefault(row.sampler, []).append(row)
    return groups


def explain_refusal(rule: SuccessRule, passing: Sequence[PassingBaseline]) -> str:
    """Return why a rule is refused that these baselines pass (at least one), and how to change it."""
    first = passing[0]
    rest = ", ".join(describe_baseline(baseline) for baseline in passing[1:])
    also = f" So do {rest}." if rest else ""
    subject = f"{first.sampler!r}, an untrained baseline, passes"
    allow = "or set allow_trivial = true; the tables will then name the baselines that pass"
    if rule.metric is None:
        return f"{subject} {rule.condition!r}.{also} Make the condition harder, {allow}."
    sign, harder = ("<", "less") if first.direction == "lower" else (">", "more")
    passed = " and ".join(f"{rule.metric} {sign} {threshold:g}" for threshold in first.thresholds)
    limit = round_harder(first.value, first.direction)
    return (
        f"{subject} {metric_title(passed)}: its score is {first.value:.{DIGITS}g} on {first.samples} samples.{also} "
        f"Use thresholds of {limit:g} or {harder}, or add a condition that it does not meet, {allow}."
    )


def describe_baseline(baseline: PassingBaseline) -> str:
    """Return the name of a baseline with its score, if it has one, as in "'noise' (80)"."""
    return f"{baseline.sampler!r}" + ("" if math.isnan(baseline.value) else f" ({baseline.value:.{DIGITS}g})")


def round_harder(value: float, direction: str) -> float:
    """Return a value rounded to three digits in the harder direction, so the value does not pass it as a threshold."""
    if value == 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - DIGITS + 1)
    steps = value / unit
    return float(f"{(math.floor(steps) if direction == 'lower' else math.ceil(steps)) * unit:.{DIGITS}g}")


def write_notes(rule: SuccessRule, rows: Iterable[Calibration]) -> tuple[str, ...]:
    """Return a table's note on the untrained baselines that pass a rule; no note if none does."""
    parts = [
        describe_baseline(baseline)
        + (f" passes {', '.join(f'{t:g}' for t in baseline.thresholds)}" if baseline.thresholds else " passes")
        for baseline in find_passing(rule, rows)
    ]
    return (f"Thresholds that untrained baselines pass show no learning: {'; '.join(parts)}.",) if parts else ()
