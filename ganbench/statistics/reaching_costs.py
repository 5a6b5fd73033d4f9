"""What it cost each trial to reach the threshold of a success rule for the first time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ganbench.evaluation.success import beyond
from ganbench.statistics.final_scores import (
    headline,
    rule_scores,
    select_measurement,
    shared_measurement,
    split_by_measurement,
)
from ganbench.suite import conditions
from ganbench.suite.budget_units import BUDGET_UNITS
from ganbench.suite.success import SuccessRule

if TYPE_CHECKING:
    from ganbench.results.frames import Frames


def reaching_costs(
    frames: Frames, rule: SuccessRule, measurement: str | None = None, unit: str = "updates"
) -> pd.DataFrame:
    """Return the rows of `rule_scores` with `cost`: what each trial had cost at the first snapshot that met the rule.

    The snapshot's score lies strictly beyond the primary threshold, and the condition holds there. The cost is that of
    the whole trial in `unit`, one of `BUDGET_UNITS`, times the share of its generator steps until the snapshot. It is
    inf for a trial that never met the rule or has no final score, such as one that diverged, and NaN if the cost of a
    trial that did was not counted.
    """
    scores = rule_scores(frames, rule, measurement)
    met = find_met_snapshots(frames, rule, scores, measurement)
    first = pd.Series(met.groupby("number")["step"].min().reindex(frames.numbers(scores["key"])).to_numpy(float))
    whole = scores[list(BUDGET_UNITS[unit].columns)].sum(axis=1, skipna=False).to_numpy(float)
    cost = whole * first.to_numpy(float) / scores["generator_steps"].to_numpy(float)
    return scores.assign(cost=np.where(scores["scored"] & first.notna().to_numpy(), cost, np.inf))


def find_met_snapshots(
    frames: Frames, rule: SuccessRule, scores: pd.DataFrame, measurement: str | None
) -> pd.DataFrame:
    """Return the snapshots of these trials that meet a rule: number (of the trial) and step."""
    keys, chief = scores["key"], headline(frames, rule)
    rows = select_measurement(frames, keys, rule.dataset, chief, measurement)
    rows = rows.loc[~rows["fresh"], ["number", "step", "value", "direction"]]
    if rule.primary is not None:
        directions = rows["direction"].unique()
        rows = rows[beyond(rows["value"], rule.primary, str(directions[0]) if len(directions) else "lower")]
    if rule.condition is None:
        return rows
    condition, values = conditions.parse(rule.condition), {}
    for name in condition.names:
        way = measurement if name == chief else None
        way = way or shared_measurement(split_by_measurement(frames, name, keys), int(scores["scored"].sum()))
        own = select_measurement(frames, keys, rule.dataset, name, way)
        own = own.loc[~own["fresh"], ["number", "step", "value"]]
        values[name] = rows[["number", "step"]].merge(own, how="left")["value"].to_numpy(float)
    return rows[np.asarray(condition.holds(values), bool)]
