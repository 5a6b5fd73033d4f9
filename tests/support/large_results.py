"""Results of very many trials: a real suite is planned, and its trials get records that no training made.

    python -m tests.support.large_results FOLDER ARCHITECTURES SEEDS [POINTS]

Two methods train on every architecture with every seed. Each record has the FID and the spread of five snapshots, and
signals of so many points (default: none), as a training stores them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from ganbench import plan, registry, suite
from ganbench.api.records import Record, Score
from ganbench.api.trials import Batch, Trial
from ganbench.evaluation.outcomes import spread_measurement
from ganbench.plan.shards import Shard
from ganbench.results.store import Store
from ganbench.suite import Suite

SIGNALS = (
    *("gradient.generator", "loss.critic", "loss.generator", "scores.fake", "scores.real"),
    *("weights.critic", "weights.generator"),
)
"""The signals that every training stores; a method with a penalty has one more."""
GENERATOR_BYTES = 4096
"""The size of a stored generator: that of a small perceptron."""
AT_ONCE = 5000
"""Records that are stored in one transaction."""


def ask(architectures: int, seeds: int, together: int = 32) -> Suite:
    """Return a suite of 2 x `architectures` x `seeds` trials, in batches of `together` at most."""
    return suite.parse(
        {
            "question": "How long does it take?",
            "seeds": seeds,
            "methods": ["ns-gan", "wgan-gp"],
            "budget": {"generator_steps": 1000, "batch_size": 64, "snapshots": 5},
            "architectures": {"space": "random-mlp", "sample": architectures, "seed": 1},
            "engine": {"together": together},
            "dataset": [{"name": "ring", "metrics": ["sliced-w1"]}],
            "success": [
                {
                    "dataset": "ring",
                    "metric": "sliced-w1",
                    "thresholds": [0.4, 0.3, 0.2, 0.1],
                    "primary": 0.3,
                    "compare": [["ns-gan", "wgan-gp"]],
                    "allow_trivial": True,
                }
            ],
        }
    )


def draw_scores(trial: Trial, values: Sequence[str], rng: np.random.Generator) -> Iterator[Score]:
    """Yield every value at each snapshot, and of the best and the last one on fresh samples."""
    steps = trial.budget.snapshots
    for name, way, samples in [*((name, "f" * 64, 2000) for name in values), ("spread", spread_measurement(256), 256)]:
        series = rng.gamma(4.0, 0.1, len(steps)).tolist()
        direction = "lower" if name == values[0] else "neutral" if name == "spread" else "higher"
        yield from (
            Score(step, name, value, direction, way, samples) for step, value in zip(steps, series, strict=True)
        )
        for step in sorted({steps[int(np.argmin(series))], steps[-1]}):
            yield Score(step, name, float(rng.gamma(4.0, 0.1)), direction, way, samples, fresh=True)


def make_record(trial: Trial, batch: Batch, points: int, values: Sequence[str], rng: np.random.Generator) -> Record:
    """Return the record of a trial, which lives nine times in ten."""
    steps = np.linspace(1, trial.budget.generator_steps, points).astype(int).tolist()
    return Record(
        trial=trial,
        diverged_at=-1 if rng.random() < 0.9 else 500,
        scores=tuple(draw_scores(trial, values, rng)),
        signals={name: (steps, rng.normal(1, 0.2, points).tolist()) for name in SIGNALS} if points else {},
        seconds={"train": rng.random(), "evaluate": rng.random()},
        updates={"critic": 5000, "generator": 1000, "flops": 10**9},
        composition={"mode": batch.mode, "members": [each.seed for each in batch.trials], "device": "cpu"},
    )


def fill_shards(folder: Path, architectures: int, seeds: int, count: int, points: int = 0) -> list[Path]:
    """Store the results of all trials of `ask` in `count` folders, a shard in each, with generators; return them."""
    asked, rng = ask(architectures, seeds), np.random.default_rng(1)
    planned = plan.make(asked, registry.load())
    folders = [folder / f"shard-{number}" for number in range(1, count + 1)]
    for number, place in enumerate(folders, start=1):
        batches = Shard(number, count).select(planned.batches, planned)
        pairs = [(trial, batch) for batch in batches for trial in batch.trials]
        with Store(place) as store:
            store.begin_run(asked.text, planned.trials, {"shard": f"{number}/{count}"})
            for begin in range(0, len(pairs), AT_ONCE):
                records = [
                    make_record(trial, batch, points, ("sliced-w1",), rng)
                    for trial, batch in pairs[begin : begin + AT_ONCE]
                ]
                store.append([replace(each, generator=rng.bytes(GENERATOR_BYTES)) for each in records])
    return folders


def fill(folder: Path, architectures: int, seeds: int, points: int = 0, values: Sequence[str] = ("sliced-w1",)) -> Path:
    """Store the results of all trials of `ask` in a folder, and return it."""
    asked, rng = ask(architectures, seeds), np.random.default_rng(1)
    planned = plan.make(asked, registry.load())
    with Store(folder) as store:
        store.begin_run(asked.text, planned.trials, {})
        held: list[Record] = []
        for batch in planned.batches:
            held += [make_record(trial, batch, points, values, rng) for trial in batch.trials]
            if len(held) >= AT_ONCE:
                store.append(held)
                held = []
        store.append(held)
    return folder


if __name__ == "__main__":
    fill(Path(sys.argv[1]), *map(int, sys.argv[2:]))
