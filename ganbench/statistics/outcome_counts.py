"""How many trials completed, diverged, failed or timed out, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ganbench.api.records import TRAINED, UNTRAINED
from ganbench.evaluation.outcomes import OUTCOMES
from ganbench.statistics.outcome_table import trial_outcomes

if TYPE_CHECKING:
    from ganbench.results.frames import Frames


def outcome_counts(frames: Frames) -> pd.DataFrame:
    """Count what became of every planned trial: one row per dataset and method, no trial left out.

    planned = completed + diverged (non-finite or exploded) + failed + timed_out + missing; stale is counted beside them. Then
    for each outcome (`ganbench.evaluation.outcomes`), of the trials that came to their end: in how many it held, of
    how many it is known (`_of`), and the median generator step at which it began (`_step`). Not known of any: NaN,
    never 0.
    """
    trials = frames.trials.join(trial_outcomes(frames), on="key")
    trained = trials["status"].isin(TRAINED)
    by_outcomes = trials["diverged"].eq(True).map({True: "diverged", False: "completed"})
    status = trials["status"].where(~trained, by_outcomes)
    names = {name: name.replace("-", "_") for name in ("completed", "diverged", "failed", "timed-out", "missing")}
    columns = {column: status == name for name, column in names.items()}
    counted = trials[["dataset", "method", "stale"]].assign(planned=1, **columns)
    counts = counted.groupby(["dataset", "method"], sort=False)[["planned", *columns, "stale"]].sum()
    ended = trials[list(OUTCOMES)].where(trained)
    groups = [trials["dataset"], trials["method"]]
    for name in OUTCOMES:
        known = ended[name].notna().groupby(groups, sort=False).sum()
        held = ended[name].where(np.isfinite(ended[name]))
        counts[name] = held.notna().groupby(groups, sort=False).sum().where(known > 0)
        counts[f"{name}_of"] = known
        counts[f"{name}_step"] = held.groupby(groups, sort=False).median()
    return counts.reset_index()


def failure_counts(frames: Frames) -> pd.DataFrame:
    """Give every way in which trials failed, with the number of trials: dataset, method, status, error, n."""
    failed = frames.trials[frames.trials["status"].isin(UNTRAINED)]
    groups = failed.groupby(["dataset", "method", "status", "error"], sort=False)
    return groups.size().rename("n").reset_index()
