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
    """A success rule, as a suite's table [[success]] declares it."""

    dataset: str = "ring"
    metric: str | None = "fid"
    at: Literal["final", "best"] = "final"
    thresholds: tuple[float, ...] = (10.0,)
    primary: float | None = 10.0
    condition: str | None = None
    compare: tuple[tuple[str, str], ...] = (("a", "b"),)
    smallest_effect: float | None = None
    sustained: int = 1


SGD = Part("sgd")
SUITE = """
question = "why?"
methods = ["a", "b"]
budget = { generator_steps = 100 }
dataset = [{ name = "ring" }]
"""


def trial(method: str = "a", architecture: int = 0, seed: int = 0, dataset: str = "ring", code: str = "c0") -> Trial:
    """Make a trial whose key and labels depend on these."""
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


def with_fresh_best(series: list[Score], value: float | None = None) -> list[Score]:
    """Return a series with the fresh score of its best snapshot, as a worker adds it: `value`, or the same value."""
    finite = [score for score in series if math.isfinite(score.value)]
    if len(series) < 2 or not finite:
        return series
    best = (max if finite[0].direction == "higher" else min)(finite, key=lambda score: score.value)
    return [*series, replace(best, value=best.value if value is None else value, fresh=True)]


def record(planned: Trial, fid: Iterable[float] = (), **fields: Any) -> Record:
    """Make the record of a trial with these FIDs, one per snapshot, and the best one again on fresh samples."""
    defaults: Mapping[str, Any] = {
        "scores": tuple(with_fresh_best(scores("fid", fid))),
        "seconds": {"train": 2.0, "evaluate": 0.5},
        "updates": {"critic": 500, "generator": 100},
        "composition": {"mode": "stack", "members": [planned.seed], "device": "cpu"},
        "facts": {"torch": "2.15"},
        "status": "diverged" if fields.get("diverged_at", -1) >= 0 else "completed",
    }
    return Record(trial=planned, **{**defaults, **fields})


def results(folder: Path, records: Iterable[Record], plan: Iterable[Trial] | None = None) -> Frames:
    """Store these records under a plan of their trials (or this plan), and return the frames that are read back."""
    records = list(records)
    with Store(folder) as store:
        store.begin_run(SUITE, [r.trial for r in records] if plan is None else list(plan), {})
        store.append(records)
        return store.frames()
