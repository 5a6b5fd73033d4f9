"""Kill a run at random moments and start it again each time: no trial may be lost, and no result may differ.

    python tests/chaos.py --kills 200 --seed 0
    python tests/chaos.py --kills 100 --executor ray

Each round starts `ganbench run` on a small suite and, after a random time, kills its driver, one of its workers, or
the whole process group by SIGKILL; with Ray, its driver, the process that talks to Ray, a worker on a node, or one of
two nodes of a cluster on this machine, in whose place another one comes. When a run comes to its end, its tables must
be those of an undisturbed run; then the results folder is deleted and the next run begins. Not collected by pytest;
`make chaos` runs it.
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
from collections.abc import Collection
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
GOES_ON = ("--retry", "The same command goes on", "the same command goes on")
"""What the output of a run says that was not completed, but that goes on when it is started again."""


class Local:
    """Runs in two workers of this machine."""

    words = ("--jobs", "2")
    victims = ("driver", "worker", "group")

    def kill(self, run: subprocess.Popen[str], victim: str, out: Path, rng: random.Random) -> bool:
        """Kill the driver, one worker, or the group; return whether there was a process to kill."""
        if victim == "worker":
            logs = out.glob("log/worker-*.log")
            children = {child.pid for child in psutil.Process(run.pid).children(recursive=True)}
            return kill_one(children & {int(log.stem.removeprefix("worker-")) for log in logs}, rng)
        (os.killpg if victim == "group" else os.kill)(run.pid, signal.SIGKILL)
        return True

    def stop(self) -> None:
        """Stop nothing: workers end with their driver."""


class OnRay:
    """Runs on a Ray cluster of two nodes on this machine, beside a head that trains nothing."""

    victims = ("driver", "bridge", "worker", "node")

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        self.nodes = [self.cluster.add_node(num_cpus=1) for _ in range(2)]
        self.words = ("--executor", "ray", "--executor-option", f"address={self.cluster.address}")

    def kill(self, run: subprocess.Popen[str], victim: str, out: Path, rng: random.Random) -> bool:
        """Kill the driver, the process that talks to Ray, a worker, or a node; return whether there was one."""
        if victim == "node":
            self.cluster.remove_node(self.nodes.pop(rng.randrange(2)), allow_graceful=False)
            self.nodes.append(self.cluster.add_node(num_cpus=1))
            return True
        if victim == "worker":
            processes = psutil.Process().children(recursive=True)
            carriers = {process.pid for process in processes if process.name().startswith("ray::")}
            workers = {process.pid for process in processes if process.ppid() in carriers}
            return kill_one(workers, rng)
        if victim == "bridge":
            logs = {int(log.stem.removeprefix("worker-ray-")) for log in out.glob("log/worker-ray-*.log")}
            return kill_one(logs & {child.pid for child in psutil.Process(run.pid).children(recursive=True)}, rng)
        os.kill(run.pid, signal.SIGKILL)
        return True

    def stop(self) -> None:
        """Stop the cluster."""
        self.cluster.shutdown()


def kill_one(processes: set[int], rng: random.Random) -> bool:
    """Kill one of these processes; return False if there is none."""
    if processes:
        os.kill(rng.choice(sorted(processes)), signal.SIGKILL)
    return bool(processes)


def start(suite: Path, out: Path, place: Local | OnRay) -> subprocess.Popen[str]:
    """Start a run in a process group of its own that writes a checkpoint of every batch at every generator step."""
    words = [sys.executable, "-m", "ganbench", "run", str(suite), "--results", str(out), *place.words]
    return subprocess.Popen(
        [*words, "--checkpoint", "0", "--retry", "failed"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def kill(run: subprocess.Popen[str], victim: str, out: Path, rng: random.Random, place: Local | OnRay) -> bool:
    """Kill a process of a run, or a node; return whether there was one to kill."""
    try:
        return place.kill(run, victim, out, rng)
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False


def find_halved(actual: Frames, expected: Frames) -> set[str]:
    """Return the keys of trials whose batch was trained in halves, as where both of its workers were killed.

    To a run that looks as if memory had run out. Seeds that train with fewer others end with other numbers.
    """
    members, wanted = (frames.trials.set_index("key")["members"] for frames in (actual, expected))
    return set(wanted.index[members.reindex(wanted.index) != wanted])


def find_differences(actual: Frames, expected: Frames, halved: Collection[str] = ()) -> list[str]:
    """Return the differences of two results, wall times and the history of runs left out.

    Of trials that were `halved` only the statuses are compared, and tables only where there are none.
    """
    differences = []
    statuses, expected_statuses = (Counter(frames.trials["status"]) for frames in (actual, expected))
    if statuses != expected_statuses:
        differences.append(f"statuses {dict(statuses)}, not {dict(expected_statuses)}")
    for name, by in (("scores", ["key", "name", "step", "fresh"]), ("signals", ["key", "name", "step"])):
        tables = (getattr(frames, name) for frames in (actual, expected))
        left, right = (table[~table["key"].isin(halved)].sort_values(by, ignore_index=True) for table in tables)
        try:
            pd.testing.assert_frame_equal(left, right, check_exact=True)
        except AssertionError as error:
            differences.append(f"{name}: {str(error).splitlines()[0]}")
    if not halved and write_page(actual) != write_page(expected):
        differences.append(f"tables:\n{write_page(actual)}")
    return differences


def write_page(frames: Frames) -> str:
    """Return all tables as text, with the same wall time for every trial."""
    timeless = frames.trials.assign(seconds_train=1.0, seconds_evaluate=1.0)
    tables = make_tables(replace(frames, trials=timeless), restore(frames.suite).success)
    return str(choose_writer("md").page(tables))


def run_undisturbed(suite: Path, out: Path, place: Local | OnRay) -> tuple[Frames, float]:
    """Run the suite without kills; return its results and its seconds of wall time. Raises SystemExit if it fails."""
    began = time.monotonic()
    run = start(suite, out, place)
    output = run.communicate()[0]
    if run.returncode:
        raise SystemExit(f"the undisturbed run failed:\n{output}")
    return read(out), time.monotonic() - began


def kill_runs(kills: int, seed: int, folder: Path, place: Local | OnRay) -> int:
    """Kill runs `kills` times; return how many completed runs differ from an undisturbed one, plus the lost trials."""
    rng, counts, differing, completed = random.Random(seed), Counter[str](), 0, 0
    suite, out = folder / "chaos.toml", folder / "killed"
    suite.write_text(SUITE)
    began = time.monotonic()
    expected, seconds = run_undisturbed(suite, folder / "undisturbed", place)
    print_line(f"undisturbed: {len(expected.trials)} trials in {seconds:.1f} s; now {kills} kills, seed {seed}")
    while True:
        run, last = start(suite, out, place), counts.total() >= kills
        while not last and run.poll() is None:
            delay, victim = rng.uniform(0, seconds), rng.choice(place.victims)
            try:
                run.wait(delay)
            except subprocess.TimeoutExpired:
                if kill(run, victim, out, rng, place):
                    counts[victim] += 1
                    print_line(f"  {counts.total()}: {victim} killed after {delay:.1f} s")
                last = counts.total() >= kills
        output = run.communicate()[0]
        if run.returncode < 0 or (run.returncode == 1 and any(words in output for words in GOES_ON)):
            continue  # killed; or two workers of a batch were, so its trials are failed and the next run retries them
        completed += 1
        if run.returncode:
            differences, same = [f"exit code {run.returncode}:\n{output}"], ""
        else:
            halved = find_halved(read(out), expected)
            differences = find_differences(read(out), expected, halved)
            same = f"the same but for {len(halved)} trials, which trained in halves" if halved else "the same tables"
        differing += bool(differences)
        outcome = "; ".join(differences) or same
        print_line(f"{counts.total()} kills ({list_victims(counts, place)}), completed run {completed}: {outcome}")
        if counts.total() >= kills:
            break
        shutil.rmtree(out)
    lost = len(expected.trials) - int((read(out).trials["status"] == "completed").sum())
    print_line(f"{counts.total()} kills ({list_victims(counts, place)}) in {time.monotonic() - began:.0f} s")
    print_line(f"{completed} completed runs, {differing} of them differ from the undisturbed run; {lost} trials lost")
    return differing + lost


def list_victims(counts: Counter[str], place: Local | OnRay) -> str:
    """Return how often each kind of process was killed, as text."""
    return ", ".join(f"{victim} {counts[victim]}" for victim in place.victims)


def print_line(text: str) -> None:
    """Print a line at once, not when the buffer is full."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    """Read the command line and kill runs in a temporary folder; return the exit code, 0 if nothing differs."""
    parser = argparse.ArgumentParser(description="Kill runs at random moments; no trial may be lost.")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--executor", choices=("local", "ray"), default="local")
    options = parser.parse_args()
    place = OnRay() if options.executor == "ray" else Local()
    try:
        with tempfile.TemporaryDirectory(prefix="ganbench-chaos-") as folder:
            return int(kill_runs(options.kills, options.seed, Path(folder), place) > 0)
    finally:
        place.stop()


if __name__ == "__main__":
    sys.exit(main())
