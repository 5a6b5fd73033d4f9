"""Processes that train the same trials, with their time, processor time and memory: the contenders of a benchmark.

The plain loop trains one trial after another, so some of its trials say what any number of them takes; `Loops` scales.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import psutil
from ganbench.runner.phases import available_cores

LOOP = Path(__file__).with_name("plain_loop.py")
LIBRARIES = ("OMP", "MKL", "OPENBLAS")
LOOKS = 0.01
"""The part of the time in which this process looks at the memory of the others: that is work for the system."""

CORES = available_cores()

PEAK = """
import time, torch
a, b, best = torch.randn(1024, 1024), torch.randn(1024, 1024), float("inf")
for _ in range(60):
    began = time.process_time()
    torch.mm(a, b)
    best = min(best, time.process_time() - began)
print(2 * 1024**3 / best)
"""


@dataclass(frozen=True)
class Usage:
    """What processes took from the start of the first to the end of the last: seconds, and bytes at the peak."""

    wall: float
    processor: float
    memory: float = 0.0


def make_environment(threads: int | None) -> dict[str, str]:
    """Return this process's environment with so many threads for each library; None: as many as it likes."""
    names = [f"{library}_NUM_THREADS" for library in LIBRARIES]
    kept = {name: value for name, value in os.environ.items() if name not in names}
    return kept if threads is None else kept | dict.fromkeys(names, str(threads))


SUBREAPER = 36
"""prctl's number for a process that gets the orphans of its children, so that their time is counted here."""


def adopt_orphans() -> None:
    """Let this process be the parent of what its children leave running: workers are no children of a command."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)


def wait_for_orphans() -> float:
    """Wait for every child that is left, and return their seconds of processor time."""
    processor = 0.0
    while True:
        try:
            _, _, usage = os.wait4(-1, 0)
        except ChildProcessError:
            return processor
        processor += usage.ru_utime + usage.ru_stime


def run_together(commands: Sequence[Sequence[Any]], threads: int | None) -> tuple[Usage, list[str]]:
    """Run these commands at the same time; give what they took, children included, and what each of them printed."""
    adopt_orphans()
    with ExitStack() as stack:
        outputs = [stack.enter_context(tempfile.TemporaryFile("w+")) for _ in commands]
        began, environment = time.perf_counter(), make_environment(threads)
        processes = [
            subprocess.Popen(list(map(str, words)), stdout=out, stderr=subprocess.STDOUT, env=environment)
            for words, out in zip(commands, outputs, strict=True)
        ]
        processor, memory = wait_for_all(processes)
        wall = time.perf_counter() - began
        processor += wait_for_orphans()
        texts = [(out.seek(0), out.read())[1] for out in outputs]
    for process, text in zip(processes, texts, strict=True):
        if process.returncode:
            raise SystemExit(f"{process.args} ended with status {process.returncode}:\n{text}")
    return Usage(wall, processor, memory), texts


def wait_for_all(processes: Iterable[subprocess.Popen[bytes]]) -> tuple[float, float]:
    """Wait until all have ended; give their seconds of processor time, and the bytes of all of them at the peak."""
    running = {process.pid: process for process in processes}
    processor = memory = next_look = 0.0
    while running:
        for pid, process in list(running.items()):
            ended, status, usage = os.wait4(pid, os.WNOHANG)
            if ended:
                process.returncode = os.waitstatus_to_exitcode(status)
                processor += usage.ru_utime + usage.ru_stime
                del running[pid]
        if (began := time.perf_counter()) > next_look:
            memory = max(memory, sum(map(count_bytes, running)))
            next_look = time.perf_counter() + (time.perf_counter() - began) / LOOKS
        time.sleep(0.02)
    return processor, memory


def count_bytes(pid: int) -> float:
    """Return the memory of a process and its children; what they share counts once, where the system can tell."""
    total = 0.0
    try:
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            info = process.memory_full_info()
            total += getattr(info, "pss", info.rss)
    except psutil.Error:  # it has ended meanwhile
        pass
    return total


def measure_peak(processes: int = 1) -> float:
    """Return the floating-point operations a second of so many processes that multiply matrices on one thread each."""
    _, texts = run_together([[sys.executable, "-c", PEAK]] * processes, threads=1)
    return sum(map(float, texts))


@dataclass(frozen=True)
class Loops:
    """What the plain loop took: to start a process, and for one trial of each network and method.

    With `apart`, each trial is a process of its own, and its time has the start in it.
    """

    start: Usage
    trials: dict[tuple[int, str], Usage]

    def scale(self, seeds: int, cores: int) -> Usage:
        """Return what so many seeds take on so many processes, the longest trials first, each on the first free one."""
        each = [usage for usage in self.trials.values() for _ in range(seeds)]
        ends = [0.0] * min(cores, len(each))
        for usage in sorted(each, key=lambda usage: usage.wall, reverse=True):
            ends[ends.index(min(ends))] += usage.wall
        processor = len(ends) * self.start.processor + sum(usage.processor for usage in each)
        return Usage(self.start.wall + max(ends), processor, self.start.memory)


def measure_loops(shares: Iterable[Sequence[Any]], threads: int | None) -> Loops:
    """Run the plain loop with each of these options at the same time; give its means."""
    usage, texts = run_together([[sys.executable, LOOP, *words] for words in shares], threads)
    lists = [json.loads(text.splitlines()[-1]) for text in texts]
    trials = average(trial for trials in lists for trial in trials)
    longest = max(sum(trial["wall"] for trial in trials) for trials in lists)
    processor = usage.processor - sum(trial["processor"] for trials in lists for trial in trials)
    return Loops(Usage(usage.wall - longest, processor / len(texts), usage.memory), trials)


def average(trials: Iterable[dict[str, Any]]) -> dict[tuple[int, str], Usage]:
    found: dict[tuple[int, str], list[dict[str, Any]]] = defaultdict(list)
    for trial in trials:
        found[trial["network"], trial["method"]].append(trial)
    return {
        key: Usage(mean(trial["wall"] for trial in some), mean(trial["processor"] for trial in some))
        for key, some in found.items()
    }


def measure_processes(options: Sequence[Any], methods: Sequence[str], at_once: int, threads: int | None) -> Loops:
    """Run a process for each trial, `at_once` of them at the same time; give the means of whole processes."""
    trials, memory = {}, 0.0
    for method in methods:
        words = [[sys.executable, LOOP, *options, "--methods", method, "--seeds", seed] for seed in range(at_once)]
        usage, _ = run_together(words, threads)
        trials[0, method] = Usage(usage.wall, usage.processor / at_once)
        memory = max(memory, usage.memory)
    return Loops(Usage(0.0, 0.0, memory), trials)


def run_ganbench(suite: Path, results: Path) -> Usage:
    """Run a suite by the command line, as a user would."""
    usage, _ = run_together([[sys.executable, "-m", "ganbench", "run", suite, "--results", results]], None)
    return usage
