"""The summary of a suite: where every method's scores lie, how many trials lived, and what they cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ganbench.courses import outcome_table
from ganbench.inference import median_interval, quantile
from ganbench.outcomes import OUTCOMES
from ganbench.statistics import standings

if TYPE_CHECKING:
    from ganbench.frames import Frames

COSTS = ("generator_steps", "critic_updates", "generator_updates", "samples", "seconds_train", "seconds_evaluate")


def summary_table(frames: Frames) -> pd.DataFrame:
    """Summarise every metric of every method on every dataset, one row per way of measuring.

    `final` and `best` are medians over all trials, with those that did not live counted as worst (+inf if lower is
    better), each with the 95% interval of the median (`_low`, `_high`); `q25` and `q75` the quartiles of final;
    `survivors` the median final of those alive, to be read beside `finite` of `n`. No neutral value has a best.
    """
    scored = frames.scores.drop_duplicates(["name", "measurement"])
    rows: list[dict[str, Any]] = []
    for dataset in frames.trials["dataset"].drop_duplicates():
        for metric, measurement, samples in scored[["name", "measurement", "samples"]].itertuples(index=False):
            standing = standings(frames, dataset, metric, measurement)
            if not standing["key"].isin(measured_keys(frames, metric, measurement)).any():
                continue
            for method, group in standing.groupby("method", sort=False):
                names = {"dataset": dataset, "method": method, "metric": metric}
                rows.append({**names, "measurement": measurement, "samples_measured": samples, **summarise(group)})
    return pd.DataFrame(rows)


def fate_table(frames: Frames) -> pd.DataFrame:
    """Count what became of every planned trial: one row per dataset and method, no trial left out.

    planned = lived + diverged (non-finite or exploded) + failed + timeout + missing; stale is counted beside them. Then
    for each outcome (`ganbench.outcomes`), of the trials that came to their end: in how many it held, of how many it
    is known (`_of`), and the median generator step at which it began (`_step`). Not known of any: NaN, never 0.
    """
    trials = frames.trials.join(outcome_table(frames), on="key")
    lived = trials["diverged"].eq(True).map({True: "diverged", False: "lived"})  # of missing ones it is not known
    fate = trials["status"].where(trials["status"] != "ok", lived)
    names = ["lived", "diverged", "failed", "timeout", "missing"]
    counted = trials[["dataset", "method", "stale"]].assign(planned=1, **{name: fate == name for name in names})
    counts = counted.groupby(["dataset", "method"], sort=False)[["planned", *names, "stale"]].sum()
    ended = trials[list(OUTCOMES)].where(trials["status"] == "ok")
    groups = [trials["dataset"], trials["method"]]
    for name in OUTCOMES:
        known = ended[name].notna().groupby(groups, sort=False).sum()
        held = ended[name].where(np.isfinite(ended[name]))
        counts[name] = held.notna().groupby(groups, sort=False).sum().where(known > 0)
        counts[f"{name}_of"] = known
        counts[f"{name}_step"] = held.groupby(groups, sort=False).median()
    return counts.reset_index()


def cost_table(frames: Frames) -> pd.DataFrame:
    """Give what a trial of each method cost: the budget in every unit that is known, and wall seconds; medians.

    `samples` are real rows shown to the critic; `seconds_*` the batch's divided by its members, `members` how many
    those were. FLOPs are not counted yet.
    """
    trials = frames.trials[frames.trials["status"] != "missing"]
    groups = trials.groupby(["dataset", "method"], sort=False)
    costs = groups[list(COSTS)].median().assign(flops=float("nan"), n=groups.size())
    together = {name: groups[name].agg(listed).astype("str") for name in ("members", "mode", "device")}
    return costs.assign(**together).reset_index()


def listed(values: pd.Series[Any]) -> str:
    """The distinct values of a column as one text."""
    return ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in sorted(set(values.dropna())))


def failure_table(frames: Frames) -> pd.DataFrame:
    """Give every way in which trials failed, with the number of trials: dataset, method, status, error, n."""
    failed = frames.trials[frames.trials["status"].isin(["failed", "timeout"])]
    groups = failed.groupby(["dataset", "method", "status", "error"], sort=False)
    return groups.size().rename("n").reset_index()


def measured_keys(frames: Frames, metric: str, measurement: str) -> pd.Series[str]:
    """The keys of the trials that have this score."""
    scores = frames.scores
    return scores[(scores["name"] == metric) & (scores["measurement"] == measurement)]["key"]


def summarise(group: pd.DataFrame) -> dict[str, Any]:
    """Summarise the standings of one method."""
    final, best = median_interval(group["final"], group["unit"]), median_interval(group["best"], group["unit"])
    return {
        "direction": group["direction"].iloc[0],
        "n": len(group),
        "architectures": group["architecture"].nunique(),
        "seeds": group["seed"].nunique(),
        "finite": int(group["alive"].sum()),
        "diverged": int((group["diverged"] & (group["status"] == "ok")).sum()),
        "failed": int((group["status"] == "failed").sum()),
        "timeout": int((group["status"] == "timeout").sum()),
        "stale": int(group["stale"].sum()),
        "final": quantile(group["final"], 0.5),
        "final_low": final.low,
        "final_high": final.high,
        "q25": quantile(group["final"], 0.25),
        "q75": quantile(group["final"], 0.75),
        "best": quantile(group["best"], 0.5),
        "best_low": best.low,
        "best_high": best.high,
        "survivors": quantile(group.loc[group["alive"], "final"], 0.5),
    }
