"""The sensitivity of a conclusion to how the same results are read: budget, snapshots, metric and threshold.

Every reading uses the scores and the paired test of the comparison tables, on frames and rules that differ in what is
varied. Only the primary reading tests; all others describe, and nothing is corrected for their number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from ganbench.api.metrics import Direction
from ganbench.statistics.equal_budgets import equal_budgets, select_pair
from ganbench.statistics.final_scores import (
    NEVER,
    compared_values,
    headline,
    rule_scores,
    successes,
)
from ganbench.statistics.imported_trials import knows_best
from ganbench.statistics.success_rates import contingency, pair_trials
from ganbench.suite.success import At, SuccessRule

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

LEVEL = 0.05
"""The significance level: with a p-value from here on, no difference is shown."""

QUARTERS = (0.25, 0.5, 0.75)
"""The shares of all trials that lie beyond the additional thresholds, for a rule that has one threshold only."""

DECLARED = "as declared"
SUSTAINED = 3
"""The number of last snapshots of the reading in which success must be sustained, where there are as many."""

Verdict = Literal["a", "b", "none", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A success rule with one threshold, or a condition alone, by which the results are read.

    `varied` names what differs from the primary reading: "", "metric" or "threshold". If the threshold was chosen for
    the share of all trials beyond it, `target_share` is the share that was intended, and `share` the one it has.
    `points` is the most snapshots of a trial at which the metric was measured.
    """

    varied: str
    dataset: str
    metric: str | None
    measurement: str | None
    direction: Direction
    primary: float | None
    condition: str | None = None
    at: At = "final"
    sustained: int = 1
    points: int = 1
    share: float = np.nan
    target_share: float = np.nan
    compare: tuple[tuple[str, str], ...] = ()
    smallest_effect: float | None = None

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The primary threshold alone, or none."""
        return () if self.primary is None else (self.primary,)


def sensitivity_table(
    frames: Frames,
    rule: SuccessRule,
    pair: tuple[str, str],
    measurement: str | None = None,
    rules: Sequence[SuccessRule] = (),
    *,
    cross: bool = False,
) -> pd.DataFrame:
    """Return the comparison of two methods by every reading that differs from the primary one in one thing.

    With `cross`, it has all combinations as well. The first row is the primary reading. Columns:

    varied: "" for the primary reading, else budget, at, metric and threshold, those that differ, joined by " + ".
    budget, at ("final", "best" or "last 3"), metric, condition, direction, measurement, threshold: the reading.
    share, target_share: if the threshold was chosen for the share of all trials beyond it, that share and its target.
    step_a, step_b: the median generator step at which the trials are read, with the extremes `_low` and `_high`.
    n, rate_a, rate_b, difference (A's rate minus B's), p: the paired comparison, as in `success_table`.
    verdict: "a" or "b" is better at 5%; "none": no difference is shown; "unknown": there are no pairs.
    counted: the reading varies something, and its verdict is known.
    holds: the verdict is that of the primary reading.

    `rules` are those of the suite: the threshold of another metric is the primary one of its own rule. With a smaller
    budget, a best snapshot that has no fresh score keeps the score of the series. Raise GanbenchError for an unknown
    method.
    """
    pair_frames = select_pair(frames, rule.dataset, pair)
    budgets = {DECLARED: pair_frames, **equal_budgets(pair_frames)}
    readings = list(list_readings(pair_frames, rule, pair, measurement, rules))
    rows: list[dict[str, Any]] = []
    primary_snapshots, *others = list_snapshots(rule, readings[0].points, best=knows_best(frames))
    for (budget, budget_frames), reading, snapshots in product(budgets.items(), readings, (primary_snapshots, *others)):
        (at, lasting), differs = snapshots, snapshots != primary_snapshots
        varied = [name for name, varies in (("budget", budget != DECLARED), ("at", differs)) if varies]
        varied += [reading.varied] if reading.varied else []
        same = budget != DECLARED and budget_frames is pair_frames
        sustained = lasting if lasting <= reading.points else 1
        # a shorter run has fewer snapshots, and another metric may have been measured at fewer
        too_few = differs and lasting > 1 and (budget != DECLARED or sustained != lasting)
        if len(varied) <= 1 or (cross and not same and not too_few):
            row = compare_pair(budget_frames, replace(reading, at=at, sustained=sustained), pair)
            rows.append({"varied": " + ".join(varied), "budget": budget, "same": same, **row})
    table = pd.DataFrame(rows)
    order = table["varied"].map({name: i for i, name in enumerate(("", "budget", "at", "metric", "threshold"))})
    table = table.iloc[order.fillna(len(order)).argsort(kind="stable")].reset_index(drop=True)
    counted = (table["varied"] != "") & (table["verdict"] != "unknown") & ~table["same"]
    return table.drop(columns="same").assign(counted=counted, holds=table["verdict"] == table["verdict"].iloc[0])


def list_snapshots(rule: SuccessRule, points: int, *, best: bool = True) -> list[tuple[At, int]]:
    """Return at which snapshots success may be read, and how many of the last it must hold at: those of the rule first.

    The others are the last, the `best` if it is known, and the last `SUSTAINED` if the rule's metric has so many
    `points`.
    """
    lasting: list[tuple[At, int]] = [("final", SUSTAINED)] if rule.sustained == 1 and points >= SUSTAINED else []
    chosen: list[tuple[At, int]] = [("best", 1)] if best else []
    return list(dict.fromkeys([(rule.at, rule.sustained), ("final", 1), *chosen, *lasting]))


def name_snapshots(at: At, sustained: int) -> str:
    """Return the name of the snapshots that decide: "final", "best" or "last 3"."""
    return f"last {sustained}" if sustained > 1 else at


def compare_pair(frames: Frames, reading: Reading, pair: tuple[str, str]) -> dict[str, Any]:
    """Return the comparison of two methods by one reading, by column of `sensitivity_table`."""
    anchor = replace(reading, varied="", primary=None, share=0.0, target_share=0.0)
    a, b = read_pair(frames, anchor, pair)
    success_a, success_b = (successes(side, reading.at, reading.primary) for side in (a, b))
    comparison = contingency(success_a, success_b, a["unit"])
    verdict: Verdict = "none" if comparison["n"] else "unknown"
    if comparison["p"] < LEVEL:
        verdict = "a" if comparison["difference"] > 0 else "b"
    return {
        "at": name_snapshots(reading.at, reading.sustained),
        "metric": reading.metric or "",
        "condition": reading.condition or "",
        "direction": reading.direction,
        "measurement": reading.measurement,
        "threshold": np.nan if reading.primary is None else reading.primary,
        "share": reading.share,
        "target_share": reading.target_share,
        **snapshot_steps(a, "step_a", reading.at),
        **snapshot_steps(b, "step_b", reading.at),
        **{name: comparison[name] for name in ("n", "rate_a", "rate_b", "difference", "p")},
        "verdict": verdict,
    }


@lru_cache(maxsize=64)
def read_pair(frames: Frames, reading: Reading, pair: tuple[str, str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the paired scores by a reading without a threshold, computed once for all of its thresholds.

    Callers must not change them.
    """
    return pair_trials(rule_scores(frames, reading, reading.measurement), frames, pair)


