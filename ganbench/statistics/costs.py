"""What trials cost, and what a success cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ganbench.statistics.final_scores import by_measurement, headline, successes, with_success
from ganbench.suite.budget_units import BUDGET_UNITS
from ganbench.suite.success import SuccessRule

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

COSTS = (
    *(column for unit in BUDGET_UNITS.values() for column in unit.columns),
    *("seconds_train", "seconds_evaluate"),
)


def cost_table(frames: Frames) -> pd.DataFrame:
    """Give what a trial of each method cost: the budget in every unit that is known, and wall seconds; medians.

    `samples` are real rows shown to the critic; `seconds_*` the batch's divided by its members, `members` how many
    those were; `flops` NaN where they were not counted.
    """
    trials = recorded_trials(frames)
    groups = trials.groupby(["dataset", "method"], sort=False)
    costs = groups[list(COSTS)].median().assign(n=groups.size())
    together = {name: groups[name].agg(join_distinct).astype("str") for name in ("members", "mode", "device")}
    return costs.assign(**together).reset_index()


def success_cost_table(frames: Frames, rules: Sequence[SuccessRule]) -> pd.DataFrame:
    """Give what a success cost each method: the costs of all its trials, dead ones too, over its successes.

    A success is one by the primary threshold of the dataset's first rule; of several ways of measuring, by the one that
    most trials have. Without a success the cost is inf, and NaN where it is not known of any trial; of a trial that it
    is not known of, it is taken to be the dearest trial's. Columns: dataset, method, successes, n, then the costs.
    """
    trials, first = recorded_trials(frames), {rule.dataset: rule for rule in reversed(rules)}
    rows: list[dict[str, Any]] = []
    for dataset in (each for each in trials["dataset"].drop_duplicates() if each in first):
        rule = first[dataset]
        standing = with_success(frames, rule, usual_measurement(frames, rule))
        for method, group in trials[trials["dataset"] == dataset].groupby("method", sort=False):
            won = int(successes(standing[standing["method"] == method], rule.at, rule.primary).sum())
            costs = group[list(COSTS)]
            total = costs.fillna(costs.max()).sum(min_count=1)
            spent = total / won if won else total.where(total.isna(), np.inf)
            row = {"dataset": dataset, "method": method, "successes": won, "n": len(group)}
            rows.append(row | {name: float(spent[name]) for name in COSTS})
    return pd.DataFrame(rows)


def recorded_trials(frames: Frames) -> pd.DataFrame:
    """The trials that there are records of, with every cost; NaN where a cost was never counted."""
    trials = frames.trials[frames.trials["status"] != "missing"]
    return trials.assign(**{name: np.nan for name in COSTS if name not in trials})


def usual_measurement(frames: Frames, rule: SuccessRule) -> str | None:
    """The way in which a rule's metric was measured on most trials of its dataset, the first by name of equals."""
    keys = frames.trials.loc[frames.trials["dataset"] == rule.dataset, "key"]
    counts = {
        way: rows["number"].nunique() for way, rows in by_measurement(frames, headline(frames, rule), keys).items()
    }
    return max(counts, key=counts.__getitem__, default=None)


def join_distinct(values: pd.Series[Any]) -> str:
    """The distinct values of a column as one text."""
    return ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in sorted(values.dropna().unique()))
