"""Where a run's time goes, phase by phase: every moment counts in exactly one, so they sum to the wall's time."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TypeVar

from ganbench.api.records import Record

T = TypeVar("T")

PHASES = ("start", "plan", "calibrate", "train", "evaluate", "wait", "store", "tables", "other")
"""The phases in the order in which they are told; train and evaluate are this process's own work on batches."""


class PhaseTimer:
    """Counts the seconds of one phase at a time. `busy` are seconds of work on batches, wherever it was done.

    It begins in the phase "start", `age` seconds ago.
    """

    def __init__(self, age: float = 0.0, now: Callable[[], float] = monotonic) -> None:
        self.now = now
        self.since = now() - age
        self.current = "start"
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.busy: defaultdict[str, float] = defaultdict(float)

    def enter(self, phase: str) -> str:
        """Begin a phase; give the one that ends with it."""
        now, before = self.now(), self.current
        self.seconds[before] += now - self.since
        self.since, self.current = now, phase
        return before

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count what is done inside for this phase, and go back to the one before."""
        before = self.enter(name)
        try:
            yield
        finally:
            self.enter(before)

    def each(self, name: str, items: Iterable[T]) -> Iterator[T]:
        """Give the items; the time until each one comes counts for this phase."""
        iterator = iter(items)
        while True:
            with self.phase(name):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item

    def work(self, records: Iterable[Record]) -> None:
        """Take in what records tell of the time that they took."""
        for record in records:
            for phase, seconds in record.seconds.items():
                self.busy[phase] += seconds

    def lines(self, workers: int) -> list[str]:
        """Say where the time went until now; `workers` 0: the work on batches was done in this process."""
        self.enter(self.current)
        seconds = defaultdict(float, self.seconds)
        if not workers:
            for phase in ("train", "evaluate"):
                own = min(self.busy[phase], seconds["wait"])
                seconds[phase], seconds["wait"] = own, seconds["wait"] - own
        whole = sum(self.seconds.values())
        said = [f"profile: {whole:.2f} s by the wall"]
        said += [f"  {name:9} {seconds[name]:8.2f} s {seconds[name] / whole:6.1%}" for name in PHASES if seconds[name]]
        if workers and self.busy:
            train, evaluate = (self.busy[phase] / workers for phase in ("train", "evaluate"))
            share = f", {(train + evaluate) / seconds['wait']:.0%} of the wait" if seconds["wait"] else ""
            said.append(f"  {workers} workers, each busy {train:.2f} s training and {evaluate:.2f} s evaluating{share}")
        return said


def process_age() -> float:
    """Give the seconds since this process began; 0 where the system does not tell."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        up = float(Path("/proc/uptime").read_text().split()[0])
        return max(0.0, up - int(fields[19]) / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError):
        return 0.0


def available_cores() -> int:
    """Give the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
