"""The outcomes of every stored trial, by the thresholds of its suite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganbench.evaluation.outcome_blocks import Steps, Values
from ganbench.evaluation.outcomes import DEFAULT, RECONSTRUCTION, SIGNS, SPREAD, Series, Thresholds, spread_measurement
from ganbench.statistics.early_stages import find_early_measurements
from ganbench.statistics.outcome_steps import GRADIENT, LOSS, WEIGHTS, OutcomeSteps
from ganbench.suite.loading import restore
from ganbench.suite.suite import Suite

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

CELLS = 2_000_000
"""The most values of a block: its arrays take some hundred megabytes."""


@lru_cache(maxsize=4)
def trial_outcomes(frames: Frames) -> pd.DataFrame:
    """Return every recorded trial's outcomes, indexed by key: a column for each of OUTCOMES, and `diverged`.

    A value is the generator step at which the outcome began, as in `outcome_steps`: inf if it never did, NaN if the
    series that it needs is not there (frames read without signals, or trials recorded before a signal was stored). The
    thresholds are those of the frames' suite. `diverged` is False if divergence is not known.
    """
    suite = stored_suite(frames)
    trials = frames.trials[frames.trials["status"] != "missing"].drop_duplicates("key")
    count = len(frames.keys)
    found = OutcomeSteps(trials, frames.numbers(trials["key"]), count, outcome_thresholds(suite))
    for name, numbers, steps, values in iterate_signals(frames):
        found.add_signal(name, numbers, steps, values)
    for (numbers,), steps, values in group_blocks(select_spread(frames), ["number"]):
        found.add_spread(numbers, steps, values)
    rows = select_headlines(frames, headline_metrics(suite))
    for direction in SIGNS:
        for (numbers,), steps, values in group_blocks(rows[rows["direction"] == direction], ["number"]):
            found.add_metric(direction, numbers, steps, values)
    outcomes = found.finish()
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


def iterate_signals(frames: Frames) -> Iterator[tuple[str, NDArray[np.intp], Steps, Values]]:
    """Yield the signals that outcomes are read from, in blocks: name, numbers [n], steps [n, t] and values [n, t].

    Those that are not read yet are streamed from the results folder, and stay unread.
    """
    names, prefixes = (GRADIENT, *RECONSTRUCTION), (LOSS, WEIGHTS)
    if frames.unread_signals is not None:
        for name, keys, steps, values in frames.unread_signals.iterate_signals(names, prefixes):
            yield name, frames.numbers(pd.Series(keys)), steps, values
        return
    own = frames.signals["name"]
    rows = frames.signals[own.str.startswith(prefixes) | own.isin(names)]
    for signal, several in rows.groupby("name", sort=False):
        for (keys,), steps, values in group_blocks(several, ["key"]):
            yield str(signal), frames.numbers(pd.Series(keys)), steps, values


def select_series(rows: pd.DataFrame) -> pd.DataFrame:
    """Return those of some measured scores that were taken along a trial's training, with enough memory."""
    return rows[~(rows["fresh"] | rows["not_scored"]) & (rows["number"] >= 0)]


def select_spread(frames: Frames) -> pd.DataFrame:
    """Return the scores of the spread, without those of a third-party metric that has the same name."""
    groups = {way: select_series(rows) for way, rows in frames.ways.get(SPREAD, {}).items()}
    counts = {int(count) for rows in groups.values() for count in rows["samples"].unique()}
    ours = {spread_measurement(count, standing=standing) for count in counts for standing in (False, True)}
    return join_in_order([rows for way, rows in groups.items() if way in ours])


def select_headlines(frames: Frames, headlines: Mapping[str, str]) -> pd.DataFrame:
    """Return the scores that are the series of every trial's headline metric.

    The headline is the metric in `headlines` (that of the dataset's first success rule); without one, the first by name
    that has a better direction. Of several measurements, the first of a trial counts. Early stages of networks that
    grow are no part of it.
    """
    codes, datasets = pd.factorize(frames.trials.drop_duplicates("key")["dataset"])
    early, groups = find_early_measurements(frames), []
    first_names: dict[str, str] = {}
    for (name, measurement), rows in frames.measured.items():
        directed = select_series(rows[rows["direction"] != "neutral"])
        for dataset in datasets[np.unique(codes[directed["number"]])]:
            first_names[dataset] = min(name, first_names.get(dataset, name))
        if (name, measurement) not in early:
            groups.append((name, measurement, directed))
    wanted = np.array([{**first_names, **headlines}.get(dataset) for dataset in datasets], object)
    kept = [
        rows[wanted[codes[rows["number"]]] == name].assign(measurement=measurement)
        for name, measurement, rows in groups
    ]
    found = join_in_order([rows for rows in kept if len(rows)])
    if not len(found):
        return found
    ways = found.groupby(["measurement", "direction"], sort=False).ngroup()
    return found[ways == ways.groupby(found["number"], sort=False).transform("first")]


def join_in_order(groups: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return rows of measured scores as one frame, in the order of the scores."""
    if not groups:
        return pd.DataFrame({"number": [], "step": [], "value": [], "direction": []})
    return groups[0] if len(groups) == 1 else pd.concat(groups).sort_index(kind="stable")


def group_blocks(rows: pd.DataFrame, by: list[str]) -> Iterator[tuple[tuple[Any, ...], Steps, Values]]:
    """Yield the series of a tidy frame with columns step and value in blocks of equal length.

    Each block is the values [n] of the columns `by`, steps [n, t] and values [n, t].
    """
    starts, order = find_groups(rows, by)
    steps, values = rows["step"].to_numpy(), rows["value"].to_numpy()
    lengths = np.diff(np.append(starts, len(order)))
    for length in np.unique(lengths):
        chosen, most = starts[lengths == length], max(1, CELLS // int(length))
        for part in (chosen[i : i + most] for i in range(0, len(chosen), most)):
            places = order[part[:, None] + np.arange(length)]
            names = tuple(rows[name].array[order[part]] for name in by)
            yield names, steps[places], values[places]


def find_groups(rows: pd.DataFrame, by: list[str]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return where each group of rows begins in their order by groups [groups], and that order [n]."""
    if rows.empty:
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    group = rows.groupby(by, sort=False).ngroup().to_numpy()
    order = np.argsort(group, kind="stable")
    return np.concatenate([[0], np.flatnonzero(np.diff(group[order])) + 1]), order


def split_series(rows: pd.DataFrame, by: list[str]) -> Iterator[tuple[tuple[Any, ...], Series]]:
    """Yield the series of a tidy frame with columns step and value, with their values in the columns `by`."""
    starts, order = find_groups(rows, by)
    names = zip(*(rows[name].to_numpy()[order[starts]].tolist() for name in by), strict=True)
    steps, values = (rows[name].to_numpy()[order] for name in ("step", "value"))
    bounds = pairwise([*starts.tolist(), len(order)])
    for name, (start, end) in zip(names, bounds, strict=True):
        yield name, (steps[start:end], values[start:end])
