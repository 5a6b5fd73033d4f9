"""The summary of a suite: where every method's scores lie, how many trials lived, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd
from numpy.typing import ArrayLike

from ganbench.api.records import TRAINED
from ganbench.statistics.final_scores import by_measurement, final_scores
from ganbench.statistics.intervals import Interval, median_interval, quantile
from ganbench.statistics.variance import share_within

if TYPE_CHECKING:
    from ganbench.results.frames import Frames


class MedianInterval(Protocol):
    """How the interval of a median is found: `inference.median_interval` or `bootstrap.bootstrap_median`."""

    def __call__(self, values: ArrayLike, units: ArrayLike) -> Interval: ...


def summary_table(frames: Frames, interval: MedianInterval = median_interval) -> pd.DataFrame:
    """Summarise every metric of every method on every dataset, one row per way of measuring.

    `final` and `best` are medians over all trials, with those that did not live counted as worst (+inf if lower is
    better), each with the 95% interval of the median (`_low`, `_high`); `q25` and `q75` the quartiles of final;
    `completed_median` the median final of those with a finite score, to be read beside `finite` of `n`. No neutral value has a best. The
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
            standing = final_scores(frames, dataset, metric, measurement)
            for method, group in standing.groupby("method", sort=False):
                names = {"dataset": dataset, "method": method, "metric": metric}
                yield names | {"measurement": measurement, "samples_measured": samples}, group


def seed_share_table(frames: Frames) -> pd.DataFrame:
    """Give how much of the spread of final scores is luck of the seed, not the architecture, for each method.

    `between_seed_share`, from 0 to 1, is the share of the variation of their ranks that lies between seeds of one architecture, with
    its 95% interval `between_seed_share_low`, `between_seed_share_high` (an analysis of variance and its jackknife over architectures: `variation.
    share_within`); the dead rank last. Columns besides: dataset, method, metric, measurement, architectures, seeds, n,
    finite. One row per metric with a better direction, where there are several architectures and seeds.
    """
    rows: list[dict[str, Any]] = []
    for names, group in measured_groups(frames):
        architectures, seeds = group["architecture"].nunique(), group["seed"].nunique()
        if group["direction"].iloc[0] != "neutral" and architectures > 1 and seeds > 1:
            share, (low, high) = share_within(group["final"], group["architecture"])
            found = {"between_seed_share": share, "between_seed_share_low": low, "between_seed_share_high": high}
            found |= {"architectures": architectures, "seeds": seeds}
            rows.append({**names, **found, "n": len(group), "finite": int(group["scored"].sum())})
    return pd.DataFrame(rows).drop(columns="samples_measured") if rows else pd.DataFrame()


def measurements_by_dataset(frames: Frames) -> set[tuple[str, str, str]]:
    """Give what was measured of a recorded trial of each dataset: dataset, metric, measurement."""
    trials = frames.trials[frames.trials["status"] != "missing"].drop_duplicates("key")
    return {
        (str(dataset), name, way)
        for dataset, keys in trials.groupby("dataset")["key"]
        for name in {name for name, _ in frames.measured}
        for way in by_measurement(frames, name, keys)
    }


def summarise(group: pd.DataFrame, interval: MedianInterval) -> dict[str, Any]:
    """Summarise the standings of one method."""
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
