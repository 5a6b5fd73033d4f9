"""What a generator step of all seeds costs in ganbench, and in JAX: jit(vmap(scan)) of the same game.

    make bench-jax
    python -m tests.benchmarks.bench_jax --methods wgan-gp --rounds 20

JAX is installed into an environment of its own, build/jax, the first time (100 MB). Both contenders are processes with
one thread on one core, and train a block of steps in turns (`ganbench_steps.py`, `jax_steps.py`: 3x64, batch 64, 16
seeds on the ring by default). So a block's processor time has no start-up, compilation and recording in it. ganbench
keeps the signals of 200 points of 10,000 steps and compares replays meanwhile, as it always does; JAX keeps nothing.

The table has medians over rounds, in ms of processor time, and the median of the rounds' ratios, with their quartiles.
"threads" is processor time over wall time: more than 1 would be more than one thread, less than 1 a shared core.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any

REPOSITORY = Path(__file__).parents[2]
ENVIRONMENT = REPOSITORY / "build" / "jax"
THREADS = ("OMP", "MKL", "OPENBLAS")
Numbers = dict[str, float]


def make_environment(folder: Path) -> Path:
    """Return the Python of an environment with JAX, which is made if it is not there."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (folder / "complete").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-I", "-m", "pip", "install", "-q", "jax"], check=True)
        (folder / "complete").touch()
    return python


class Contender:
    """A process that trains a block of steps whenever it is asked to; `first` is what it said at its start."""

    def __init__(self, words: Sequence[Any]) -> None:
        environment = os.environ | {f"{name}_NUM_THREADS": "1" for name in THREADS}
        self.process = subprocess.Popen(
            [str(word) for word in words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            env=environment,
        )
        self.first = self.read()

    def read(self) -> Numbers:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.process.args} ended with status {self.process.wait()}")
        return json.loads(line)

    def train(self) -> Numbers:
        """Train one block; give its seconds by the wall and of the processor."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.read()

    def end(self) -> None:
        self.process.stdin.close()
        if self.process.wait():
            raise SystemExit(f"{self.process.args} ended with status {self.process.returncode}")


def compare(method: str, asked: argparse.Namespace, python: Path) -> dict[str, Any]:
    """Return what the steps of a method take in both, in turns."""
    options = [f"--{name}={getattr(asked, name)}" for name in ("seeds", "width", "rows", "steps")]
    ours = Contender([sys.executable, "-m", "tests.benchmarks.ganbench_steps", method, *options])
    theirs = Contender([python, "-I", Path(__file__).with_name("jax_steps.py"), method, *options])
    for contender in (ours, theirs):
        contender.train()  # the first block touches memory for the first time
    rounds = [(ours.train(), theirs.train()) for _ in range(asked.rounds)]
    for contender in (ours, theirs):
        contender.end()
    ratios = [a["processor"] / b["processor"] for a, b in rounds]
    sides = {"ganbench": [a for a, _ in rounds], "jax": [b for _, b in rounds]}
    return {
        "method": method,
        "compile_s": theirs.first["compile"],
        "ratio": median(ratios),
        "quartiles": quantiles(ratios, n=4)[::2],
        "ms": {name: [1000 * each["processor"] / asked.steps for each in side] for name, side in sides.items()},
        "threads": {name: median(each["processor"] / each["wall"] for each in side) for name, side in sides.items()},
    }


def format_row(row: dict[str, Any]) -> str:
    ours, theirs = (median(row["ms"][name]) for name in ("ganbench", "jax"))
    low, high = row["quartiles"]
    return (
        f"| {row['method']} | {ours:.2f} | {theirs:.2f} | {row['ratio']:.2f} ({low:.2f} to {high:.2f}) "
        f"| {row['compile_s']:.1f} | {row['threads']['ganbench']:.2f} / {row['threads']['jax']:.2f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=["ns-gan", "wgan-gp"])
    for name, number in {"seeds": 16, "width": 64, "rows": 64, "steps": 50, "rounds": 12}.items():
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--environment", type=Path, default=ENVIRONMENT, help="the folder of JAX's environment")
    parser.add_argument("--json", type=Path, help="a file for all figures")
    asked = parser.parse_args()
    python = make_environment(asked.environment)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # both inherit it
    write = sys.stdout.write
    write(f"3x{asked.width}, batch {asked.rows}, {asked.seeds} seeds; ms of processor time for a step of all seeds\n\n")
    write("| method | ganbench | JAX | ganbench / JAX | JAX compiles, CPU s | threads |\n|---|---|---|---|---|---|\n")
    rows = []
    for method in asked.methods:
        rows.append(compare(method, asked, python))
        write(format_row(rows[-1]) + "\n")
        sys.stdout.flush()
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
