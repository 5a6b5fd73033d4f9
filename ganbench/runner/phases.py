"""Where a run's time goes: every moment counts in exactly one phase, so the phases sum to the wall time."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TypeVar

from ganbench.api.events import Event, Finished, Lost, Started
from ganbench.api.records import Record

T = TypeVar("T")

PHASES = ("start", "plan", "calibrate", "train", "evaluate", "wait", "store", "tables", "other")
"""The phases in the order in which they are printed; train and evaluate are work on batches in this process."""


class PhaseTimer:
    """Counts the seconds of a run, one phase at a time.

    `seconds` are by phase. `busy` are the seconds that records report as work on batches, in this process or in
    workers; `parts` are the seconds of their parts, where these were timed. `workers` is the largest number of batches
    that trained at a time. The timer begins in the phase "start", `age` seconds ago.
    """

    def __init__(self, age: float = 0.0, now: Callable[[], float] = monotonic) -> None:
        self.now = now
        self.since = now() - age
        self.current = "start"
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.busy: defaultdict[str, float] = defaultdict(float)
        self.parts: defaultdict[str, float] = defaultdict(float)
        self.running: set[str] = set()
        self.workers = 0

    def enter(self, phase: str) -> str:
        """Begin a phase and return the name of the phase that ends."""
        now, before = self.now(), self.current
        self.seconds[before] += now - self.since
        self.since, self.current = now, phase
        return before

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the time inside the context for this phase, then return to the phase before."""
        before = self.enter(name)
        try:
            yield
        finally:
            self.enter(before)

    def iterate(self, name: str, items: Iterable[T]) -> Iterator[T]:
        """Yield the items; the time until each item is ready counts for this phase."""
        iterator = iter(items)
        while True:
            with self.phase(name):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item

    def follow(self, event: Event) -> None:
        """Count an event of the executor: a batch that trains from now on, or one that has ended, with its work."""
        if isinstance(event, Started):
            self.running.add(event.batch.key)
            self.workers = max(self.workers, len(self.running))
        elif isinstance(event, Finished | Lost):
            self.running.discard(event.batch.key)
            self.add_work(event.records if isinstance(event, Finished) else ())

    def add_work(self, records: Iterable[Record]) -> None:
        """Add the seconds that records report to `busy`, and those of their fact `profile` to `parts`."""
        for record in records:
            for phase, seconds in record.seconds.items():
                self.busy[phase] += seconds
            for part, seconds in record.facts.get("profile", {}).items():
                self.parts[part] += seconds

    def lines(self, workers: int) -> list[str]:
        """Return the lines that `--profile` prints, up to now.

        With 0 `workers` this process did the work on batches, so `busy` is taken out of the phase "wait".
        """
        self.enter(self.current)
        seconds = defaultdict(float, self.seconds)
        if not workers:
            for phase in ("train", "evaluate"):
                busy = min(self.busy[phase], seconds["wait"])
                seconds[phase], seconds["wait"] = busy, seconds["wait"] - busy
        total = sum(self.seconds.values())
        lines = [f"profile: {total:.2f} s of wall time"]
        lines += [f"  {name:9} {seconds[name]:8.2f} s {seconds[name] / total:6.1%}" for name in PHASES if seconds[name]]
        if workers and self.busy:
            train, evaluate = (self.busy[phase] / workers for phase in ("train", "evaluate"))
            share = f", {(train + evaluate) / seconds['wait']:.0%} of the wait" if seconds["wait"] else ""
            lines.append(
                f"  per worker (mean of {workers}): {train:.2f} s training, {evaluate:.2f} s evaluating{share}"
            )
        return [*lines, *self.part_lines()]

    def part_lines(self) -> list[str]:
        """Return the line with the share of each part in the work on batches, if they were timed; most time first."""
        parts = dict(self.parts)
        train, evaluation = parts.pop("all of train", 0.0), parts.pop("all of evaluate", 0.0)
        if not (total := train + evaluation):
            return []
        parts |= {"evaluation": evaluation, "rest": train - sum(parts.values())}
        shares = sorted(parts.items(), key=lambda item: -item[1])
        return [f"  in work on batches: {', '.join(f'{name} {seconds / total:.1%}' for name, seconds in shares)}"]


def process_age() -> float:
    """Return the seconds since this process began, 0 where the system does not provide them."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        return max(0.0, uptime - int(fields[19]) / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError):
        return 0.0


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
