"""Success rules: held against what their datasets are measured by, told in words, and asked of one record."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

from ganbench.api.metrics import Direction, Metric
from ganbench.api.records import Record
from ganbench.errors import GanbenchError, unknown
from ganbench.evaluation.outcomes import SPREAD
from ganbench.suite import conditions
from ganbench.suite.success import SuccessTable


def check_rule(rule: SuccessTable, metrics: Mapping[str, Metric], snapshots: int, place: str) -> None:
    """Refuse a rule that no trial of its dataset could answer; `metrics` holds, by value, what it is measured by.

    Raises GanbenchError that begins with `place`: unknown values, neutral ones with thresholds, thresholds against the
    metric's direction, and a condition on a value that is not measured where the best is chosen.
    """
    directions = {name: metric.values[name] for name, metric in metrics.items()}
    if rule.metric is not None:
        check_thresholds(rule, rule.metric, directions, place)
    if rule.condition is not None:
        names = conditions.parse(rule.condition).names
        known: dict[str, Direction] = {**directions, SPREAD: "neutral"}
        for name in names:
            if name not in known:
                raise unknown("metric value", name, known, f"{place}, condition")
        if rule.at == "best":
            chooser = rule.metric or next((name for name in names if known[name] != "neutral"), None)
            check_choice(chooser, names, {name for name, metric in metrics.items() if metric.final}, snapshots, place)


def check_thresholds(rule: SuccessTable, metric: str, directions: Mapping[str, Direction], place: str) -> None:
    """Refuse a metric that the dataset does not yield, and thresholds against the metric's direction."""
    if metric not in directions:
        raise unknown("metric value", metric, directions, place)
    direction = directions[metric]
    if direction == "neutral":
        raise GanbenchError(
            f"{place}: {metric!r} has no better direction, so no threshold can be success. "
            f'A condition may name it, as in condition = "{metric} > 1".'
        )
    ordered = sorted(rule.thresholds, reverse=direction == "lower")
    if list(rule.thresholds) != ordered:
        raise GanbenchError(
            f"{place}: thresholds {list(rule.thresholds)} must rise in difficulty; for {metric!r} {direction} "
            f"is better, so write {ordered}."
        )


def check_choice(chooser: str | None, names: tuple[str, ...], late: set[str], snapshots: int, place: str) -> None:
    """Refuse at = "best" where no value says which is best, or where a condition's value may not be measured there."""
    if chooser is None:
        raise GanbenchError(
            f'{place}, condition: at = "best" needs a value that has a best, and {names[0]!r} has none. '
            'Name one with a better direction, or write at = "final".'
        )
    missed = next((name for name in names if name in late), None)
    if missed is not None and chooser not in late and snapshots > 1:
        raise GanbenchError(
            f"{place}, condition: {missed!r} is measured at the end only, but the best {chooser!r} may come before. "
            'Write at = "final", or leave it out.'
        )


def describe_rule(rule: SuccessTable, directions: Mapping[str, Direction]) -> str:
    """Give a rule at its primary threshold, as in `fid < 40 and recall > 0.5`."""
    sides = {"lower": "<", "higher": ">", "neutral": "?"}
    metric = f"{rule.metric} {sides[directions[rule.metric]]} {rule.primary:g}" if rule.metric else ""
    return " and ".join(part for part in (metric, rule.condition) if part)


def succeeds(record: Record, rule: SuccessTable, directions: Mapping[str, Direction]) -> bool:
    """Say whether a trial that just ended succeeds at the primary threshold; what exploded is for tables to find."""
    condition = conditions.parse(describe_rule(rule, directions))
    chooser = next((name for name in condition.names if directions.get(name, "neutral") != "neutral"), "")
    series = [score for score in record.scores if score.name == chooser and not score.fresh]
    step, fresh = record.trial.budget.generator_steps, False
    if rule.at == "best" and len(series) > 1:
        finite = [score for score in series if isfinite(score.value)]
        pick = max if directions[chooser] == "higher" else min
        step, fresh = (pick(finite, key=lambda score: score.value).step if finite else -1), True
    values = {score.name: score.value for score in record.scores if (score.step, score.fresh) == (step, fresh)}
    return record.status == "completed" and condition.holds(values)