def snapshot_steps(scores: pd.DataFrame, name: str, at: At) -> dict[str, float]:
    """Return the median, smallest and largest generator step at which trials are read: `name`, `_low` and `_high`."""
    steps = scores[f"{at}_step"]
    steps = steps[steps != NEVER]
    return {name: steps.median(), f"{name}_low": steps.min(), f"{name}_high": steps.max()}


def list_readings(
    frames: Frames, rule: SuccessRule, pair: tuple[str, str], measurement: str | None, rules: Sequence[SuccessRule]
) -> Iterator[Reading]:
    """Yield the primary reading, then one for every other metric, then those with other thresholds."""
    rows = frames.series[frames.series["direction"] != "neutral"].drop_duplicates(["name", "measurement"])
    metrics = list(rows[["name", "measurement", "direction"]].itertuples(index=False, name=None))
    chooser = headline(frames, rule)
    directions = [direction for name, way, direction in metrics if name == chooser and measurement in (None, way)]
    series = {place: scores[~scores["fresh"]] for place, scores in frames.measured.items()}
    points = {place: int(scores.groupby("number").size().max()) for place, scores in series.items() if len(scores)}
    own_points = [count for (name, way), count in points.items() if name == chooser and measurement in (None, way)]
    primary = Reading(
        varied="",
        dataset=rule.dataset,
        metric=rule.metric,
        measurement=measurement,
        direction=directions[0] if directions else "neutral",
        condition=rule.condition,
        at=rule.at,
        sustained=rule.sustained,
        primary=rule.primary,
        points=max(own_points, default=0),
    )
    yield primary
    first = compare_pair(frames, primary, pair)
    share = (first["rate_a"] + first["rate_b"]) / 2  # both methods have the same number of trials: pairs
    plain_rules = [each for each in rules if each.dataset == rule.dataset and each.condition is None]
    declared = {each.metric: each.primary for each in reversed(plain_rules)}
    for metric, way, direction in metrics:
        if metric != rule.metric:
            other = replace(
                primary,
                varied="metric",
                metric=metric,
                condition=None,
                measurement=way,
                direction=direction,
                points=points[metric, way],
                sustained=rule.sustained if points[metric, way] >= rule.sustained else 1,
            )
            own_threshold = declared.get(metric)
            if own_threshold is None:
                yield choose_threshold(frames, other, share)
            else:
                yield replace(other, primary=own_threshold)
    between = [(easier + harder) / 2 for easier, harder in pairwise(rule.thresholds)]
    for threshold in sorted({*rule.thresholds, *between} - {rule.primary}, reverse=primary.direction == "lower"):
        yield replace(primary, varied="threshold", primary=threshold)
    shares = {share}
    for quarter in QUARTERS if len(rule.thresholds) == 1 else ():
        reading = choose_threshold(frames, replace(primary, varied="threshold"), quarter)
        if reading.share not in shares:  # with ties, two targets may have the same threshold
            shares.add(reading.share)
            yield reading


