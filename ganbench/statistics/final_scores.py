"""The final and the best value of every trial of a dataset, whether it was scored, and whether it succeeded."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ganbench.api.records import TRAINED
from ganbench.errors import GanbenchError
from ganbench.evaluation.success import beyond
from ganbench.statistics.early_stages import find_early_measurements
from ganbench.statistics.imported_trials import are_imported
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

MOST_PLACES = 2**30
"""The most distinct steps at which one value was measured; far more than fit into memory."""


def trial_scores(frames: Frames, dataset: str, metric: str, measurement: str | None = None) -> pd.DataFrame:
    """Return the final and the best value of every trial of a dataset by one metric, a row per trial.

    Columns, in addition to those of `frames.trials`:

    final, best: the values; the worst possible value (`WORST`) unless the trial was scored.
    final_step, best_step: the generator steps of their snapshots; `NEVER` (-1) without a snapshot.
    fresh: whether `best` is the value of fresh samples.
    direction: "lower", "higher" or "neutral".
    diverged: non-finite or exploded (`trial_outcomes`).
    scored, undefined: the trial completed with a finite final value, or without one.
    held: the final value; `rule_scores` replaces it by the worst of the last values where success must be sustained.
    holds: True; `rule_scores` replaces it by the truth of a condition.
    unit: the architecture; if the dataset's trials have only one, the seed.

    The best snapshot is chosen on the series. `best` is the value of fresh samples there, and the worst if none were
    drawn (NaN if the trial was imported); for a metric that was measured at one snapshot it is the final value. Missing
    trials are left out, completed trials that this metric never measured, and those whose final value, or that of fresh
    samples, is unknown because memory ran out. `measurement` is the hash of a way of measuring; it may be left out if
    there is only one. Raise GanbenchError if there are several, because their scores are never mixed.
    """
    return _trial_scores(frames, dataset, metric, measurement).copy()


@lru_cache(maxsize=32)
def _trial_scores(frames: Frames, dataset: str, metric: str, measurement: str | None) -> pd.DataFrame:
    """Return the table of `trial_scores`, computed once for all tables; callers must not change it."""
    trials, known = recorded_trials(frames, dataset)
    rows = select_measurement(frames, trials["key"], dataset, metric, measurement)
    direction = str(rows["direction"].iloc[0]) if len(rows) else "neutral"
    numbers = known["number"].to_numpy()
    values = find_final_and_best(rows, direction, numbers, len(frames.keys))
    diverged, final, best = known["diverged"].to_numpy(), values["final"], values["best"]
    short = find_not_scored(rows, numbers, values)
    trained = known["trained"].to_numpy()
    scored = trained & ~diverged & np.isfinite(final)
    unknown = are_imported(trials) & values["fresh"] & np.isnan(best)
    table = trials.assign(
        final=np.where(scored, final, WORST[direction]),
        final_step=values["final_step"],
        fresh=values["fresh"],
        best_step=values["best_step"],
        best=np.where(scored & np.isfinite(best), best, np.where(unknown, np.nan, WORST[direction])),
        direction=direction,
        holds=True,
        not_scored=short,
        diverged=diverged,
        scored=scored,
        undefined=trained & ~diverged & ~scored,
        held=np.where(scored, final, WORST[direction]),
        unit=known["unit"],
    )
    return table[((values["final_step"] != NEVER) & ~short) | ~trained | diverged]


@lru_cache(maxsize=8)
def recorded_trials(frames: Frames, dataset: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the recorded trials of a dataset [n], and what all of its metrics have in common.

    That is, for each trial, its `number` (`Frames.numbers`), `diverged`, `trained` to the end, and `unit`.
    """
    trials = frames.trials[(frames.trials["dataset"] == dataset) & (frames.trials["status"] != "missing")]
    known = pd.DataFrame(
        {
            "number": frames.numbers(trials["key"]),
            "diverged": trials["key"].map(trial_outcomes(frames)["diverged"]).astype("bool").to_numpy(),
            "trained": trials["status"].isin(TRAINED).to_numpy(),
            "unit": find_units(trials).array,
        },
        index=trials.index,
    )
    return trials, known


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
        measurement: rows if selected[rows["number"]].all() else rows[selected[rows["number"]]]
        for measurement, rows in frames.ways.get(name, {}).items()
        if (name, measurement) not in early
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


