"""Scores over time: the quartiles of a score over generator steps, and over the seconds of each method timed alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from ganbench.statistics.final_scores import split_by_measurement
from ganbench.statistics.outcome_table import headline_metric
from ganbench.statistics.trajectories import trajectory_quartiles

if TYPE_CHECKING:
    import pandas as pd

    from ganbench.results.frames import Frames
    from ganbench.results.history import Run

COLUMNS = ["value", "dataset", "method", "step", "seconds", "low", "median", "high", "n", "timed"]


@dataclass(frozen=True, kw_only=True)
class Pace:
    """The seconds that one training took alone until each of these generator steps, without evaluation.

    `hash` is that of what was trained and of its code; `timed` says on what it was timed.
    """

    dataset: str
    method: str
    hash: str
    timed: str
    steps: tuple[int, ...]
    seconds: tuple[float, ...]

    def at(self, step: Any) -> Any:
        """Return the seconds until these generator steps; between two that are known, in proportion."""
        return np.interp(step, (0, *self.steps), (0.0, *self.seconds))


def read_paces(run: Run) -> list[Pace]:
    """Return the paces that a run has measured, those that can be; a run stores them as its fact `pace`."""
    fact = run.facts.get("pace")
    trainings = fact.get("trainings") if isinstance(fact, Mapping) else None
    return [*_list_paces(fact, trainings)] if isinstance(trainings, list) and isinstance(fact, Mapping) else []


def _list_paces(fact: Mapping[str, Any], trainings: Sequence[Any]) -> Iterator[Pace]:
    """Yield the trainings of a fact whose names are texts and whose seconds grow with their steps."""
    device = "one thread" if fact.get("device") == "cpu" else str(fact.get("device_name", ""))
    for training in trainings:
        names = ("dataset", "method", "architecture", "hash")
        if not isinstance(training, Mapping) or any(not isinstance(training.get(name), str) for name in names):
            continue
        steps: Any = training.get("steps")
        seconds: Any = training.get("seconds")
        if is_rising(steps) and is_rising(seconds) and len(steps) == len(seconds):
            yield Pace(
                dataset=training["dataset"],
                method=training["method"],
                hash=training["hash"],
                timed=f"alone on {device}, {training['architecture']}",
                steps=tuple(steps),
                seconds=tuple(map(float, seconds)),
            )


def is_rising(values: Any) -> bool:
    """Return whether these are positive finite numbers, each larger than the one before; not so for none."""
    if not isinstance(values, list) or not values:
        return False
    numbers = all(isinstance(value, int | float) and isfinite(value) for value in values)
    return numbers and all(low < high for low, high in pairwise([0, *values]))


def choose_paces(runs: Sequence[Run], dataset: str) -> dict[str, Pace]:
    """Return the pace of each method on a dataset, all of one run: the newest that has any."""
    for run in reversed(runs):
        if found := {pace.method: pace for pace in read_paces(run) if pace.dataset == dataset}:
            return found
    return {}


def scores_over_time(frames: Frames, dataset: str) -> pd.DataFrame:
    """Return the quartiles of a dataset's headline metric over the trials of each method, at every step: `COLUMNS`.

    `seconds` are those of the method's training alone until the step, without evaluation, and `timed` says on what;
    NaN and "" where it was not timed. They are of the first architecture. low, median, high and n are those of
    `trajectory_quartiles`, by the measurement that most trials have. There is no row where the metric has no step.
    """
    metric = headline_metric(frames, dataset)
    keys = frames.trials.loc[frames.trials["dataset"] == dataset, "key"]
    counts = {name: rows["number"].nunique() for name, rows in split_by_measurement(frames, metric, keys).items()}
    measurement = max(counts, key=counts.__getitem__, default=None)
    table = trajectory_quartiles(frames, dataset, metric, "scores", measurement)
    paces = choose_paces(frames.runs, dataset)
    seconds = [
        float(paces[method].at(step)) if method in paces else np.nan
        for method, step in zip(table["method"], table["step"], strict=True)
    ]
    timed = [paces[method].timed if method in paces else "" for method in table["method"]]
    return table.assign(value=metric, dataset=dataset, seconds=seconds, timed=timed)[COLUMNS]
