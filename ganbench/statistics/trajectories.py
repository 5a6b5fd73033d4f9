"""The courses of scores and signals: quartiles over the trials of each method at every step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganbench.api.records import TRAINED
from ganbench.statistics.final_scores import select_measurement
from ganbench.statistics.outcome_table import trial_outcomes

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

QUARTILES = {"low": 0.25, "median": 0.5, "high": 0.75}
COLUMNS = ["method", "step", "seconds", *QUARTILES, "n"]


def trajectory_quartiles(
    frames: Frames, dataset: str, name: str, kind: Literal["scores", "signals"], measurement: str | None = None
) -> pd.DataFrame:
    """Return the quartiles of a score or a signal over the trials of each method, at every step at which it is stored.

    Columns: method, step (generator steps), seconds, low (the lower quartile), median, high (the upper quartile), n
    (the trials that are counted at this step). `seconds` is the median training time of the method's trials until the
    step, if each trial's seconds are spread evenly over its steps; NaN if no time is known.

    Of a score with a better direction, the dead count as worst (inf if lower is better, -inf if higher is), so a method
    never gains if its worst trials die: a trial is dead from the step on at which it diverged, or, if it failed or
    timed out, after its last stored score. Until a trial diverges its score counts as it is, and a score that is not
    finite as worst, but one for which memory ran out not at all. A method of which every trial failed has the steps of
    the others. Signals and neutral scores have no worst, so only finite values count. `measurement` is the hash of a
    way of measuring a score; raise GanbenchError if there are several and none is named.
    """
    trials = frames.trials[(frames.trials["dataset"] == dataset) & (frames.trials["status"] != "missing")]
    trials = trials.drop_duplicates("key")
    if kind == "scores":
        rows = select_measurement(frames, trials["key"], dataset, name, measurement)
        direction = str(rows["direction"].iloc[0]) if len(rows) else "neutral"
        rows = rows[~(rows["fresh"] | rows["not_scored"])]
    else:
        rows, direction = frames.signals[frames.signals["name"] == name], "neutral"
        rows = rows.assign(number=frames.numbers(rows["key"]))
    codes, methods = pd.factorize(trials["method"])
    numbers, directed = frames.numbers(trials["key"]), direction != "neutral"
    method_of = np.full(len(frames.keys) + 1, -1)  # the last place is for -1, the number of no trial
    method_of[numbers] = codes
    rows = rows.assign(method=method_of[rows["number"]]).query("method >= 0")
    deaths = steps_of_death(frames, trials, rows) if directed else np.full(len(trials), np.inf)
    dead_from = np.full(len(frames.keys), np.inf)
    dead_from[numbers] = deaths
    counted = rows["step"] < dead_from[rows["number"]] if directed else np.isfinite(rows["value"])
    places = list_places(rows, len(methods) if directed else 0)
    dead = count_dead(places, codes, deaths)
    table = place_quartiles(places, rows[counted], -1.0 if direction == "higher" else 1.0, dead)
    pace = (trials["seconds_train"] / trials["generator_steps"]).where(trials["status"].isin(TRAINED))
    paces = pace.groupby(codes).median().reindex(range(len(methods))).to_numpy(float)
    seconds = paces[table["method"]] * table["step"]
    return table.assign(method=methods.to_numpy()[table["method"]], seconds=seconds)[COLUMNS]


def steps_of_death(frames: Frames, trials: pd.DataFrame, rows: pd.DataFrame) -> NDArray[np.float64]:
    """Return the step from which on each trial [n] is dead: inf if it never is, 0 or less if it always was.

    `rows` are the stored values of these trials. One that failed or timed out is dead after the last of them.
    """
    outcomes = trial_outcomes(frames).reindex(trials["key"])
    diverged = outcomes[["non-finite", "exploded"]].min(axis=1).fillna(np.inf).to_numpy(float)
    last = rows.groupby("number")["step"].max().reindex(frames.numbers(trials["key"])).fillna(-1).to_numpy(float)
    return np.where(trials["status"].isin(TRAINED), diverged, np.minimum(diverged, last + 1))


def list_places(rows: pd.DataFrame, methods: int) -> pd.DataFrame:
    """Return the distinct (method, step) of the rows, sorted; those of the first `methods` have the others' if none."""
    places = rows[["method", "step"]].drop_duplicates()
    absent = sorted(set(range(methods)) - set(places["method"]))
    steps = places["step"].unique()
    filled = pd.DataFrame({"method": np.repeat(absent, len(steps)), "step": np.tile(steps, len(absent))})
    return pd.concat([places, filled]).astype("int64").sort_values(["method", "step"], ignore_index=True)


def count_dead(places: pd.DataFrame, codes: NDArray[np.intp], deaths: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the number of dead trials at each place [p]; `codes` [n] are the trials' methods, `deaths` [n] steps."""
    counts = np.zeros(len(places), np.intp)
    for method in places["method"].unique():
        here = (places["method"] == method).to_numpy()
        ordered = np.sort(deaths[codes == method])
        counts[here] = np.searchsorted(ordered, places.loc[here, "step"], side="right")
    return counts


def place_quartiles(places: pd.DataFrame, rows: pd.DataFrame, sign: float, dead: NDArray[np.intp]) -> pd.DataFrame:
    """Return the places with the quartiles of the rows there, low to high, and their number; empty places are left out.

    `sign` is 1 if lower is better, -1 if higher is. At each place [p], `dead` values more are worse than any other.
    """
    index = pd.MultiIndex.from_frame(places).get_indexer(pd.MultiIndex.from_frame(rows[["method", "step"]]))
    values = sign * rows["value"].to_numpy(float)
    values[~np.isfinite(values)] = np.inf
    order = np.lexsort((values, index))
    values, counts = np.append(values[order], np.inf), np.bincount(index, minlength=len(places))
    starts, total = np.cumsum(counts) - counts, counts + dead

    def value_at(rank: NDArray[np.intp]) -> NDArray[np.float64]:
        return np.where(rank < counts, values[np.where(rank < counts, starts + rank, -1)], np.inf)

    quantiles: dict[str, NDArray[np.float64]] = {}
    for share in QUARTILES.values():
        rank = np.maximum(total - 1, 0) * share
        lower, upper, part = value_at(np.floor(rank).astype(int)), value_at(np.ceil(rank).astype(int)), rank % 1
        between = np.isfinite(upper) & (part > 0)
        mixed = lower * (1 - part) + np.where(between, upper, 0.0) * part
        quantiles[str(share)] = np.where(between, mixed, upper)
    ends = [sign * values for values in quantiles.values()][:: int(sign)]
    return places.assign(**dict(zip(QUARTILES, ends, strict=True)), n=total)[total > 0]
