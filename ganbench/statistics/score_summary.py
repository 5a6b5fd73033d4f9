"""The summary of a suite: where every method's scores lie, how many trials lived, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ganbench.evaluation.outcomes import OUTCOMES
from ganbench.statistics.final_scores import SuccessRule, headline, judged, standings, successes, ways
from ganbench.statistics.intervals import Interval, median_interval, quantile
from ganbench.statistics.outcome_table import outcome_table
from ganbench.statistics.variance import share_within

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

COSTS = (
    *("generator_steps", "critic_updates", "generator_updates", "samples", "flops"),
    *("seconds_train", "seconds_evaluate"),
)


class MedianInterval(Protocol):
    """How the interval of a median is found: `inference.median_interval` or `bootstrap.bootstrap_median`."""

    def __call__(self, values: ArrayLike, units: ArrayLike) -> Interval: ...  # noqa: D102


def summary_table(frames: Frames, interval: MedianInterval = median_interval) -> pd.DataFrame:
    """Summarise every metric of every method on every dataset, one row per way of measuring.

    `final` and `best` are medians over all trials, with those that did not live counted as worst (+inf if lower is
    better), each with the 95% interval of the median (`_low`, `_high`); `q25` and `q75` the quartiles of final;
    `survivors` the median final of those alive, to be read beside `finite` of `n`. No neutral value has a best. The
    interval is Woodruff's (`inference.median_interval`), which covers better at few units than the BCa bootstrap over
    architectures (docs/statistics.md); `interval=bootstrap_median` gives that one.
    """
    return pd.DataFrame([names | summarise(group, interval) for names, group in measured_groups(frames)])


def measured_groups(frames: Frames) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Give the standings of every method by every metric that was measured on its dataset, with the names of it all."""
    measured = measurements_by_dataset(frames)
    for dataset in frames.trials["dataset"].drop_duplicates():
        for (metric, measurement), rows in frames.measured.items():
            if (dataset, metric, measurement) not in measured:
                continue
            samples = int(rows["samples"].iloc[0])
            standing = standings(frames, dataset, metric, measurement)
            for method, group in standing.groupby("method", sort=False):
                names = {"dataset": dataset, "method": method, "metric": metric}
                yield names | {"measurement": measurement, "samples_measured": samples}, group


def spread_over_seeds(frames: Frames) -> pd.DataFrame:
    """Give how much of the spread of final scores is luck of the seed, not the architecture, for each method.

    `luck`, from 0 to 1, is the share of the variation of their ranks that lies between seeds of one architecture, with
    its 95% interval `luck_low`, `luck_high` (an analysis of variance and its jackknife over architectures: `variation.
    share_within`); the dead rank last. Columns besides: dataset, method, metric, measurement, architectures, seeds, n,
    finite. One row per metric with a better direction, where there are several architectures and seeds.
    """
    rows: list[dict[str, Any]] = []
    for names, group in measured_groups(frames):
        architectures, seeds = group["architecture"].nunique(), group["seed"].nunique()
        if group["direction"].iloc[0] != "neutral" and architectures > 1 and seeds > 1:
            luck, (low, high) = share_within(group["final"], group["architecture"])
            found = {"luck": luck, "luck_low": low, "luck_high": high, "architectures": architectures, "seeds": seeds}
            rows.append({**names, **found, "n": len(group), "finite": int(group["alive"].sum())})
    return pd.DataFrame(rows).drop(columns="samples_measured") if rows else pd.DataFrame()


def fate_table(frames: Frames) -> pd.DataFrame:
    """Count what became of every planned trial: one row per dataset and method, no trial left out.

    planned = lived + diverged (non-finite or exploded) + failed + timeout + missing; stale is counted beside them. Then
    for each outcome (`ganbench.evaluation.outcomes`), of the trials that came to their end: in how many it held, of how many it
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
    those were; `flops` NaN where they were not counted.
    """
    trials = trained(frames)
    groups = trials.groupby(["dataset", "method"], sort=False)
    costs = groups[list(COSTS)].median().assign(n=groups.size())
    together = {name: groups[name].agg(listed).astype("str") for name in ("members", "mode", "device")}
    return costs.assign(**together).reset_index()


def success_cost_table(frames: Frames, rules: Sequence[SuccessRule]) -> pd.DataFrame:
    """Give what a success cost each method: the costs of all its trials, dead ones too, over its successes.

    A success is one by the primary threshold of the dataset's first rule; of several ways of measuring, by the one that
    most trials have. Without a success the cost is inf, and NaN where it is not known of any trial; of a trial that it
    is not known of, it is taken to be the dearest trial's. Columns: dataset, method, successes, n, then the costs.
    """
    trials, first = trained(frames), {rule.dataset: rule for rule in reversed(rules)}
    rows: list[dict[str, Any]] = []
    for dataset in (each for each in trials["dataset"].drop_duplicates() if each in first):
        rule = first[dataset]
        standing = judged(frames, rule, usual_measurement(frames, rule))
        for method, group in trials[trials["dataset"] == dataset].groupby("method", sort=False):
            won = int(successes(standing[standing["method"] == method], rule.at, rule.primary).sum())
            costs = group[list(COSTS)]
            total = costs.fillna(costs.max()).sum(min_count=1)
            spent = total / won if won else total.where(total.isna(), np.inf)
            row = {"dataset": dataset, "method": method, "successes": won, "n": len(group)}
            rows.append(row | {name: float(spent[name]) for name in COSTS})
    return pd.DataFrame(rows)


def trained(frames: Frames) -> pd.DataFrame:
    """The trials that there are records of, with every cost; NaN where a cost was never counted."""
    trials = frames.trials[frames.trials["status"] != "missing"]
    return trials.assign(**{name: np.nan for name in COSTS if name not in trials})


def usual_measurement(frames: Frames, rule: SuccessRule) -> str | None:
    """The way in which a rule's metric was measured on most trials of its dataset, the first by name of equals."""
    keys = frames.trials.loc[frames.trials["dataset"] == rule.dataset, "key"]
    counts = {way: rows["number"].nunique() for way, rows in ways(frames, headline(frames, rule), keys).items()}
    return max(counts, key=counts.__getitem__, default=None)


def listed(values: pd.Series[Any]) -> str:
    """The distinct values of a column as one text."""
    return ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in sorted(values.dropna().unique()))


def failure_table(frames: Frames) -> pd.DataFrame:
    """Give every way in which trials failed, with the number of trials: dataset, method, status, error, n."""
    failed = frames.trials[frames.trials["status"].isin(["failed", "timeout"])]
    groups = failed.groupby(["dataset", "method", "status", "error"], sort=False)
    return groups.size().rename("n").reset_index()


def measurements_by_dataset(frames: Frames) -> set[tuple[str, str, str]]:
    """Give what was measured of a recorded trial of each dataset: dataset, metric, measurement."""
    trials = frames.trials[frames.trials["status"] != "missing"].drop_duplicates("key")
    return {
        (str(dataset), name, way)
        for dataset, keys in trials.groupby("dataset")["key"]
        for name in {name for name, _ in frames.measured}
        for way in ways(frames, name, keys)
    }


def summarise(group: pd.DataFrame, interval: MedianInterval) -> dict[str, Any]:
    """Summarise the standings of one method."""
    final, best = interval(group["final"], group["unit"]), interval(group["best"], group["unit"])
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
