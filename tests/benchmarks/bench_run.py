"""The whole of `ganbench run`, start-up, calibration and evaluation included, against the loop a user would write.

    make bench

Sixteen seeds of ns-gan and wgan-gp on the ring, the three contenders in turns in every round, whole processes by the
wall clock: (a) the plain loop, one trial after another, with torch's default threads; (b) the plain loop with one
thread in as many processes as there are cores, the seeds shared out; (c) `ganbench run`. The line printed gives the
medians of the rounds' ratios. What pytest-benchmark shows is (c).
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import pytest

METHODS, SEEDS, ROUNDS = ["ns-gan", "wgan-gp"], 16, 2
LOOP = Path(__file__).with_name("plain_loop.py")
SUITE = """
question = "How long does it take?"
seeds = {seeds}
methods = {methods}
[budget]
generator_steps = {steps}
batch_size = {rows}
snapshots = 1
[architectures]
space = "mlp"
[architectures.options]
generator_width = {width}
critic_width = {width}
[[dataset]]
name = "ring"
"""


def loop(seeds: range, steps: int, width: int, rows: int, threads: int | None = None) -> subprocess.Popen[bytes]:
    """Start the plain loop in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    if threads is not None:
        environment["OMP_NUM_THREADS"] = str(threads)
    words = ["--methods", *METHODS, "--seeds", *map(str, seeds), "--steps", steps, "--width", width, "--rows", rows]
    return subprocess.Popen([sys.executable, str(LOOP), *map(str, words)], env=environment)


def seconds(processes: list[subprocess.Popen[bytes]], began: float) -> float:
    """Wait until all have ended well; give the seconds since they began."""
    assert [process.wait() for process in processes] == [0] * len(processes)
    return time.perf_counter() - began


@pytest.mark.parametrize(("width", "rows", "steps"), [(64, 64, 500), (256, 256, 50)], ids=["3x64", "3x256"])
def test_a_whole_run(benchmark, tmp_path: Path, width: int, rows: int, steps: int, capsys) -> None:
    cores, taken = os.cpu_count() or 1, {"a": [], "b": [], "c": []}
    suite = tmp_path / "bench.toml"
    suite.write_text(SUITE.format(seeds=SEEDS, methods=METHODS, steps=steps, rows=rows, width=width))
    folders = (str(tmp_path / f"results-{i}") for i in count())

    def by_hand() -> None:
        began = time.perf_counter()
        taken["a"].append(seconds([loop(range(SEEDS), steps, width, rows)], began))
        began = time.perf_counter()
        shares = [range(core, SEEDS, cores) for core in range(cores)]
        taken["b"].append(seconds([loop(share, steps, width, rows, threads=1) for share in shares], began))

    def run() -> None:
        began = time.perf_counter()
        words = [sys.executable, "-m", "ganbench", "run", str(suite), "--results", next(folders)]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        taken["c"].append(seconds([process], began))

    benchmark.group = f"3x{width}, batch {rows}, {steps} generator steps"
    benchmark.pedantic(run, setup=by_hand, rounds=ROUNDS)
    ratios = {name: statistics.median(x / c for x, c in zip(taken[name], taken["c"], strict=True)) for name in "ab"}
    benchmark.extra_info |= {"seconds": taken, "ratios": ratios}
    with capsys.disabled():
        times = ", ".join(f"({name}) {' '.join(f'{s:.1f}' for s in taken[name])} s" for name in taken)
        sys.stderr.write(f"\n{benchmark.group}: {times}; (a)/(c) {ratios['a']:.2f}, (b)/(c) {ratios['b']:.2f}\n")
