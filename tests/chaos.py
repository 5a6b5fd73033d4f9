"""Kill a run at random moments and start it again each time: no trial may be lost, and no result may differ.

    python tests/chaos.py --kills 200 --seed 0

Each round starts `ganbench run` on a small suite and, after a random time, kills its driver, one of its workers, or
the whole process group by SIGKILL. When a run comes to its end, its tables must be those of an undisturbed run; then
the results folder is deleted and the next run begins. Not collected by pytest; `make chaos` runs it.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pandas as pd
import psutil
from ganbench.report import choose_writer, make_tables
from ganbench.results.frames import Frames
from ganbench.results.store import read
from ganbench.suite.loading import restore

SUITE = """
question = "Does a killed run lose anything?"
seeds = 3
methods = ["ns-gan", "wgan-gp"]

[budget]
generator_steps = 120
batch_size = 16
snapshots = 6

[architectures]
space = "mlp"
options = { generator_width = 8, critic_width = 8 }

[[dataset]]
name = "ring"

[[dataset]]
name = "grid"

[measurement]
samples = 100

[[success]]
dataset = "ring"
metric = "modes"
thresholds = [4, 7]
primary = 7
allow_trivial = true
compare = [["ns-gan", "wgan-gp"]]
"""
VICTIMS = ("driver", "worker", "group")


def start(suite: Path, out: Path) -> subprocess.Popen[str]:
    """Start a run in a process group of its own that writes a checkpoint of every batch at every generator step."""
    words = [sys.executable, "-m", "ganbench", "run", str(suite), "--results", str(out), "--jobs", "2"]
    return subprocess.Popen(
        [*words, "--checkpoint", "0", "--retry", "failed"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def kill(run: subprocess.Popen[str], victim: str, out: Path, rng: random.Random) -> bool:
    """Kill the driver, one worker, or the group; return whether there was a process to kill."""
    try:
        if victim == "worker":
            logs = out.glob("log/worker-*.log")
            children = {child.pid for child in psutil.Process(run.pid).children()}
            workers = sorted(children & {int(log.stem.removeprefix("worker-")) for log in logs})
            if not workers:
                return False
            os.kill(rng.choice(workers), signal.SIGKILL)
        else:
            (os.killpg if victim == "group" else os.kill)(run.pid, signal.SIGKILL)
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False
    return True


def find_differences(actual: Frames, expected: Frames) -> list[str]:
    """Return the differences of two results, wall times and the history of runs left out."""
    differences = []
    statuses, expected_statuses = (Counter(frames.trials["status"]) for frames in (actual, expected))
    if statuses != expected_statuses:
        differences.append(f"statuses {dict(statuses)}, not {dict(expected_statuses)}")
    for name, by in (("scores", ["key", "name", "step", "fresh"]), ("signals", ["key", "name", "step"])):
        left, right = (getattr(frames, name).sort_values(by, ignore_index=True) for frames in (actual, expected))
        try:
            pd.testing.assert_frame_equal(left, right, check_exact=True)
        except AssertionError as error:
            differences.append(f"{name}: {str(error).splitlines()[0]}")
    if write_page(actual) != write_page(expected):
        differences.append(f"tables:\n{write_page(actual)}")
    return differences


def write_page(frames: Frames) -> str:
    """Return all tables as text, with the same wall time for every trial."""
    timeless = frames.trials.assign(seconds_train=1.0, seconds_evaluate=1.0)
    tables = make_tables(replace(frames, trials=timeless), restore(frames.suite).success)
    return str(choose_writer("md").page(tables))


def run_undisturbed(suite: Path, out: Path) -> tuple[Frames, float]:
    """Run the suite without kills; return its results and its seconds of wall time. Raises SystemExit if it fails."""
    began = time.monotonic()
    run = start(suite, out)
    output = run.communicate()[0]
    if run.returncode:
        raise SystemExit(f"the undisturbed run failed:\n{output}")
    return read(out), time.monotonic() - began


def kill_runs(kills: int, seed: int, folder: Path) -> int:
    """Kill runs `kills` times; return how many completed runs differ from an undisturbed one, plus the lost trials."""
    rng, counts, differing, completed = random.Random(seed), Counter[str](), 0, 0
    suite, out = folder / "chaos.toml", folder / "killed"
    suite.write_text(SUITE)
    began = time.monotonic()
    expected, seconds = run_undisturbed(suite, folder / "undisturbed")
    print_line(f"undisturbed: {len(expected.trials)} trials in {seconds:.1f} s; now {kills} kills, seed {seed}")
    while True:
        run, last = start(suite, out), counts.total() >= kills
        while not last and run.poll() is None:
            delay, victim = rng.uniform(0, seconds), rng.choice(VICTIMS)
            try:
                run.wait(delay)
            except subprocess.TimeoutExpired:
                if kill(run, victim, out, rng):
                    counts[victim] += 1
                    print_line(f"  {counts.total()}: {victim} killed after {delay:.1f} s")
                last = counts.total() >= kills
        output = run.communicate()[0]
        if run.returncode < 0 or (run.returncode == 1 and "--retry" in output):
            continue  # killed; or two workers of a batch were, so its trials are failed and the next run retries them
        completed += 1
        failure = [f"exit code {run.returncode}:\n{output}"]
        differences = find_differences(read(out), expected) if run.returncode == 0 else failure
        differing += bool(differences)
        outcome = "; ".join(differences) or "the same tables"
        print_line(f"{counts.total()} kills ({list_victims(counts)}), completed run {completed}: {outcome}")
        if counts.total() >= kills:
            break
        shutil.rmtree(out)
    lost = len(expected.trials) - int((read(out).trials["status"] == "completed").sum())
    print_line(f"{counts.total()} kills ({list_victims(counts)}) in {time.monotonic() - began:.0f} s")
    print_line(f"{completed} completed runs, {differing} of them differ from the undisturbed run; {lost} trials lost")
    return differing + lost


def list_victims(counts: Counter[str]) -> str:
    """Return how often each kind of process was killed, as text."""
    return ", ".join(f"{victim} {counts[victim]}" for victim in VICTIMS)


def print_line(text: str) -> None:
    """Print a line at once, not when the buffer is full."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    """Read the command line and kill runs in a temporary folder; return the exit code, 0 if nothing differs."""
    parser = argparse.ArgumentParser(description="Kill runs at random moments; no trial may be lost.")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ganbench-chaos-") as folder:
        return int(kill_runs(options.kills, options.seed, Path(folder)) > 0)


if __name__ == "__main__":
    sys.exit(main())
