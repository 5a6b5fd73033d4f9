"""From stored results to outcomes: how every trial of some frames went, by its suite's thresholds."""

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
    SPREAD,
    Series,
    Thresholds,
    Trajectory,
    outcome_steps,
    spread_measurement,
)
from ganbench.suite.loading import restore
from ganbench.suite.suite import Suite

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

NO_METRIC: tuple[None, Direction] = (None, "neutral")


@lru_cache(maxsize=4)
def trial_outcomes(frames: Frames) -> pd.DataFrame:
    """Give every trial's outcomes, by key: a column for each of OUTCOMES (as in `steps_of`), and `diverged`.

    Thresholds are those of the suite that the frames carry. Frames that were read without signals, and trials recorded
    before a signal was kept, know less: NaN. A trial that is not known to have diverged has not.
    """
    suite = restore(frames.suite) if frames.suite else None
    limits = outcome_thresholds(suite)
    courses = trajectories(frames, headline_metrics(suite))
    found = pd.DataFrame.from_dict(
        {key: outcome_steps(course, limits) for key, course in courses.items()}, orient="index", columns=list(OUTCOMES)
    ).astype("float64")
    found["diverged"] = np.isfinite(found["non-finite"]) | np.isfinite(found["exploded"])
    return found


def outcome_thresholds(suite: Suite | None) -> Thresholds:
    """Return the thresholds of a suite's table [outcomes], and the defaults for what it leaves out."""
    declared = suite.outcomes.model_dump(exclude_none=True) if suite is not None else {}
    return replace(DEFAULT, **declared)


def headline_metrics(suite: Suite | None) -> dict[str, str]:
    """Return, by dataset, the metric of its first success rule that has one."""
    rules = suite.success if suite is not None else ()
    return {rule.dataset: rule.metric for rule in reversed(rules) if rule.metric is not None}


def trajectories(frames: Frames, headlines: Mapping[str, str]) -> dict[str, Trajectory]:
    """Give how every recorded trial went, by key; `headlines` names the metric of a dataset."""
    trials = frames.trials[frames.trials["status"] != "missing"].drop_duplicates("key")
    names = frames.signals["name"]
    needed = names.str.startswith(("loss.", "weights.")) | (names == "gradient.generator")
    signals: dict[str, dict[str, Series]] = {}
    for (key, name), series in split(frames.signals[needed], ["key", "name"]):
        signals.setdefault(key, {})[name] = series
    spreads = {key: series for (key,), series in split(spread_rows(frames.series), ["key"])}
    metrics = headline_series(frames, headlines)
    ratio = (trials["critic_updates"] + trials["generator_updates"]) / trials["generator_updates"]
    told = (
        column.to_numpy() for column in (trials["key"], trials["diverged_at"], ratio.where(np.isfinite(ratio), 1.0))
    )
    courses: dict[str, Trajectory] = {}
    for key, diverged_at, updates in zip(*told, strict=True):
        metric, direction = metrics.get(key, NO_METRIC)
        courses[key] = Trajectory(
            diverged_at=int(diverged_at),
            updates_per_step=float(updates),
            signals=signals.get(key, {}),
            spread=spreads.get(key),
            metric=metric,
            direction=direction,
        )
    return courses


def spread_rows(scores: pd.DataFrame) -> pd.DataFrame:
    """Give the spread's scores; a stranger's metric may use the name, but measures in another way."""
    rows = scores[scores["name"] == SPREAD]
    hashes = {samples: spread_measurement(int(samples)) for samples in rows["samples"].unique()}
    return rows[rows["measurement"] == rows["samples"].map(hashes)]


def headline_series(frames: Frames, headlines: Mapping[str, str]) -> dict[str, tuple[Series, Direction]]:
    """Give every trial's headline metric with its direction, by key.

    It is the metric of the dataset's first success rule; without one, the first by name that has a better direction.
    """
    dataset = frames.trials.drop_duplicates("key").set_index("key")["dataset"]
    rows = frames.series[frames.series["direction"] != "neutral"]
    of = rows["key"].map(dataset)
    named: dict[Any, Any] = rows.groupby(of)["name"].min().to_dict()
    rows = rows[rows["name"] == of.map({**named, **headlines})]
    found: dict[str, tuple[Series, Direction]] = {}
    for (key, direction, _), series in split(rows, ["key", "direction", "measurement"]):
        found.setdefault(key, (series, direction))
    return found


def split(rows: pd.DataFrame, by: list[str]) -> Iterator[tuple[tuple[Any, ...], Series]]:
    """Give the series of a tidy frame with columns step and value, by the values of these columns."""
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
