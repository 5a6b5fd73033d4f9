"""The summary of a suite: every method's scores, counts of its trials, and the between-seed share of variance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd
from numpy.typing import ArrayLike

from ganbench.api.records import TRAINED
from ganbench.statistics.final_scores import split_by_measurement, trial_scores
from ganbench.statistics.intervals import Interval, median_interval, quantile
from ganbench.statistics.variance import share_within

if TYPE_CHECKING:
    from ganbench.results.frames import Frames


class MedianInterval(Protocol):
    """A function that returns the interval of a median: `median_interval` or `bootstrap_median`."""

    def __call__(self, values: ArrayLike, units: ArrayLike) -> Interval: ...


def summary_table(frames: Frames, interval: MedianInterval = median_interval) -> pd.DataFrame:
    """Summarise every metric of every method on every dataset, a row per measurement.

    `final` and `best` are medians over all n trials, each with the 95% interval of the median (`_low`, `_high`). Trials
    without a finite score count as the worst (inf if lower is better, -inf if higher is). `q25` and `q75` are the
    quartiles of final. `completed_median` is the median of the finite final scores alone, of which there are `finite`.
    A neutral value has no best. The other columns count architectures, seeds and trials.

    The interval is Woodruff's (`median_interval`). With few units it covers better than the BCa bootstrap over
    architectures (docs/reference/statistics.md), which `interval=bootstrap_median` selects.
    """
    return pd.DataFrame([names | summarise(group, interval) for names, group in iterate_groups(frames)])


def iterate_groups(frames: Frames) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Yield the trial scores of every method by every metric that was measured on its dataset.

    Before each come its names: dataset, method, metric, measurement and the number of samples.
    """
    measured = measurements_by_dataset(frames)
    for dataset in frames.trials["dataset"].drop_duplicates():
        for (metric, measurement), rows in frames.measured.items():
            if (dataset, metric, measurement) not in measured:
                continue
            samples = int(rows["samples"].iloc[0])
            scores = trial_scores(frames, dataset, metric, measurement)
            for method, group in scores.groupby("method", sort=False):
                names = {"dataset": dataset, "method": method, "metric": metric}
                yield names | {"measurement": measurement, "samples_measured": samples}, group


def seed_share_table(frames: Frames) -> pd.DataFrame:
    """Return the between-seed share of the variance of final scores, for each method and metric.

    `between_seed_share`, from 0 to 1, is the share of the variance of their ranks that lies between seeds of one
    architecture, with its 95% interval `between_seed_share_low`, `between_seed_share_high` (an analysis of variance and
    its jackknife over architectures: `share_within`). Trials without a finite score rank last. Other columns: dataset,
    method, metric, measurement, architectures, seeds, n, finite. There is a row for each metric with a better direction
    if there are several architectures and several seeds; without any, the frame is empty.
    """
    rows: list[dict[str, Any]] = []
    for names, group in iterate_groups(frames):
        architectures, seeds = group["architecture"].nunique(), group["seed"].nunique()
        if group["direction"].iloc[0] != "neutral" and architectures > 1 and seeds > 1:
            share, (low, high) = share_within(group["final"], group["architecture"])
            shares = {"between_seed_share": share, "between_seed_share_low": low, "between_seed_share_high": high}
            counts = {"architectures": architectures, "seeds": seeds}
            rows.append({**names, **shares, **counts, "n": len(group), "finite": int(group["scored"].sum())})
    return pd.DataFrame(rows).drop(columns="samples_measured") if rows else pd.DataFrame()


def measurements_by_dataset(frames: Frames) -> set[tuple[str, str, str]]:
    """Return the measurements of the recorded trials of each dataset, as (dataset, metric, measurement)."""
    trials = frames.trials[frames.trials["status"] != "missing"].drop_duplicates("key")
    return {
        (str(dataset), name, measurement)
        for dataset, keys in trials.groupby("dataset")["key"]
        for name in {name for name, _ in frames.measured}
        for measurement in split_by_measurement(frames, name, keys)
    }


def summarise(group: pd.DataFrame, interval: MedianInterval) -> dict[str, Any]:
    """Return the summary of one method's trial scores by one metric, by the name of its column."""
    final, best = interval(group["final"], group["unit"]), interval(group["best"], group["unit"])
    return {
        "direction": group["direction"].iloc[0],
        "n": len(group),
        "architectures": group["architecture"].nunique(),
        "seeds": group["seed"].nunique(),
        "finite": int(group["scored"].sum()),
        "diverged": int((group["diverged"] & group["status"].isin(TRAINED)).sum()),
        "undefined": int(group["undefined"].sum()),
        "failed": int((group["status"] == "failed").sum()),
        "timed_out": int((group["status"] == "timed-out").sum()),
        "stale": int(group["stale"].sum()),
        "final": quantile(group["final"], 0.5),
        "final_low": final.low,
        "final_high": final.high,
        "q25": quantile(group["final"], 0.25),
        "q75": quantile(group["final"], 0.75),
        "best": quantile(group["best"], 0.5),
        "best_low": best.low,
        "best_high": best.high,
        "completed_median": quantile(group.loc[group["scored"], "final"], 0.5),
    }
