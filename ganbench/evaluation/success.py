"""Success rules: checks against the metrics of their dataset, descriptions in words, and decisions."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite, nan
from typing import Any

from ganbench.api.metrics import Direction, Metric, metric_title
from ganbench.api.records import Record
from ganbench.errors import GanbenchError, shorten, unknown_name
from ganbench.evaluation.outcomes import SPREAD
from ganbench.suite import conditions
from ganbench.suite.success import SuccessRule, SuccessTable


def check_rule(rule: SuccessTable, metrics: Mapping[str, Metric], snapshots: int, place: str) -> None:
    """Raise GanbenchError if no trial of the dataset could be decided by the rule.

    `metrics` maps the name of a value to the metric that measures it; `snapshots` is the number of snapshots per trial.
    The message begins with `place`. Errors are: an unknown value; a threshold for a value without a better direction;
    thresholds in an order against that direction; a condition that contradicts itself or a threshold; a condition on a
    value that is not measured at the best snapshot; and more last snapshots than there are, or than are measured.
    """
    directions = {name: metric.values[name] for name, metric in metrics.items()}
    late = {name for name, metric in metrics.items() if metric.final}
    if rule.metric is not None:
        check_thresholds(rule, rule.metric, directions, place)
    if rule.condition is not None:
        names = conditions.parse(rule.condition).names
        values: dict[str, Direction] = {**directions, SPREAD: "neutral"}
        for name in names:
            if name not in values:
                raise unmeasured(name, values, f"{place}, condition")
        check_contradiction(rule, directions, place)
        if rule.at == "best":
            chooser = rule.metric or next((name for name in names if values[name] != "neutral"), None)
            check_choice(chooser, names, late, snapshots, place)
    check_sustained(rule, late, snapshots, place)


def check_thresholds(rule: SuccessTable, metric: str, directions: Mapping[str, Direction], place: str) -> None:
    """Raise GanbenchError if the dataset has no such metric value, or if the thresholds are against its direction."""
    if metric not in directions:
        raise unmeasured(metric, directions, place)
    direction = directions[metric]
    if direction == "neutral":
        raise GanbenchError(
            f"{place}: {metric!r} has no better direction, so a threshold cannot define success. "
            f'A condition can use it, as in condition = "{metric} > 1".'
        )
    ordered = sorted(rule.thresholds, reverse=direction == "lower")
    if list(rule.thresholds) != ordered:
        raise GanbenchError(
            f"{place}: thresholds {shorten(list(rule.thresholds))} must rise in difficulty; for {metric!r} {direction} "
            f"is better, so write {shorten(ordered)}."
        )


def unmeasured(name: str, measured: Mapping[str, Direction], place: str) -> GanbenchError:
    """Return the error for a value that is not measured on the dataset, with the way to have it measured."""
    error = unknown_name("metric value", name, measured, place)
    return GanbenchError(
        f"{error} A metric that is not among them is measured if metrics = [...] of its [[dataset]] names it."
    )


def check_contradiction(rule: SuccessTable, directions: Mapping[str, Direction], place: str) -> None:
    """Raise GanbenchError if no number meets all comparisons of the condition and the thresholds with one value."""
    comparisons = list(conditions.parse(rule.condition or "").comparisons)
    if rule.metric is not None and rule.thresholds:
        sign = "<" if directions[rule.metric] == "lower" else ">"
        comparisons.append(conditions.Comparison(rule.metric, sign, rule.thresholds[-1]))
    for name in dict.fromkeys(each.name for each in comparisons):
        own = [each for each in comparisons if each.name == name]
        low = max((each for each in own if each.sign[0] == ">"), key=lambda each: each.bound, default=None)
        high = min((each for each in own if each.sign[0] == "<"), key=lambda each: each.bound, default=None)
        if low is None or high is None:
            continue
        between = low.bound / 2 + high.bound / 2
        if not all(each(between) for each in own):
            raise GanbenchError(f"{place}, condition: no {name!r} meets both {low} and {high}. Change one of them.")


def check_choice(chooser: str | None, names: tuple[str, ...], late: set[str], snapshots: int, place: str) -> None:
    """Raise GanbenchError if at = "best" is undecidable.

    `chooser` is the value that the best snapshot is chosen by, None if the rule has no value with a better direction.
    `names` are the values of the condition, `late` the values that are measured at the end only.
    """
    if chooser is None:
        raise GanbenchError(
            f'{place}, condition: at = "best" needs a value with a better direction, and {names[0]!r} has none. '
            'Name a value that has one, or write at = "final".'
        )
    late_name = next((name for name in names if name in late), None)
    if late_name is not None and chooser not in late and snapshots > 1:
        raise GanbenchError(
            f"{place}, condition: {late_name!r} is measured at the end only, but the best {chooser!r} may come before. "
            'Write at = "final", or leave it out.'
        )


def check_sustained(rule: SuccessTable, late: set[str], snapshots: int, place: str) -> None:
    """Raise GanbenchError if the rule asks for more last snapshots than a trial has, or than its values have.

    `late` are the values that are measured at the end only.
    """
    if rule.sustained > snapshots:
        raise GanbenchError(
            f"{place}: sustained = {rule.sustained}, but the suite evaluates each trial at {snapshots} snapshot"
            f"{'s' * (snapshots != 1)}. Use at most {snapshots}, or raise snapshots in [budget]."
        )
    names = conditions.parse(rule.condition).names if rule.condition is not None else ()
    late_name = next((name for name in (rule.metric, *names) if name in late), None)
    if rule.sustained > 1 and late_name is not None:
        raise GanbenchError(
            f"{place}: sustained = {rule.sustained}, but {late_name!r} is measured at the end only. "
            "Use a value that is measured at every snapshot, or leave sustained out."
        )


def describe_rule(rule: SuccessTable, directions: Mapping[str, Direction]) -> str:
    """Return a rule at its primary threshold in words, as in `FID < 40 and recall > 0.5`."""
    sides = {"lower": "<", "higher": ">", "neutral": "?"}
    threshold = f"{rule.metric} {sides[directions[rule.metric]]} {rule.primary:g}" if rule.metric else ""
    return metric_title(" and ".join(part for part in (threshold, rule.condition) if part)) + describe_sustained(rule)


def describe_sustained(rule: SuccessRule) -> str:
    """Return " at each of the last 3 evaluations" for a rule that must be met at these, "" for the last one alone."""
    return f" at each of the last {rule.sustained} evaluations" if rule.sustained > 1 else ""


def beyond(values: Any, threshold: float, direction: str) -> Any:
    """Return whether values (a float or an array) lie strictly beyond a threshold in this direction; NaN never does."""
    return values < threshold if direction == "lower" else values > threshold


def meets(
    rule: SuccessRule, values: Mapping[str, float], threshold: float | None = None, direction: str = "neutral"
) -> bool:
    """Return whether the values of one snapshot meet a rule: strictly beyond the threshold, and the condition is true.

    `values` maps the name of a value to its score. A value that is missing or NaN meets nothing. Without a threshold,
    the condition alone decides.
    """
    if threshold is not None and not beyond(values.get(rule.metric or "", nan), threshold, direction):
        return False
    return rule.condition is None or bool(conditions.parse(rule.condition).holds(values))


def succeeds(record: Record, rule: SuccessRule, directions: Mapping[str, Direction]) -> bool:
    """Return whether a trial that has just ended succeeds at the primary threshold.

    This is a first answer, for the display of a run. Tables may differ, because they also know which trials exploded.
    """
    names = (rule.metric,) if rule.metric else conditions.parse(rule.condition or "").names
    chooser = next((name for name in names if directions.get(name, "neutral") != "neutral"), "")
    series = [score for score in record.scores if score.name == chooser and not score.fresh]
    places = [(record.trial.budget.generator_steps, False)]
    if rule.at == "best" and len(series) > 1:
        finite = [score for score in series if isfinite(score.value)]
        pick = max if directions[chooser] == "higher" else min
        places = [(pick(finite, key=lambda score: score.value).step if finite else -1, True)]
    elif rule.sustained > 1:
        places = [(step, False) for step in record.trial.budget.snapshots[-rule.sustained :]]
    direction = directions.get(rule.metric or "", "neutral")
    values = [{score.name: score.value for score in record.scores if (score.step, score.fresh) == at} for at in places]
    held = len(values) >= rule.sustained and all(meets(rule, each, rule.primary, direction) for each in values)
    return record.status == "completed" and held
