"""Kills a run again and again at random, and starts it anew each time: nothing may be lost, and nothing may differ.

    python tests/chaos.py --kills 200 --seed 0

Each round starts `ganbench run` on a small suite and, after a random while, kills its driver, one of its workers, or
the whole process group by SIGKILL. When a run comes to its end, its tables must be those of an undisturbed run; then
the folder is thrown away and the next begins. Not collected by pytest; `make chaos` runs it.
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
question = "What survives?"
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
    """Start a run in a process group of its own, keeping every batch at every snapshot."""
    words = [sys.executable, "-m", "ganbench.cli", "run", str(suite), "--out", str(out), "--jobs", "2"]
    return subprocess.Popen(
        [*words, "--checkpoint", "0", "--retry", "failed"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def kill(run: subprocess.Popen[str], victim: str, out: Path, rng: random.Random) -> bool:
    """Kill the driver, one worker, or the group; say whether there was anybody to kill."""
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


def differences(found: Frames, wanted: Frames) -> list[str]:
    """Say in what two results differ, but for wall times and the history of how they came about."""
    said = []
    if (statuses := Counter(found.trials["status"])) != (all_ok := Counter(wanted.trials["status"])):
        said.append(f"statuses {dict(statuses)}, not {dict(all_ok)}")
    for name, by in (("scores", ["key", "name", "step", "fresh"]), ("signals", ["key", "name", "step"])):
        one, other = (getattr(each, name).sort_values(by, ignore_index=True) for each in (found, wanted))
        try:
            pd.testing.assert_frame_equal(one, other, check_exact=True)
        except AssertionError as error:
            said.append(f"{name}: {str(error).splitlines()[0]}")
    if page(found) != page(wanted):
        said.append(f"tables:\n{page(found)}")
    return said


def page(frames: Frames) -> str:
    """Give all tables as text, as if nothing had taken any time."""
    timeless = frames.trials.assign(seconds_train=1.0, seconds_evaluate=1.0)
    tables = make_tables(replace(frames, trials=timeless), restore(frames.suite).success)
    return str(choose_writer("md").page(tables))


def chaos(kills: int, seed: int, folder: Path) -> int:
    """Kill so many times; give how many runs ended otherwise than an undisturbed one."""
    rng, counts, wrong, ends = random.Random(seed), Counter[str](), 0, 0
    suite = folder / "chaos.toml"
    suite.write_text(SUITE)
    began = time.monotonic()
    calm = start(suite, folder / "calm")
    said = calm.communicate()[0]
    if calm.returncode:
        raise SystemExit(f"the undisturbed run failed:\n{said}")
    whole, wanted, out = time.monotonic() - began, read(folder / "calm"), folder / "shaken"
    say(f"undisturbed: {len(wanted.trials)} trials in {whole:.1f} s; now {kills} kills, seed {seed}")
    while True:
        run, last = start(suite, out), counts.total() >= kills
        while not last and run.poll() is None:
            after, victim = rng.uniform(0, whole), rng.choice(VICTIMS)
            try:
                run.wait(after)
            except subprocess.TimeoutExpired:
                if kill(run, victim, out, rng):
                    counts[victim] += 1
                    say(f"  {counts.total()}: {victim} killed after {after:.1f} s")
                last = counts.total() >= kills
        said = run.communicate()[0]
        if run.returncode < 0 or (run.returncode == 1 and "--retry" in said):
            continue  # killed; or both workers of a batch were, and then it is a failed row that is trained again
        ends += 1
        found = differences(read(out), wanted) if run.returncode == 0 else [f"exit code {run.returncode}:\n{said}"]
        wrong += bool(found)
        say(f"{counts.total()} kills ({told(counts)}), end {ends}: {'; '.join(found) or 'the same tables'}")
        if counts.total() >= kills:
            break
        shutil.rmtree(out)
    lost = len(wanted.trials) - int((read(out).trials["status"] == "completed").sum())
    say(f"{counts.total()} kills ({told(counts)}) in {time.monotonic() - began:.0f} s: {ends} runs came to an end, ")
    say(f"{wrong} of them with other tables than the undisturbed one; {lost} trials lost at the last")
    return wrong + lost


def told(counts: Counter[str]) -> str:
    """Say how often each was killed."""
    return ", ".join(f"{victim} {counts[victim]}" for victim in VICTIMS)


def say(text: str) -> None:
    """Print at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    """Read the command line, kill, and clean up."""
    options = argparse.ArgumentParser(description="Kill runs at random; nothing may be lost.")
    options.add_argument("--kills", type=int, default=200)
    options.add_argument("--seed", type=int, default=0)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="ganbench-chaos-") as folder:
        return int(chaos(asked.kills, asked.seed, Path(folder)) > 0)


if __name__ == "__main__":
    sys.exit(main())
