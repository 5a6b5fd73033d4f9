"""How many trials completed, diverged, failed or timed out, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ganbench.api.records import TRAINED, UNTRAINED
from ganbench.errors import find_reason
from ganbench.evaluation.outcomes import OUTCOMES
from ganbench.statistics.outcome_table import trial_outcomes

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

KEY_DIGITS = 12
"""Digits of the key of an example: enough to tell a hundred thousand trials apart."""


def count_outcomes(frames: Frames) -> pd.DataFrame:
    """Count the outcomes of every planned trial: a row per dataset and method, no trial left out.

    planned = completed + diverged (non-finite or exploded) + failed + timed_out + missing. `stale` is a separate count.
    Then, for each of `ganbench.evaluation.OUTCOMES`, three columns on the trials that were trained to their end: the
    number of trials in which it occurred, the number for which that is known (`_of`), and the median generator step at
    which it began (`_step`). The first is NaN, not 0, if nothing is known.
    """
    trials = frames.trials.join(trial_outcomes(frames), on="key")
    trained = trials["status"].isin(TRAINED)
    trained_status = trials["diverged"].eq(True).map({True: "diverged", False: "completed"})
    status = trials["status"].where(~trained, trained_status)
    names = {name: name.replace("-", "_") for name in ("completed", "diverged", "failed", "timed-out", "missing")}
    columns = {column: status == name for name, column in names.items()}
    flags = trials[["dataset", "method", "stale"]].assign(planned=1, **columns)
    counts = flags.groupby(["dataset", "method"], sort=False)[["planned", *columns, "stale"]].sum()
    began = trials[list(OUTCOMES)].where(trained)
    groups = [trials["dataset"], trials["method"]]
    for name in OUTCOMES:
        known = began[name].notna().groupby(groups, sort=False).sum()
        steps = began[name].where(np.isfinite(began[name]))
        counts[name] = steps.notna().groupby(groups, sort=False).sum().where(known > 0)
        counts[f"{name}_of"] = known
        counts[f"{name}_step"] = steps.groupby(groups, sort=False).median()
    return counts.reset_index()


def count_failures(frames: Frames) -> pd.DataFrame:
    """Count the trials that failed or timed out by the reason.

    Columns: dataset, method, status, error, n, and `example`, the start of the key of one of them.
    """
    failed = frames.trials[frames.trials["status"].isin(UNTRAINED)]
    failed = failed.assign(error=failed["error"].map(find_reason))
    groups = failed.groupby(["dataset", "method", "status", "error"], sort=False)
    return groups["key"].agg(n="size", example=lambda keys: keys.iloc[0][:KEY_DIGITS]).reset_index()
