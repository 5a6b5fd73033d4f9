"""The outcomes of every stored trial, by the thresholds of its suite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ganbench.api.metrics import Direction
from ganbench.evaluation.outcomes import (
    DEFAULT,
    OUTCOMES,
    RECONSTRUCTION,
    SPREAD,
    Series,
    Thresholds,
    Trajectory,
    outcome_steps,
    spread_measurement,
)
from ganbench.statistics.early_stages import find_early_measurements
from ganbench.suite.loading import restore
from ganbench.suite.suite import Suite

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

NO_METRIC: tuple[None, Direction] = (None, "neutral")


@lru_cache(maxsize=4)
def trial_outcomes(frames: Frames) -> pd.DataFrame:
    """Return every recorded trial's outcomes, indexed by key: a column for each of OUTCOMES, and `diverged`.

    A value is the generator step at which the outcome began, as in `outcome_steps`: inf if it never did, NaN if the
    series that it needs is not there (frames read without signals, or trials recorded before a signal was stored). The
    thresholds are those of the frames' suite. `diverged` is False if divergence is not known.
    """
    suite = stored_suite(frames)
    limits = outcome_thresholds(suite)
    steps = {
        key: outcome_steps(trajectory, limits)
        for key, trajectory in read_trajectories(frames, headline_metrics(suite)).items()
    }
    outcomes = pd.DataFrame.from_dict(steps, orient="index", columns=list(OUTCOMES)).astype("float64")
    outcomes["diverged"] = np.isfinite(outcomes["non-finite"]) | np.isfinite(outcomes["exploded"])
    return outcomes


def stored_suite(frames: Frames) -> Suite | None:
    """Return the suite of the newest run of some results, None where there was no run."""
    return restore(frames.suite) if frames.suite else None


def outcome_thresholds(suite: Suite | None) -> Thresholds:
    """Return the thresholds of a suite's table [outcomes], and the defaults for what it leaves out."""
    declared = suite.outcomes.model_dump(exclude_none=True) if suite is not None else {}
    return replace(DEFAULT, **declared)


def headline_metrics(suite: Suite | None) -> dict[str, str]:
    """Return, by dataset, the metric of its first success rule that has one."""
    rules = suite.success if suite is not None else ()
    return {rule.dataset: rule.metric for rule in reversed(rules) if rule.metric is not None}


def headline_metric(frames: Frames, dataset: str) -> str:
    """Return a dataset's headline metric: that of its first success rule; without one, the first by name that has a
    better direction; "" if there is none.
    """
    keys = frames.trials.loc[frames.trials["dataset"] == dataset, "key"]
    scores = frames.scores[frames.scores["key"].isin(keys) & (frames.scores["direction"] != "neutral")]
    return headline_metrics(stored_suite(frames)).get(dataset) or min(scores["name"].unique(), default="")


def read_trajectories(frames: Frames, headlines: Mapping[str, str]) -> dict[str, Trajectory]:
    """Return the trajectory of every recorded trial, by key; `headlines` maps a dataset to its headline metric."""
    trials = frames.trials[frames.trials["status"] != "missing"].drop_duplicates("key")
    names = frames.signals["name"]
    needed = names.str.startswith(("loss.", "weights.")) | names.isin(["gradient.generator", *RECONSTRUCTION])
    signals: dict[str, dict[str, Series]] = {}
    for (key, name), series in split_series(frames.signals[needed], ["key", "name"]):
        signals.setdefault(key, {})[name] = series
    spreads = {key: series for (key,), series in split_series(select_spread(measured_series(frames)), ["key"])}
    metrics = headline_series(frames, headlines)
    ratio = (trials["critic_updates"] + trials["generator_updates"]) / trials["generator_updates"]
    columns = (
        column.to_numpy()
        for column in (
            trials["key"],
            trials["diverged_at"],
            ratio.where(np.isfinite(ratio), 1.0),
            trials["generator_steps"],
        )
    )
    trajectories: dict[str, Trajectory] = {}
    for key, diverged_at, updates, generator_steps in zip(*columns, strict=True):
        metric, direction = metrics.get(key, NO_METRIC)
        trajectories[key] = Trajectory(
            diverged_at=int(diverged_at),
            updates_per_step=float(updates),
            signals=signals.get(key, {}),
            spread=spreads.get(key),
            metric=metric,
            direction=direction,
            generator_steps=int(generator_steps),
        )
    return trajectories


def measured_series(frames: Frames) -> pd.DataFrame:
    """Return the scores along every trial's training, without those for which memory ran out."""
    return frames.series[~frames.series["not_scored"]]


def select_spread(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the scores of the spread, without those of a third-party metric that has the same name."""
    rows = scores[scores["name"] == SPREAD]
    counts = map(int, rows["samples"].unique())
    ours = {spread_measurement(count, standing=standing) for count in counts for standing in (False, True)}
    return rows[rows["measurement"].isin(ours)]


def headline_series(frames: Frames, headlines: Mapping[str, str]) -> dict[str, tuple[Series, Direction]]:
    """Return the series and the direction of every trial's headline metric, by key.

    The headline is the metric in `headlines` (that of the dataset's first success rule); without one, the first by name
    that has a better direction. Early stages of networks that grow are no part of it.
    """
    dataset = frames.trials.drop_duplicates("key").set_index("key")["dataset"]
    rows = measured_series(frames)
    rows = rows[rows["direction"] != "neutral"]
    row_dataset = rows["key"].map(dataset)
    first_names: dict[Any, Any] = rows.groupby(row_dataset)["name"].min().to_dict()
    rows = rows[rows["name"] == row_dataset.map({**first_names, **headlines})]
    series_by_key: dict[str, tuple[Series, Direction]] = {}
    early = find_early_measurements(frames)
    for (key, name, measurement, direction), series in split_series(rows, ["key", "name", "measurement", "direction"]):
        if (name, measurement) not in early:
            series_by_key.setdefault(key, (series, direction))
    return series_by_key


def split_series(rows: pd.DataFrame, by: list[str]) -> Iterator[tuple[tuple[Any, ...], Series]]:
    """Yield the series of a tidy frame with columns step and value, with their values in the columns `by`."""
    if rows.empty:
        return
    group = rows.groupby(by, sort=False).ngroup().to_numpy()
    order = np.argsort(group, kind="stable")
    cuts = np.flatnonzero(np.diff(group[order])) + 1
    starts = order[np.concatenate([[0], cuts])]
    names = zip(*(rows[name].to_numpy()[starts].tolist() for name in by), strict=True)
    steps, values = (rows[name].to_numpy()[order] for name in ("step", "value"))
    bounds = pairwise([0, *cuts.tolist(), len(order)])
    for name, (start, end) in zip(names, bounds, strict=True):
        yield name, (steps[start:end], values[start:end])
