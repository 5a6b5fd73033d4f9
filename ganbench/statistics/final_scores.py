"""The final and the best value of every trial of a dataset, whether it was scored, and whether it succeeded."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganbench.api.records import TRAINED
from ganbench.errors import GanbenchError
from ganbench.evaluation.success import beyond
from ganbench.statistics.early_stages import find_early_measurements
from ganbench.statistics.outcome_table import trial_outcomes
from ganbench.statistics.units import find_units
from ganbench.suite import conditions
from ganbench.suite.success import At, SuccessRule

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

WORST = {"lower": np.inf, "higher": -np.inf, "neutral": np.nan}
"""The score of a trial without a finite score, by direction; NaN for a neutral value, which has no worst."""

NEVER = -1
"""The step of a snapshot that does not exist."""


def trial_scores(frames: Frames, dataset: str, metric: str, measurement: str | None = None) -> pd.DataFrame:
    """Return the final and the best value of every trial of a dataset by one metric, a row per trial.

    Columns, in addition to those of `frames.trials`:

    final, best: the values; the worst possible value (`WORST`) unless the trial was scored.
    final_step, best_step: the generator steps of their snapshots; `NEVER` (-1) without a snapshot.
    fresh: whether `best` is the value of fresh samples.
    direction: "lower", "higher" or "neutral".
    diverged: non-finite or exploded (`trial_outcomes`).
    scored: the trial completed with a finite final value.
    undefined: the trial completed without one.
    held: the final value; `rule_scores` replaces it by the worst of the last values where success must be sustained.
    holds: True; `rule_scores` replaces it by the truth of a condition.
    unit: the architecture; if the dataset's trials have only one, the seed.

    The best snapshot is chosen on the series. `best` is the value of fresh samples there, and the worst if none were
    drawn; for a metric that was measured at one snapshot it is the final value. Missing trials are left out, completed
    trials that this metric never measured, and those whose final value, or that of fresh samples, is unknown because
    memory ran out. `measurement` is the hash of a way of measuring; it may be left out if there is only one. Raise
    GanbenchError if there are several, because their scores are never mixed.
    """
    return _trial_scores(frames, dataset, metric, measurement).copy()


@lru_cache(maxsize=32)
def _trial_scores(frames: Frames, dataset: str, metric: str, measurement: str | None) -> pd.DataFrame:
    """Return the table of `trial_scores`, computed once for all tables; callers must not change it."""
    trials = frames.trials[(frames.trials["dataset"] == dataset) & (frames.trials["status"] != "missing")]
    rows = select_measurement(frames, trials["key"], dataset, metric, measurement)
    direction = str(rows["direction"].iloc[0]) if len(rows) else "neutral"
    values = find_final_and_best(rows, direction).reindex(frames.numbers(trials["key"])).set_index(trials.index)
    table = trials.join(values).assign(direction=direction, holds=True)
    table = table.assign(not_scored=find_not_scored(rows, frames.numbers(trials["key"]), values))
    table = table.assign(
        diverged=table["key"].map(trial_outcomes(frames)["diverged"]).astype("bool"),
        fresh=table["fresh"].eq(True),
        **{step: table[step].fillna(NEVER).astype("int64") for step in ("final_step", "best_step")},
    )
    table = table[(table["final_step"] != NEVER) | ~table["status"].isin(TRAINED) | table["diverged"]]
    table = table[~table["not_scored"] | ~table["status"].isin(TRAINED) | table["diverged"]]
    completed = table["status"].isin(TRAINED) & ~table["diverged"]
    scored = completed & np.isfinite(table["final"])
    return table.assign(
        scored=scored,
        undefined=completed & ~scored,
        final=table["final"].where(scored, WORST[direction]),
        held=table["final"].where(scored, WORST[direction]),
        best=table["best"].where(scored & np.isfinite(table["best"]), WORST[direction]),
        unit=find_units(trials),
    )


def split_by_measurement(frames: Frames, name: str, keys: pd.Series[str]) -> dict[str, pd.DataFrame]:
    """Return these trials' scores of one value by measurement, in the order of the measurements' hashes.

    Rows are those of `frames.measured`; measurements without any score of these trials are left out, and those of the
    early stages of networks that grow (`find_early_measurements`).
    """
    early = find_early_measurements(frames)
    selected = np.zeros(len(frames.keys) + 1, bool)  # the last place is for -1, the number of no trial
    selected[frames.numbers(keys)] = True
    selected[-1] = False
    groups = {
        measurement: rows[selected[rows["number"]]]
        for (value, measurement), rows in frames.measured.items()
        if value == name and (value, measurement) not in early
    }
    return {measurement: groups[measurement] for measurement in sorted(groups) if len(groups[measurement])}


def select_measurement(
    frames: Frames, keys: pd.Series[str], dataset: str, name: str, measurement: str | None = None
) -> pd.DataFrame:
    """Return these trials' scores of one value by one measurement, or by the only one; no rows if there is none.

    Raise GanbenchError if no measurement is named and there are several.
    """
    groups = split_by_measurement(frames, name, keys)
    if measurement is None and len(groups) > 1:
        raise GanbenchError(
            f"{name!r} on {dataset!r} was measured in {len(groups)} ways. Name one measurement: {list(groups)}."
        )
    return groups.get(measurement or "".join(groups), frames.scores[:0].assign(number=-1))


def find_final_and_best(rows: pd.DataFrame, direction: str) -> pd.DataFrame:
    """Return the final and the best value of each trial's series, indexed by the trial's number.

    Columns: final, final_step, fresh, best_step, best. `fresh` is whether `best` is a value of fresh samples: it is
    unless the metric was measured at one snapshot only, because then nothing was chosen.
    """
    series = rows[~rows["fresh"]].sort_values("step", kind="stable")
    table = series.drop_duplicates("number", keep="last").set_index("number")[["value", "step"]]
    table.columns = pd.Index(["final", "final_step"])
    ranked = series[np.isfinite(series["value"])].sort_values("value", kind="stable", ascending=direction != "higher")
    first = ranked.drop_duplicates("number").set_index("number")["step"]
    table["fresh"] = series.groupby("number").size() > 1
    table["best_step"] = first.reindex(table.index).fillna(NEVER).astype("int64")
    best = read_values(rows, table.index.to_numpy(), table, "best")
    return table.assign(best=np.nan if direction == "neutral" else best)


def find_not_scored(rows: pd.DataFrame, numbers: NDArray[np.intp], scores: pd.DataFrame) -> NDArray[np.bool_]:
    """Return for which trials [n] the final value, or that of fresh samples, is NaN because memory ran out."""
    short = rows[rows["not_scored"]].assign(value=1.0)
    steps = scores.assign(
        fresh=scores["fresh"].eq(True), **{step: scores[step].fillna(NEVER) for step in ("final_step", "best_step")}
    )
    return (read_values(short, numbers, steps, "final") == 1) | (read_values(short, numbers, steps, "best") == 1)


def read_values(rows: pd.DataFrame, numbers: NDArray[np.intp], scores: pd.DataFrame, at: At) -> NDArray[np.float64]:
    """Return one value's scores [n] at the final or the best snapshot of each trial, NaN where there is none.

    `rows` are the value's scores, `numbers` [n] the trials' numbers, `scores` [n] the steps of their snapshots.
    """
    fresh = scores["fresh"] if at == "best" else np.zeros(len(scores), bool)
    places = pd.DataFrame({"number": numbers, "step": scores[f"{at}_step"].to_numpy(), "fresh": np.asarray(fresh)})
    return places.merge(rows[["number", "step", "fresh", "value"]], how="left")["value"].to_numpy(float)


def rule_scores(
    frames: Frames,
    rule: SuccessRule,
    measurement: str | None = None,
    *,
    at: At | None = None,
    sustained: int | None = None,
) -> pd.DataFrame:
    """Return `trial_scores` by a rule's metric, with what the rule asks for beyond the final or best value.

    `holds`: whether the rule's condition is true at that snapshot, or at each of the last ones if success must be
    sustained; `held`: the worst value at these. `at` and `sustained` replace those of the rule.

    If the rule is a condition alone, the first of its values with a better direction replaces the metric. `measurement`
    is that of the metric. For every other value of the condition it is the measurement that all trials have; of several
    such, the one with the most scores. Raise GanbenchError if some trials have one measurement, and others another.
    """
    chooser, at, sustained = headline(frames, rule), at or rule.at, sustained or rule.sustained
    scores = trial_scores(frames, rule.dataset, chooser, measurement)
    if rule.condition is None and sustained == 1:
        return scores
    counted = scores.loc[scores["final_step"] != NEVER, "key"]
    numbers, places = frames.numbers(scores["key"]), [scores]
    if sustained > 1:
        rows = select_measurement(frames, counted, rule.dataset, chooser, measurement)
        last_steps, held = last_points(rows, numbers, sustained, scores["direction"])
        scores = scores.assign(held=np.where(scores["scored"], held, scores["final"]))
        places = [scores.assign(final_step=steps) for steps in last_steps]
    if rule.condition is None:
        return scores
    condition = conditions.parse(rule.condition)
    holds = np.ones(len(scores), bool)
    values: list[dict[str, NDArray[np.float64]]] = [{} for _ in places]
    for name in condition.names:
        declared = measurement if name == chooser else None
        value_measurement = declared or shared_measurement(split_by_measurement(frames, name, counted), len(counted))
        rows = select_measurement(frames, counted, rule.dataset, name, value_measurement)
        for place, values_there in zip(places, values, strict=True):
            values_there[name] = read_values(rows, numbers, place, at)
    for values_there in values:
        holds &= condition.holds(values_there)
    return scores.assign(holds=holds)


def last_points(
    rows: pd.DataFrame, numbers: NDArray[np.intp], count: int, directions: pd.Series[str]
) -> tuple[list[NDArray[np.int64]], NDArray[np.float64]]:
    """Return the steps of each trial's last `count` points of a series, and the worst value at these [n].

    `rows` are the value's scores, `numbers` [n] the trials' numbers. A trial with fewer points has `NEVER` for a step,
    and its worst value is the worst possible, as if one of the values is not finite.
    """
    direction = str(directions.iloc[0]) if len(directions) else "neutral"
    series = rows[~(rows["fresh"] | rows["not_scored"])].sort_values("step", kind="stable", ascending=False)
    series = series.assign(rank=series.groupby("number").cumcount())
    steps, worst = [], np.full(len(numbers), -np.inf)
    sign = -1.0 if direction == "higher" else 1.0
    for rank in range(count):
        point = series[series["rank"] == rank].set_index("number").reindex(numbers)
        steps.append(point["step"].fillna(NEVER).to_numpy(np.int64))
        values = sign * point["value"].to_numpy(float)
        worst = np.maximum(worst, np.where(np.isfinite(values), values, np.inf))
    return steps, np.full(len(numbers), np.nan) if direction == "neutral" else sign * worst


def shared_measurement(groups: Mapping[str, pd.DataFrame], trials: int) -> str | None:
    """Return the measurement that all trials have; of several, the one with the most scores; None without any.

    `groups` maps a measurement to its scores, `trials` is the number of trials.
    """
    complete = [measurement for measurement, rows in groups.items() if rows["number"].nunique() == trials]
    return max(complete, key=lambda measurement: len(groups[measurement]), default=None)


def headline(frames: Frames, rule: SuccessRule) -> str:
    """Return the name of the value that chooses the best snapshot.

    It is the rule's metric; for a condition alone, its first value with a better direction, or else its first value.
    """
    if rule.metric is not None:
        return rule.metric
    names = conditions.parse(rule.condition or "").names
    keys = frames.trials.loc[frames.trials["dataset"] == rule.dataset, "key"]
    return next((name for name in names if directed_measurements(frames, name, keys)), names[0])


def directed_measurements(frames: Frames, name: str, keys: pd.Series[str]) -> list[str]:
    """Return the measurements of a value on these trials, if it has a better direction; else an empty list."""
    groups = split_by_measurement(frames, name, keys)
    return [measurement for measurement, rows in groups.items() if (rows["direction"] != "neutral").any()]


def list_thresholds(rule: SuccessRule) -> tuple[float | None, ...]:
    """Return a rule's thresholds, the easiest first; (None,) for a condition alone."""
    return rule.thresholds or (None,)


