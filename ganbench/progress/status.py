"""The status of a run and its words, shown by the live display and by a watcher in another terminal."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import psutil

SHOWN = 8
"""Running batches that are named, at most."""

FLOP_UNITS = ("", "K", "M", "G", "T", "P", "E", "Z", "Y")
"""Prefixes of units, each a thousand of the one before."""

SHORTFALLS = ("diverged", "failed", "timed-out")
"""The outcomes of trials that are counted and shown, the worst last."""


@dataclass(kw_only=True)
class Status:
    """The state of a run at one moment: trials, time, memory, successes, shortfalls and running batches.

    `share` is the share of the work that is done. `seconds_passed` and `seconds_left` are None where they are not
    known; `memory` is in bytes, of all processes of the run. `successes` and `totals` count trials by method under the
    first success rule, which is `rule`, over the time that `period` names. `shortfalls` counts trials by outcome.
    `running` are batches by their labels, with the share done (None: not known). `undecided`: the trials that report
    chosen configurations are not planned yet.
    """

    trials: int = 0
    done: int = 0
    share: float = 0.0
    seconds_passed: float | None = None
    seconds_left: float | None = None
    memory: int = 0
    rule: str = ""
    period: str = "so far"
    successes: Counter[str] = field(default_factory=Counter)
    totals: Counter[str] = field(default_factory=Counter)
    shortfalls: Counter[str] = field(default_factory=Counter)
    running: Sequence[tuple[str, float | None]] = ()
    undecided: bool = False

    def describe_progress(self) -> str:
        """Return the trials done, the time passed and left, and the memory in use, as far as they are known."""
        parts = [
            f"{self.done}/{self.trials} trials",
            *([f"{format_seconds(self.seconds_passed)} passed"] if self.seconds_passed is not None else []),
            *([f"{format_seconds(self.seconds_left)} left"] if self.seconds_left is not None else []),
            *([format_bytes(self.memory)] if self.memory else []),
        ]
        return ", ".join(parts)

    def describe_successes(self) -> str:
        """Return the successes of each method by the first rule, empty before any trial is counted."""
        counts = ", ".join(f"{method} {self.successes[method]}/{n}" for method, n in self.totals.items())
        return f"success ({self.rule}) {self.period}: {counts}" if counts else ""

    def describe_shortfalls(self) -> str:
        """Return the counts of trials that diverged, failed or timed out, empty where there are none."""
        counts = {name.replace("-", " "): self.shortfalls[name] for name in SHORTFALLS}
        return ", ".join(f"{count} {name}" for name, count in counts.items() if count)

    def describe_running(self) -> list[str]:
        """Return a line for each batch that runs now, SHOWN at most, and the number of the others."""
        lines = [label if share is None else f"{share:4.0%} {label}" for label, share in self.running[:SHOWN]]
        more = len(self.running) - len(lines)
        return [*lines, f"and {more} more"] if more > 0 else lines

    def describe(self) -> str:
        """Return the whole status on one line."""
        now = f"now: {' | '.join(line.strip() for line in self.describe_running())}" if self.running else ""
        parts = (self.describe_progress(), self.describe_shortfalls(), self.describe_successes(), now)
        return "; ".join(part for part in parts if part)


def format_seconds(seconds: float) -> str:
    """Return a span of time in its two largest units: 1h05m, 1m05s or 5s."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


def format_flops(count: float) -> str:
    """Return floating-point operations to three digits with their unit, as in 31.2 EFLOP."""
    thousands = min(len(FLOP_UNITS) - 1, max(0, int(math.log10(count)) // 3)) if count >= 1 else 0
    return f"{count / 1000**thousands:.3g} {FLOP_UNITS[thousands]}FLOP"


def format_bytes(count: int) -> str:
    """Return a number of bytes in GiB, or in MiB below one GiB."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def process_memory(process: int | None = None) -> int:
    """Return the bytes in memory of a process (by default this one) and its descendants; 0 if there is no such process.

    Pages that processes share count in each of them.
    """
    total = 0
    try:
        root = psutil.Process(process)
        family = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0
    for member in family:
        try:
            total += member.memory_info().rss
        except psutil.Error:  # this process has ended in the meantime
            continue
    return total
