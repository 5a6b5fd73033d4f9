"""The cost of trials, and the cost of a success."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ganbench.statistics.final_scores import headline, rule_scores, split_by_measurement, successes
from ganbench.suite.budget_units import BUDGET_UNITS
from ganbench.suite.success import SuccessRule

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

COSTS = (
    *(column for unit in BUDGET_UNITS.values() for column in unit.columns),
    *("seconds_train", "seconds_evaluate"),
)
"""The columns of costs: the budget in each of its units, and wall seconds."""


def cost_table(frames: Frames) -> pd.DataFrame:
    """Return the median cost of a trial of each method: the budget in every known unit, and wall seconds.

    A row per dataset and method. `samples` counts the real samples shown to the critic. `seconds_*` are those of the
    batch divided by its number of members, which is in `members`. `flops` is NaN if they were not counted. `n` is the
    number of trials; `members`, `mode` and `device` list the distinct values.
    """
    trials = recorded_trials(frames)
    groups = trials.groupby(["dataset", "method"], sort=False)
    costs = groups[list(COSTS)].median().assign(n=groups.size())
    batches = {name: groups[name].agg(join_distinct).astype("str") for name in ("members", "mode", "device")}
    return costs.assign(**batches).reset_index()


def success_cost_table(frames: Frames, rules: Sequence[SuccessRule]) -> pd.DataFrame:
    """Return the cost of a success of each method: the cost of all its trials, failed ones too, over its successes.

    A trial succeeds by the primary threshold of the dataset's first rule, and by the measurement that most trials have.
    Without a success the cost is inf. A cost that is known of no trial is NaN. A trial of unknown cost is assumed to
    cost as much as the method's most expensive trial. Columns: dataset, method, successes, n, then the costs.
    """
    trials, first = recorded_trials(frames), {rule.dataset: rule for rule in reversed(rules)}
    rows: list[dict[str, Any]] = []
    for dataset in (each for each in trials["dataset"].drop_duplicates() if each in first):
        rule = first[dataset]
        scores = rule_scores(frames, rule, commonest_measurement(frames, rule))
        for method, group in trials[trials["dataset"] == dataset].groupby("method", sort=False):
            count = int(successes(scores[scores["method"] == method], rule.at, rule.primary).sum())
            costs = group[list(COSTS)]
            total = costs.fillna(costs.max()).sum(min_count=1)
            per_success = total / count if count else total.where(total.isna(), np.inf)
            row = {"dataset": dataset, "method": method, "successes": count, "n": len(group)}
            rows.append(row | {name: float(per_success[name]) for name in COSTS})
    return pd.DataFrame(rows)


def recorded_trials(frames: Frames) -> pd.DataFrame:
    """Return the trials that have a record, with a column for every cost; NaN if a cost was never counted."""
    trials = frames.trials[frames.trials["status"] != "missing"]
    return trials.assign(**{name: np.nan for name in COSTS if name not in trials})


def commonest_measurement(frames: Frames, rule: SuccessRule) -> str | None:
    """Return the measurement of a rule's metric that most trials of its dataset have; of equals, the first hash."""
    keys = frames.trials.loc[frames.trials["dataset"] == rule.dataset, "key"]
    counts = {
        measurement: rows["number"].nunique()
        for measurement, rows in split_by_measurement(frames, headline(frames, rule), keys).items()
    }
    return max(counts, key=counts.__getitem__, default=None)


def join_distinct(values: pd.Series[Any]) -> str:
    """Return the distinct values of a column, sorted and joined to one text."""
    return ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in sorted(values.dropna().unique()))
