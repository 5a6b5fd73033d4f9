"""What the tables of 100,000 trials take, each with six final scores: from the stored results to Markdown.

    make bench

It stores them first, which takes a minute. Each round is a fresh process, as `ganbench table` is; its CPU seconds and
the most memory that it held are held against the limits, as a shared machine's wall clock says little.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ganbench.api.records import Record, Score
from ganbench.api.trials import Budget, Part, Recipe, Trial
from ganbench.results.store import Store

SECONDS, GIGABYTES = 20.0, 1.5
DATASETS, METHODS, ARCHITECTURES, SEEDS = ("ring", "grid"), 5, 1250, 8
DIRECTIONS = ("lower", "higher", "lower", "higher", "lower", "neutral")
SUITE = """
question = "How long do tables take?"
methods = ["m0", "m1", "m2", "m3", "m4"]

[budget]
generator_steps = 1000

[architectures]
space = "random-mlp"
sample = 1250

[[dataset]]
name = "ring"

[[dataset]]
name = "grid"

[[success]]
dataset = "ring"
metric = "score-0"
thresholds = [0.8, 0.6, 0.4, 0.2]
primary = 0.4
compare = [["m0", "m1"], ["m0", "m2"]]

[[success]]
dataset = "grid"
metric = "score-1"
thresholds = [0.2, 0.4, 0.6, 0.8]
primary = 0.4
compare = [["m0", "m1"], ["m3", "m4"]]
"""
PROGRAM = """
import json, resource, sys, time
from pathlib import Path
from ganbench import suite
from ganbench.report import make_tables, render
from ganbench.results.store import read

frames = read(Path(sys.argv[1]))
text = render(make_tables(frames, suite.restore(frames.suite).success), "md")
most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps({"seconds": time.process_time(), "bytes": most, "trials": len(frames.trials),
                  "scores": len(frames.scores), "characters": len(text), "torch": "torch" in sys.modules}))
"""


def trials() -> Iterator[Trial]:
    """Every trial of the grid."""
    sgd = Part("sgd")
    for dataset in DATASETS:
        for architecture in range(ARCHITECTURES):
            for method in (f"m{i}" for i in range(METHODS)):
                recipe = Recipe(
                    loss=Part(method), dynamics=Part("plain"), critic_optimizer=sgd, generator_optimizer=sgd
                )
                labels = {"method": method, "dataset": dataset, "architecture": f"random-mlp-{architecture:08x}"}
                for seed in range(SEEDS):
                    yield Trial(
                        dataset=Part(dataset),
                        architecture=Part("random-mlp"),
                        spec={"number": architecture},
                        recipe=recipe,
                        seed=seed,
                        budget=Budget(generator_steps=1000, batch_size=64, snapshots=(1000,)),
                        code="c0",
                        labels=labels,
                    )


def record(trial: Trial, rng: random.Random) -> Record:
    """A trial that lives, nine times in ten, with a score of each metric."""
    return Record(
        trial=trial,
        diverged_at=-1 if rng.random() < 0.9 else 500,
        scores=tuple(
            Score(1000, f"score-{i}", rng.random(), direction, f"{i:064x}", 2000)
            for i, direction in enumerate(DIRECTIONS)
        ),
        seconds={"train": 2.0, "evaluate": 0.5},
        updates={"critic": 5000, "generator": 1000},
        composition={"mode": "stack", "members": [trial.labels["architecture"]] * SEEDS, "device": "cpu"},
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hundred thousand trials' results, stored."""
    folder, rng, planned = tmp_path_factory.mktemp("results"), random.Random(1), list(trials())
    with Store(folder) as store:
        store.begin_run(SUITE, planned, {})
        for start in range(0, len(planned), 5000):
            store.append(record(trial, rng) for trial in planned[start : start + 5000])
    return folder


def test_tables_of_a_hundred_thousand_trials(benchmark, results) -> None:
    measurements = []

    def table() -> None:
        run = subprocess.run([sys.executable, "-c", PROGRAM, str(results)], capture_output=True, text=True, check=True)
        measurements.append(json.loads(run.stdout))

    benchmark.pedantic(table, rounds=3)
    assert (measurements[0]["trials"], measurements[0]["scores"], measurements[0]["torch"]) == (100_000, 600_000, False)
    seconds, gigabytes = (statistics.median(each[name] for each in measurements) for name in ("seconds", "bytes"))
    benchmark.extra_info.update(cpu_seconds=[each["seconds"] for each in measurements], gigabytes=gigabytes / 2**30)
    assert seconds < SECONDS
    assert gigabytes / 2**30 < GIGABYTES
