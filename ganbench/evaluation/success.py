"""Success rules: checked against the metrics of their dataset, written in words, and decided."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite, nan
from typing import Any

from ganbench.api.metrics import Direction, Metric, metric_title
from ganbench.api.records import Record
from ganbench.errors import GanbenchError, unknown_name
from ganbench.evaluation.outcomes import SPREAD
from ganbench.suite import conditions
from ganbench.suite.success import SuccessRule, SuccessTable


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
                raise unknown_name("metric value", name, known, f"{place}, condition")
        if rule.at == "best":
            chooser = rule.metric or next((name for name in names if known[name] != "neutral"), None)
            check_choice(chooser, names, {name for name, metric in metrics.items() if metric.final}, snapshots, place)


def check_thresholds(rule: SuccessTable, metric: str, directions: Mapping[str, Direction], place: str) -> None:
    """Refuse a metric that the dataset does not yield, and thresholds against the metric's direction."""
    if metric not in directions:
        raise unknown_name("metric value", metric, directions, place)
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
    """Return a rule at its primary threshold in a reader's words, as in `FID < 40 and recall > 0.5`."""
    sides = {"lower": "<", "higher": ">", "neutral": "?"}
    threshold = f"{rule.metric} {sides[directions[rule.metric]]} {rule.primary:g}" if rule.metric else ""
    return metric_title(" and ".join(part for part in (threshold, rule.condition) if part))


def beyond(values: Any, threshold: float, direction: str) -> Any:
    """Return whether values (a float, or an array) lie strictly beyond a threshold in a direction; NaN never does."""
    return values < threshold if direction == "lower" else values > threshold


def meets(
    rule: SuccessRule, values: Mapping[str, float], threshold: float | None = None, direction: str = "neutral"
) -> bool:
    """Return whether the values of one snapshot meet a rule: beyond the threshold, where every condition holds.

    A value that is missing or NaN meets nothing. Without a threshold the condition decides alone.
    """
    if threshold is not None and not beyond(values.get(rule.metric or "", nan), threshold, direction):
        return False
    return rule.condition is None or bool(conditions.parse(rule.condition).holds(values))


def succeeds(record: Record, rule: SuccessRule, directions: Mapping[str, Direction]) -> bool:
    """Return whether a trial that just ended succeeds at the primary threshold.

    Tables have the last word: they also know which trials exploded.
    """
    names = (rule.metric,) if rule.metric else conditions.parse(rule.condition or "").names
    chooser = next((name for name in names if directions.get(name, "neutral") != "neutral"), "")
    series = [score for score in record.scores if score.name == chooser and not score.fresh]
    step, fresh = record.trial.budget.generator_steps, False
    if rule.at == "best" and len(series) > 1:
        finite = [score for score in series if isfinite(score.value)]
        pick = max if directions[chooser] == "higher" else min
        step, fresh = (pick(finite, key=lambda score: score.value).step if finite else -1), True
    values = {score.name: score.value for score in record.scores if (score.step, score.fresh) == (step, fresh)}
    direction = directions.get(rule.metric or "", "neutral")
    return record.status == "completed" and meets(rule, values, rule.primary, direction)
