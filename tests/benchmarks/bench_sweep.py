"""A sweep of sixteen configurations x two seeds as one stacked program, against the ways to train it one by one.

    make bench

WGAN-GP on the ring, four learning rates x four weights of the penalty. Whole processes by the wall clock, the four
contenders in turns in every round: (a) the plain loop, one trial after another, with torch's default threads; (b) the
plain loop with one thread in a process per core, the rates shared out; (c) `ganbench run` with a batch for each
configuration, as separate methods trained before configurations shared a stack; (d) `ganbench run` of the sweep. The
line printed gives the medians of the rounds' ratios. What pytest-benchmark shows is (d).
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

from tests.benchmarks.plain_loop import __file__ as LOOP

RATES, WEIGHTS, SEEDS = [1e-4, 3e-4, 1e-3, 3e-3], [0.1, 1.0, 10.0, 100.0], 2
STEPS, ROUNDS = 600, 1
SUITE = f"""
question = "How long does it take?"
seeds = {SEEDS}
[budget]
generator_steps = {STEPS}
snapshots = 1
[[method]]
name = "wgan-gp"
vary = {{ "optimizer.lr" = {RATES}, "constraints.gradient-penalty.weight" = {WEIGHTS} }}
[[dataset]]
name = "ring"
metrics = ["modes"]
"""
STACKED = [sys.executable, "-m", "ganbench"]
APART = [
    *(sys.executable, "-c"),
    "import sys; from ganbench.plan import batches; from ganbench.cli import main; "
    "batches.shared_program = lambda trial, _: trial.recipe.plain; main()",
]


def loop(rates: list[float], threads: int | None = None) -> subprocess.Popen[bytes]:
    """Start the plain loop over these learning rates in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    if threads is not None:
        environment["OMP_NUM_THREADS"] = str(threads)
    words = ["--methods", "wgan-gp", "--seeds", *range(SEEDS), "--steps", STEPS, "--rates", *rates]
    return subprocess.Popen([sys.executable, LOOP, *map(str, words), "--weights", *map(str, WEIGHTS)], env=environment)


def seconds(processes: list[subprocess.Popen[bytes]], began: float) -> float:
    """Wait until all have ended well; give the seconds since they began."""
    assert [process.wait() for process in processes] == [0] * len(processes)
    return time.perf_counter() - began


def test_a_sweep(benchmark, tmp_path: Path, capsys) -> None:
    cores, taken = os.cpu_count() or 1, {name: list[float]() for name in "abcd"}
    suite = tmp_path / "sweep.toml"
    suite.write_text(SUITE)
    folders = (str(tmp_path / f"results-{i}") for i in count())

    def run(name: str, program: list[str]) -> None:
        began = time.perf_counter()
        words = [*program, "run", str(suite), "--results", next(folders)]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        taken[name].append(seconds([process], began))

    def others() -> None:
        began = time.perf_counter()
        taken["a"].append(seconds([loop(RATES)], began))
        began = time.perf_counter()
        shares = [RATES[core::cores] for core in range(min(cores, len(RATES)))]
        taken["b"].append(seconds([loop(share, threads=1) for share in shares], began))
        run("c", APART)

    benchmark.group = f"wgan-gp 3x64, {len(RATES) * len(WEIGHTS)} configurations x {SEEDS} seeds, {STEPS} steps"
    benchmark.pedantic(lambda: run("d", STACKED), setup=others, rounds=ROUNDS)
    ratios = {name: statistics.median(x / d for x, d in zip(taken[name], taken["d"], strict=True)) for name in "abc"}
    benchmark.extra_info |= {"seconds": taken, "ratios": ratios}
    with capsys.disabled():
        times = ", ".join(f"({name}) {' '.join(f'{s:.1f}' for s in taken[name])} s" for name in taken)
        shown = ", ".join(f"({name})/(d) {ratio:.2f}" for name, ratio in ratios.items())
        sys.stderr.write(f"\n{benchmark.group}: {times}; {shown}\n")
