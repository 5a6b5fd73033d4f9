"""Does a conclusion survive another reading of the same results: another budget, final or best, metric, threshold?

Every reading goes the way of the primary one, through the standings and the paired test of the comparison tables, on
frames and rules that differ in what is varied. All but the primary describe: nothing is corrected for their number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from ganbench.api.metrics import Direction
from ganbench.api.records import TRAINED
from ganbench.statistics.final_scores import NEVER, headline, successes, with_success
from ganbench.statistics.success_rates import contingency, pair_trials
from ganbench.suite.budget_units import BUDGET_UNITS
from ganbench.suite.success import At, SuccessRule

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

LEVEL = 0.05
"""From which p on no difference is said to be shown."""

PARTS = (0.25, 0.5, 0.75)
"""Shares of all trials that succeed at the thresholds tried where a rule has one threshold only."""

DECLARED = "as declared"
ENDS: tuple[At, ...] = ("final", "best")
COST_COLUMNS: Mapping[str, tuple[str, ...]] = {
    **{unit.title: unit.columns for unit in BUDGET_UNITS.values()},
    "training seconds": ("seconds_train",),
}
"""The columns whose sum is what a trial cost, by the unit in which two methods may have had the same."""

Verdict = Literal["a", "b", "none", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A success rule of one threshold, or of a condition alone.

    `share` is the share of all trials beyond the threshold, where it was chosen for that share.
    """

    varied: str
    dataset: str
    metric: str | None
    measurement: str | None
    direction: Direction
    primary: float | None
    condition: str | None = None
    at: At = "final"
    share: float = np.nan
    wanted: float = np.nan
    compare: tuple[tuple[str, str], ...] = ()

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The one, if any."""
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
    """Read one comparison in every way that differs from the primary in one thing; with `cross`, in all combinations.

    The first row is the primary. Columns: varied ("" there, else budget, at, metric, threshold, joined by +), budget,
    at, metric, condition, direction, measurement, threshold, share and wanted (of all trials beyond a threshold that
    was chosen for it), step_a and step_b (the median generator step at which the trials are read; _low and _high), n,
    rate_a, rate_b, difference (a less b), p, verdict (a or b better at 5%, none, or unknown without pairs), counted
    (it varies something and is known), holds. `rules` are the suite's: another metric's threshold is its own rule's
    primary. A trial that is cut short and has no fresh score of its best snapshot until then keeps the one of the
    series.
    """
    own = select_pair(frames, rule.dataset, pair)
    budgets = {DECLARED: own, **equal_budgets(own)}
    measures = list(list_readings(own, rule, pair, measurement, rules))
    rows: list[dict[str, Any]] = []
    for (budget, read), measure, at in product(budgets.items(), measures, ENDS):
        varied = [name for name, differs in (("budget", budget != DECLARED), ("at", at != rule.at)) if differs]
        varied += [measure.varied] if measure.varied else []
        nothing_cut = budget != DECLARED and read is own
        if len(varied) <= 1 or (cross and not nothing_cut):
            row = compare_by(read, replace(measure, at=at), pair)
            rows.append({"varied": " + ".join(varied), "budget": budget, "same": nothing_cut, **row})
    table = pd.DataFrame(rows)
    order = table["varied"].map({name: i for i, name in enumerate(("", "budget", "at", "metric", "threshold"))})
    table = table.iloc[order.fillna(len(order)).argsort(kind="stable")].reset_index(drop=True)
    counted = (table["varied"] != "") & (table["verdict"] != "unknown") & ~table["same"]
    return table.drop(columns="same").assign(counted=counted, holds=table["verdict"] == table["verdict"].iloc[0])


def compare_by(frames: Frames, measure: Reading, pair: tuple[str, str]) -> dict[str, Any]:
    """Compare two methods by one yardstick."""
    a, b = pair_trials(with_success(frames, measure, measure.measurement), frames, pair)
    won_a, won_b = (successes(side, measure.at, measure.primary) for side in (a, b))
    found = contingency(won_a, won_b, a["unit"])
    verdict: Verdict = "none" if found["n"] else "unknown"
    if found["p"] < LEVEL:
        verdict = "a" if found["difference"] > 0 else "b"
    return {
        "at": measure.at,
        "metric": measure.metric or "",
        "condition": measure.condition or "",
        "direction": measure.direction,
        "measurement": measure.measurement,
        "threshold": np.nan if measure.primary is None else measure.primary,
        "share": measure.share,
        "wanted": measure.wanted,
        **snapshot_steps(a, "step_a", measure.at),
        **snapshot_steps(b, "step_b", measure.at),
        **{name: found[name] for name in ("n", "rate_a", "rate_b", "difference", "p")},
        "verdict": verdict,
    }


def snapshot_steps(standing: pd.DataFrame, name: str, at: At) -> dict[str, float]:
    """Give the generator steps of the snapshots that some trials are read at: median, least and greatest."""
    steps = standing[f"{at}_step"]
    read = steps[steps != NEVER]
    return {name: read.median(), f"{name}_low": read.min(), f"{name}_high": read.max()}


# the budget


def select_pair(frames: Frames, dataset: str, pair: tuple[str, str]) -> Frames:
    """Give the frames of two methods on one dataset alone."""
    trials = frames.trials[(frames.trials["dataset"] == dataset) & frames.trials["method"].isin(pair)]
    scores, signals = (rows[rows["key"].isin(trials["key"])] for rows in (frames.scores, frames.signals))
    return replace(frames, trials=trials, scores=scores, signals=signals)


def equal_budgets(frames: Frames) -> dict[str, Frames]:
    """Give, for every unit that is known, the frames as if both methods had stopped when the cheaper was done.

    Where nothing has to be cut these are the frames themselves.
    """
    trials = frames.trials
    found: dict[str, Frames] = {}
    for unit, columns in COST_COLUMNS.items():
        if not set(columns) <= set(trials.columns):
            continue
        share = equal_cost_shares(trials, trials[list(columns)].astype("float64").sum(axis="columns", skipna=False))
        if share is not None:
            found[f"equal {unit}"] = cut_runs(frames, share)
    return found


def equal_cost_shares(trials: pd.DataFrame, spent: pd.Series[float]) -> pd.Series[float] | None:
    """Give the share of each trial's run at which its method had spent what the cheaper of the two spends in all.

    Compared on each architecture, by the median of the trials that came to their end; 1 where one method has none
    there. None if nowhere both have.
    """
    ended = trials.assign(spent=spent)[trials["status"].isin(TRAINED)]
    cost = ended.groupby(["architecture", "method"])["spent"].median().unstack("method")
    least = cost.min(axis="columns", skipna=False)
    if cost.shape[1] < 2 or least.isna().all():
        return None
    shares = cost.rdiv(least, axis="index").stack()
    return trials.join(pd.Series(shares, name="share"), on=["architecture", "method"])["share"].fillna(1.0)


def cut_runs(frames: Frames, share: pd.Series[float]) -> Frames:
    """Give the frames as they would be had each trial ended after this share of its generator steps.

    What came later is not known yet: neither scores nor signals nor a death. Cost is taken to be even over a run.
    """
    trials = frames.trials
    last = np.floor(share * trials["generator_steps"] + 1e-6)  # 1e-6: shares are rounded
    if (last >= trials["generator_steps"]).all():
        return frames
    updates = (trials["critic_updates"] + trials["generator_updates"]) / trials["generator_updates"]
    diverged_later = trials["diverged_at"] > last * updates.fillna(1.0)
    until = last.set_axis(trials["key"]).groupby(level=0).max()
    scores, signals = (rows[rows["step"] <= rows["key"].map(until)] for rows in (frames.scores, frames.signals))
    # The best snapshot until then may not be the one that was drawn afresh at the end.
    drawn = [scores[scores["fresh"]], scores[~scores["fresh"]].assign(fresh=True)]
    fresh = pd.concat(drawn).drop_duplicates(["key", "name", "measurement", "step"])
    return replace(
        frames,
        trials=trials.assign(
            diverged_at=trials["diverged_at"].mask(diverged_later, -1),
            status=trials["status"].mask(diverged_later & (trials["status"] == "diverged"), "completed"),
        ),
        scores=pd.concat([scores[~scores["fresh"]], fresh], ignore_index=True),
        signals=signals,
    )


# metric and threshold


def list_readings(
    frames: Frames, rule: SuccessRule, pair: tuple[str, str], measurement: str | None, rules: Sequence[SuccessRule]
) -> Iterator[Reading]:
    """Give the primary yardstick, then those of every other metric, then those of other thresholds."""
    rows = frames.series[frames.series["direction"] != "neutral"].drop_duplicates(["name", "measurement"])
    ways = list(rows[["name", "measurement", "direction"]].itertuples(index=False, name=None))
    chooser = headline(frames, rule)
    mine = [way for way in ways if way[0] == chooser and measurement in (None, way[1])]
    primary = Reading(
        varied="",
        dataset=rule.dataset,
        metric=rule.metric,
        measurement=measurement,
        direction=mine[0][2] if mine else "neutral",
        condition=rule.condition,
        at=rule.at,
        primary=rule.primary,
    )
    yield primary
    first = compare_by(frames, primary, pair)
    share = (first["rate_a"] + first["rate_b"]) / 2  # of pairs: both methods have as many
    bare = [each for each in rules if each.dataset == rule.dataset and each.condition is None]
    declared = {each.metric: each.primary for each in reversed(bare)}
    for metric, how, direction in ways:
        if metric != rule.metric:
            other = replace(
                primary, varied="metric", metric=metric, condition=None, measurement=how, direction=direction
            )
            own = declared.get(metric)
            yield pooled_threshold(frames, other, share) if own is None else replace(other, primary=own)
    between = [(easier + harder) / 2 for easier, harder in pairwise(rule.thresholds)]
    for threshold in sorted({*rule.thresholds, *between} - {rule.primary}, reverse=primary.direction == "lower"):
        yield replace(primary, varied="threshold", primary=threshold)
    tried = {share}
    for part in PARTS if len(rule.thresholds) == 1 else ():
        pooled = pooled_threshold(frames, replace(primary, varied="threshold"), part)
        if pooled.share not in tried:  # ties may leave no other
            tried.add(pooled.share)
            yield pooled


def pooled_threshold(frames: Frames, measure: Reading, share: float) -> Reading:
    """Set a yardstick's threshold so that this share of both methods' trials together lies beyond it.

    Half-way between two neighbouring values; as near as ties allow, and as the dead do, which are never beyond. Neither
    all nor none, unless that is the share asked for or the values allow nothing else.
    """
    standing = with_success(frames, measure, measure.measurement)
    sign = -1 if measure.direction == "higher" else 1
    ordered = np.sort(sign * standing[measure.at].to_numpy("float64"))  # the best first, the dead last, at inf
    ends = np.append(ordered, np.inf)
    counts = [k for k in range(len(ordered) + 1) if k == 0 or (np.isfinite(ends[k - 1]) and ends[k - 1] < ends[k])]
    if not len(ordered) or np.isnan(share):
        return measure
    some = [k for k in counts if 0 < k < len(ordered)]
    count = min(some if some and 0 < share < 1 else counts, key=lambda k: abs(k - share * len(ordered)))
    best, next_ = (ordered[count - 1] if count else -np.inf), ends[count]
    middle = (best + next_) / 2 if np.isfinite([best, next_]).all() else np.nextafter(best, np.inf) if count else next_
    threshold = middle if middle > best else next_
    return replace(measure, primary=float(sign * threshold), share=count / len(ordered), wanted=share)
