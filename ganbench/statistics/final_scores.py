"""Where every trial of a dataset stands: its final and best value, whether it lived, and whether it succeeded."""

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
from ganbench.statistics.outcome_table import trial_outcomes
from ganbench.suite import conditions
from ganbench.suite.success import At, SuccessRule

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

WORST = {"lower": np.inf, "higher": -np.inf, "neutral": np.nan}
"""What a trial that did not live to its end scores; of a neutral value nothing is worst, so it is unknown."""

NEVER = -1
"""The step of a snapshot that there is not."""


def final_scores(frames: Frames, dataset: str, metric: str, measurement: str | None = None) -> pd.DataFrame:
    """Give final and best value of every trial of a dataset that was measured, or that never will be.

    Columns beside those of `frames.trials`: final, best (WORST if the trial did not live); final_step, best_step (NEVER
    where there is none); fresh (whether best is of fresh samples); direction; diverged (by its outcomes); scored
    (completed, with a finite final value); undefined (completed, without one); holds (no condition yet: True); unit. `best` is chosen on the series and is
    the value of fresh samples at that step, WORST where none were drawn; of a metric measured at one snapshot it is the
    final value. Missing trials, and living ones that this metric was never measured on, are left out. `measurement` may
    be left out where there is one: protocols never mix.
    """
    return _final_scores(frames, dataset, metric, measurement).copy()


@lru_cache(maxsize=32)
def _final_scores(frames: Frames, dataset: str, metric: str, measurement: str | None) -> pd.DataFrame:
    """Give `standings`, found once for all the tables that ask: nobody may change it."""
    trials = frames.trials[(frames.trials["dataset"] == dataset) & (frames.trials["status"] != "missing")]
    rows = protocol(frames, trials["key"], dataset, metric, measurement)
    direction = str(rows["direction"].iloc[0]) if len(rows) else "neutral"
    found = extremes(rows, direction).reindex(frames.numbers(trials["key"])).set_index(trials.index)
    table = trials.join(found).assign(direction=direction, holds=True)
    table = table.assign(
        diverged=table["key"].map(trial_outcomes(frames)["diverged"]).astype("bool"),
        fresh=table["fresh"].eq(True),
        **{step: table[step].fillna(NEVER).astype("int64") for step in ("final_step", "best_step")},
    )
    table = table[(table["final_step"] != NEVER) | ~table["status"].isin(TRAINED) | table["diverged"]]
    completed = table["status"].isin(TRAINED) & ~table["diverged"]
    scored = completed & np.isfinite(table["final"])
    one_architecture = trials["architecture"].nunique() <= 1
    return table.assign(
        scored=scored,
        undefined=completed & ~scored,
        final=table["final"].where(scored, WORST[direction]),
        best=table["best"].where(scored & np.isfinite(table["best"]), WORST[direction]),
        unit=table["seed"].astype("str") if one_architecture else table["architecture"],
    )


def by_measurement(frames: Frames, name: str, keys: pd.Series[str]) -> dict[str, pd.DataFrame]:
    """Give these trials' scores of one value by the way in which it was measured, in the ways' order."""
    asked = np.zeros(len(frames.keys) + 1, bool)  # the last place is that of -1, of no trial
    asked[frames.numbers(keys)] = True
    asked[-1] = False
    found = {way: rows[asked[rows["number"]]] for (known, way), rows in frames.measured.items() if known == name}
    return {way: found[way] for way in sorted(found) if len(found[way])}


def protocol(
    frames: Frames, keys: pd.Series[str], dataset: str, name: str, measurement: str | None = None
) -> pd.DataFrame:
    """Give these trials' scores measured in this way or in the only one; GanbenchError where there are several."""
    found = by_measurement(frames, name, keys)
    if measurement is None and len(found) > 1:
        raise GanbenchError(f"{name!r} on {dataset!r} was measured in {len(found)} ways: name one: {list(found)}.")
    return found.get(measurement or "".join(found), frames.scores[:0].assign(number=-1))