def find_final_and_best(
    rows: pd.DataFrame, direction: str, numbers: NDArray[np.intp], count: int
) -> dict[str, NDArray[Any]]:
    """Return the final and the best value of each trial's series, by column, for the trials with these `numbers` [n].

    Columns: final, final_step, fresh, best_step, best. `fresh` is whether `best` is a value of fresh samples: it is
    unless the metric was measured at one snapshot only, because then nothing was chosen. `count` is that of all trials.
    """
    series = rows[~rows["fresh"]].sort_values("step", kind="stable")
    number, step, value = (series[name].to_numpy() for name in ("number", "step", "value"))
    final, final_step, best_step = np.full(count, np.nan), np.full(count, NEVER), np.full(count, NEVER)
    final[number], final_step[number] = value, step  # of several, the last
    finite = np.flatnonzero(np.isfinite(value))
    ranked = finite[np.argsort(-value[finite] if direction == "higher" else value[finite], kind="stable")][::-1]
    best_step[number[ranked]] = step[ranked]  # of several, the last again: the best
    several = np.bincount(number, minlength=count) > 1
    steps = {"final_step": final_step[numbers], "fresh": several[numbers], "best_step": best_step[numbers]}
    best = read_values(rows, numbers, steps, "best")
    return {"final": final[numbers], **steps, "best": np.full(len(best), np.nan) if direction == "neutral" else best}


def find_not_scored(
    rows: pd.DataFrame, numbers: NDArray[np.intp], values: Mapping[str, NDArray[Any]]
) -> NDArray[np.bool_]:
    """Return for which trials [n] the final value, or that of fresh samples, is NaN because memory ran out."""
    short = rows[rows["not_scored"]].assign(value=1.0)
    at_end, at_best = (read_values(short, numbers, values, at) == 1 for at in ("final", "best"))
    found: NDArray[np.bool_] = at_end | at_best
    return found


def read_values(
    rows: pd.DataFrame, numbers: NDArray[np.intp], scores: pd.DataFrame | Mapping[str, NDArray[Any]], at: str
) -> NDArray[np.float64]:
    """Return one value's scores [n] at the final or the best snapshot of each trial, NaN where there is none.

    `rows` are the value's scores, `numbers` [n] the trials' numbers, `scores` [n] the steps of their snapshots.
    """
    fresh = np.asarray(scores["fresh"], bool) if at == "best" else np.zeros(len(numbers), bool)
    steps = np.asarray(scores[f"{at}_step"])
    known = np.unique(rows["step"].to_numpy())
    places = np.searchsorted(known, steps)
    exist = np.append(known, NEVER)[places] == steps
    stored = number_places(rows["number"].to_numpy(), np.searchsorted(known, rows["step"].to_numpy()), rows["fresh"])
    order = np.argsort(stored, kind="stable")
    wanted = number_places(numbers, places, fresh)
    found = np.searchsorted(stored[order], wanted)
    exist &= np.append(stored[order], -1)[found] == wanted
    values = np.full(len(numbers), np.nan)
    values[exist] = rows["value"].to_numpy(float)[order[found[exist]]]
    return values


def number_places(numbers: NDArray[Any], steps: NDArray[Any], fresh: ArrayLike) -> NDArray[np.int64]:
    """Return a number for each trial, place of a step, and whether samples are fresh: equal where all three are."""
    return (numbers.astype(np.int64) * (MOST_PLACES + 1) + steps) * 2 + np.asarray(fresh, np.int64)


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