def compared_values(scores: pd.DataFrame, at: At) -> NDArray[np.float64]:
    """Return the values [n] that a rule compares with its thresholds; `scores` are the rows [n] of `rule_scores`."""
    return scores["best" if at == "best" else "held"].to_numpy(float)


def successes(scores: pd.DataFrame, at: At, threshold: float | None) -> NDArray[np.bool_]:
    """Return which trials [n] succeed: scored, strictly beyond the threshold (if any), and with a true condition.

    `scores` are the rows [n] of `rule_scores`. Raise GanbenchError for a threshold of a neutral value.
    """
    eligible = scores["scored"].to_numpy(bool) & scores["holds"].to_numpy(bool)
    if threshold is None:
        return eligible
    if (scores["direction"] == "neutral").any() and scores["scored"].any():
        raise GanbenchError("success needs a metric with a direction, 'higher' or 'lower'; this one is neutral.")
    direction = scores["direction"].iloc[0] if len(scores) else "neutral"
    return eligible & np.asarray(beyond(compared_values(scores, at), threshold, direction), bool)


def measurements(frames: Frames, rule: SuccessRule) -> list[str | None]:
    """Return the measurements of a rule's metric (or its condition's headline) on its dataset; [None] without any."""
    keys = frames.trials.loc[frames.trials["dataset"] == rule.dataset, "key"]
    return [*split_by_measurement(frames, headline(frames, rule), keys)] or [None]