def choose_threshold(frames: Frames, reading: Reading, share: float) -> Reading:
    """Return a reading with the threshold beyond which this share of both methods' trials together lies.

    The threshold lies half-way between two neighbouring values. The share is as near to the target as possible: values
    may tie, and trials without a finite score are never beyond. It is neither 0 nor 1, unless the target is, or the
    values allow nothing else.
    """
    scores = rule_scores(frames, reading, reading.measurement)
    sign = -1 if reading.direction == "higher" else 1
    ordered = np.sort(sign * compared_values(scores, reading.at))  # the best first, those without a score last (inf)
    ends = np.append(ordered, np.inf)
    counts = [k for k in range(len(ordered) + 1) if k == 0 or (np.isfinite(ends[k - 1]) and ends[k - 1] < ends[k])]
    if not len(ordered) or np.isnan(share):
        return reading
    inner = [k for k in counts if 0 < k < len(ordered)]
    count = min(inner if inner and 0 < share < 1 else counts, key=lambda k: abs(k - share * len(ordered)))
    last, following = (ordered[count - 1] if count else -np.inf), ends[count]
    if np.isfinite([last, following]).all():
        middle = (last + following) / 2
    else:
        middle = np.nextafter(last, np.inf) if count else following
    threshold = middle if middle > last else following
    return replace(reading, primary=float(sign * threshold), share=count / len(ordered), target_share=share)
