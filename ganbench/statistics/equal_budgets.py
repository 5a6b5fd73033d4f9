"""The results of two methods as if both had had the total budget of the cheaper one, in each unit of cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ganbench.api.records import TRAINED
from ganbench.suite.budget_units import BUDGET_UNITS

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

COST_COLUMNS: Mapping[str, tuple[str, ...]] = {
    **{unit.title: unit.columns for unit in BUDGET_UNITS.values()},
    "training seconds": ("seconds_train",),
}
"""The columns whose sum is the cost of a trial, by the unit in which the budgets of two methods may be equal."""


def select_pair(frames: Frames, dataset: str, pair: tuple[str, str]) -> Frames:
    """Return the frames of two methods on one dataset."""
    trials = frames.trials[(frames.trials["dataset"] == dataset) & frames.trials["method"].isin(pair)]
    scores, signals = (rows[rows["key"].isin(trials["key"])] for rows in (frames.scores, frames.signals))
    return replace(frames, trials=trials, scores=scores, signals=signals)


def equal_budgets(frames: Frames) -> dict[str, Frames]:
    """Return, for every known unit of cost, the frames as if both methods had the total budget of the cheaper one.

    If nothing has to be cut, these are the same frames.
    """
    trials = frames.trials
    budgets: dict[str, Frames] = {}
    for unit, columns in COST_COLUMNS.items():
        if not set(columns) <= set(trials.columns):
            continue
        share = equal_cost_shares(trials, trials[list(columns)].astype("float64").sum(axis="columns", skipna=False))
        if share is not None:
            budgets[f"equal {unit}"] = cut_runs(frames, share)
    return budgets


def equal_cost_shares(trials: pd.DataFrame, costs: pd.Series[float]) -> pd.Series[float] | None:
    """Return the share of each trial's run at which its method had spent the total of the cheaper of the two methods.

    `costs` are the trials' costs. The methods are compared on each architecture, by the median of the trials that were
    trained to their end. The share is 1 if one method has no such trial there. None if there is no architecture on
    which both have one.
    """
    ended = trials.assign(cost=costs)[trials["status"].isin(TRAINED)]
    medians = ended.groupby(["architecture", "method"])["cost"].median().unstack("method")
    smaller = medians.min(axis="columns", skipna=False)
    if medians.shape[1] < 2 or smaller.isna().all():
        return None
    shares = medians.rdiv(smaller, axis="index").stack()
    return trials.join(pd.Series(shares, name="share"), on=["architecture", "method"])["share"].fillna(1.0)


def cut_runs(frames: Frames, share: pd.Series[float]) -> Frames:
    """Return the frames as if each trial had ended after this share of its generator steps.

    Everything later is removed: scores, signals and divergence. The cost is assumed to be spread evenly over a run.
    """
    trials = frames.trials
    last = np.floor(share * trials["generator_steps"] + 1e-6)  # 1e-6: shares are rounded
    if (last >= trials["generator_steps"]).all():
        return frames
    updates = (trials["critic_updates"] + trials["generator_updates"]) / trials["generator_updates"]
    diverged_later = trials["diverged_at"] > last * updates.fillna(1.0)
    until = last.set_axis(trials["key"]).groupby(level=0).max()
    kept = (rows[rows["step"] <= rows["key"].map(until).astype("float64")] for rows in (frames.scores, frames.signals))
    scores, signals = kept  # of no rows, the mapped keys would be texts still
    # The best snapshot of the shorter run may have no fresh samples; then the score of the series counts.
    candidates = [scores[scores["fresh"]], scores[~scores["fresh"]].assign(fresh=True)]
    fresh = pd.concat(candidates).drop_duplicates(["key", "name", "measurement", "step"])
    return replace(
        frames,
        trials=trials.assign(
            diverged_at=trials["diverged_at"].mask(diverged_later, -1),
            status=trials["status"].mask(diverged_later & (trials["status"] == "diverged"), "completed"),
        ),
        scores=pd.concat([scores[~scores["fresh"]], fresh], ignore_index=True),
        signals=signals,
    )