def extremes(rows: pd.DataFrame, direction: str) -> pd.DataFrame:
    """Give the ends of each trial's series by number: final, best, their steps, and whether best is of fresh samples.

    It is where there was anything to choose from: not of a metric that was measured at one snapshot only.
    """
    series = rows[~rows["fresh"]].sort_values("step", kind="stable")
    table = series.drop_duplicates("number", keep="last").set_index("number")[["value", "step"]]
    table.columns = pd.Index(["final", "final_step"])
    ranked = series[np.isfinite(series["value"])].sort_values("value", kind="stable", ascending=direction != "higher")
    first = ranked.drop_duplicates("number").set_index("number")["step"]
    table["fresh"] = series.groupby("number").size() > 1
    table["best_step"] = first.reindex(table.index).fillna(NEVER).astype("int64")
    best = values_at(rows, table.index.to_numpy(), table, "best")
    return table.assign(best=np.nan if direction == "neutral" else best)


def values_at(rows: pd.DataFrame, numbers: NDArray[np.intp], standing: pd.DataFrame, at: At) -> NDArray[np.float64]:
    """Give one value's scores at the final or the best snapshot of each trial, NaN where there is none."""
    fresh = standing["fresh"] if at == "best" else np.zeros(len(standing), bool)
    asked = pd.DataFrame({"number": numbers, "step": standing[f"{at}_step"].to_numpy(), "fresh": np.asarray(fresh)})
    return asked.merge(rows[["number", "step", "fresh", "value"]], how="left")["value"].to_numpy(float)


def with_success(frames: Frames, rule: SuccessRule, measurement: str | None = None) -> pd.DataFrame:
    """Give the standings by a rule's metric, with `holds`: whether the rule's condition holds at the same snapshot.

    Of a condition alone, the first of its values with a better direction takes the metric's place. Each value has a
    measurement of its own; of several that all trials have, the one that they have most of; GanbenchError where some
    trials have one, and others another.
    """
    standing = final_scores(frames, rule.dataset, headline(frames, rule), measurement)
    if rule.condition is None:
        return standing
    counted = standing.loc[standing["final_step"] != NEVER, "key"]
    numbers = frames.numbers(standing["key"])
    condition = conditions.parse(rule.condition)
    values: dict[str, NDArray[np.float64]] = {}
    for name in condition.names:
        declared = measurement if name == headline(frames, rule) else None
        chosen = declared or usual_measurement(by_measurement(frames, name, counted), len(counted))
        rows = protocol(frames, counted, rule.dataset, name, chosen)
        values[name] = values_at(rows, numbers, standing, rule.at)
    return standing.assign(holds=condition.holds(values))


def usual_measurement(found: Mapping[str, pd.DataFrame], trials: int) -> str | None:
    """Give the way of measuring that all of so many trials have, with the most scores; None where there is none."""
    whole = [way for way, rows in found.items() if rows["number"].nunique() == trials]
    return max(whole, key=lambda way: len(found[way]), default=None)


def headline(frames: Frames, rule: SuccessRule) -> str:
    """Give the value that best is chosen by: a rule's metric, or its condition's first with a better direction."""
    if rule.metric is not None:
        return rule.metric
    names = conditions.parse(rule.condition or "").names
    keys = frames.trials.loc[frames.trials["dataset"] == rule.dataset, "key"]
    return next((name for name in names if directed_measurements(frames, name, keys)), names[0])


def directed_measurements(frames: Frames, name: str, keys: pd.Series[str]) -> list[str]:
    """Give the ways in which a value with a better direction was measured on these trials."""
    return [way for way, rows in by_measurement(frames, name, keys).items() if (rows["direction"] != "neutral").any()]


def threshold_ladder(rule: SuccessRule) -> tuple[float | None, ...]:
    """Give a rule's thresholds from the easiest on; for a condition alone, one step without."""
    return rule.thresholds or (None,)


def successes(standing: pd.DataFrame, at: At, threshold: float | None) -> NDArray[np.bool_]:
    """Return which trials succeed: scored, beyond the threshold (strictly, if any), and meeting the rule's condition."""
    fit = standing["scored"].to_numpy(bool) & standing["holds"].to_numpy(bool)
    if threshold is None:
        return fit
    if (standing["direction"] == "neutral").any() and standing["scored"].any():
        raise GanbenchError("success needs a metric with a direction, 'higher' or 'lower'; this one is neutral.")
    direction = standing["direction"].iloc[0] if len(standing) else "neutral"
    return fit & np.asarray(beyond(standing[at].to_numpy(float), threshold, direction), bool)


def measurements(frames: Frames, rule: SuccessRule) -> list[str | None]:
    """The ways in which a rule's metric (or its condition's) was measured on its dataset; [None] if not at all."""
    keys = frames.trials.loc[frames.trials["dataset"] == rule.dataset, "key"]
    return [*by_measurement(frames, headline(frames, rule), keys)] or [None]
