"""Trials, records and results made by hand, for tests that need no engine."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ganbench.api.records import Record, Score
from ganbench.api.trials import Budget, Part, Recipe, Trial
from ganbench.results.frames import Frames
from ganbench.results.store import Store


@dataclass(frozen=True)
class Success:
    """What a suite's [[success]] says."""

    dataset: str = "ring"
    metric: str | None = "fid"
    at: Literal["final", "best"] = "final"
    thresholds: tuple[float, ...] = (10.0,)
    primary: float | None = 10.0
    condition: str | None = None
    compare: tuple[tuple[str, str], ...] = (("a", "b"),)


SGD = Part("sgd")
SUITE = """
question = "why?"
methods = ["a", "b"]
budget = { generator_steps = 100 }
dataset = [{ name = "ring" }]
"""


def trial(method: str = "a", architecture: int = 0, seed: int = 0, dataset: str = "ring", code: str = "c0") -> Trial:
    """Make a trial that is named and keyed by these."""
    return Trial(
        dataset=Part(dataset),
        architecture=Part("mlp"),
        spec={"width": architecture},
        recipe=Recipe(loss=Part(method), dynamics=Part("plain"), critic_optimizer=SGD, generator_optimizer=SGD),
        seed=seed,
        budget=Budget(generator_steps=100, batch_size=32, snapshots=(50, 100)),
        code=code,
        labels={"method": method, "dataset": dataset, "architecture": f"mlp-{architecture}"},
    )


def scores(name: str, values: Iterable[float], direction: str = "lower", measurement: str = "m" * 64) -> list[Score]:
    """Make the scores of one metric, one value per snapshot, at steps 50, 100, ..."""
    return [Score(50 * (i + 1), name, value, direction, measurement, 500) for i, value in enumerate(values)]


def rejudged(series: list[Score], value: float | None = None) -> list[Score]:
    """Add what a worker does: the best snapshot's score on fresh samples, of this value or the same."""
    finite = [score for score in series if math.isfinite(score.value)]
    if len(series) < 2 or not finite:
        return series
    best = (max if finite[0].direction == "higher" else min)(finite, key=lambda score: score.value)
    return [*series, replace(best, value=best.value if value is None else value, fresh=True)]


def record(asked: Trial, fid: Iterable[float] = (), **others: Any) -> Record:
    """Make the record of a trial with these FIDs, one per snapshot, and of the best once more on fresh samples."""
    known: Mapping[str, Any] = {
        "scores": tuple(rejudged(scores("fid", fid))),
        "seconds": {"train": 2.0, "evaluate": 0.5},
        "updates": {"critic": 500, "generator": 100},
        "composition": {"mode": "stack", "members": [asked.key], "device": "cpu"},
        "facts": {"torch": "2.15"},
        "status": "diverged" if others.get("diverged_at", -1) >= 0 else "completed",
    }
    return Record(trial=asked, **{**known, **others})


def results(folder: Path, records: Iterable[Record], plan: Iterable[Trial] | None = None) -> Frames:
    """Store these records under a plan of just them (or the given one) and read the frames back."""
    records = list(records)
    with Store(folder) as store:
        store.begin_run(SUITE, [r.trial for r in records] if plan is None else list(plan), {})
        store.append(records)
        return store.frames()
