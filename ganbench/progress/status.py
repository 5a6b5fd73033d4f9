"""Where a run stands, in words: what the live screen and a watcher in another terminal both say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import psutil

SHOWN = 8
"""Batches named as running, at most."""

ENDED = ("diverged", "failed", "timed-out")
"""The outcomes that are told, worst last."""


@dataclass(kw_only=True)
class Status:
    """How far a run is. `won` and `tried` count trials by method, under the first success rule, which is `rule`, and as
    long as `since` says.

    `left` and `passed` are seconds, None where nothing is known; `memory` bytes of all its processes. `running` are
    batches by their labels, with the share done (None: not known).
    """

    trials: int = 0
    done: int = 0
    since: str = "so far"
    share: float = 0.0
    passed: float | None = None
    left: float | None = None
    memory: int = 0
    rule: str = ""
    won: Counter[str] = field(default_factory=Counter)
    tried: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    running: Sequence[tuple[str, float | None]] = ()

    def headline(self) -> str:
        """Say how far it is, how long it still takes, and in how much memory."""
        parts = [
            f"{self.done}/{self.trials} trials",
            *([f"{format_seconds(self.passed)} passed"] if self.passed is not None else []),
            *([f"{format_seconds(self.left)} left"] if self.left is not None else []),
            *([format_bytes(self.memory)] if self.memory else []),
        ]
        return ", ".join(parts)

    def standing(self) -> str:
        """Say who succeeded so far."""
        counts = ", ".join(f"{method} {self.won[method]}/{n}" for method, n in self.tried.items())
        return f"success ({self.rule}) {self.since}: {counts}" if counts else ""

    def outcomes(self) -> str:
        """Say what went wrong so far."""
        return ", ".join(f"{self.ended[name]} {name}" for name in ENDED if self.ended[name])

    def at_work(self) -> list[str]:
        """Name what runs now, a line for each batch."""
        lines = [label if share is None else f"{share:4.0%} {label}" for label, share in self.running[:SHOWN]]
        more = len(self.running) - len(lines)
        return [*lines, f"and {more} more"] if more > 0 else lines

    def line(self) -> str:
        """Say it all on one line."""
        now = f"now: {' | '.join(part.strip() for part in self.at_work())}" if self.running else ""
        return "; ".join(part for part in (self.headline(), self.outcomes(), self.standing(), now) if part)


def format_seconds(seconds: float) -> str:
    """Give a span of time as people say it."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


def format_bytes(count: int) -> str:
    """Give a number of bytes as people say it."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def process_memory(process: int | None = None) -> int:
    """Give the bytes that a process (this one) and its descendants hold in memory, shared pages counted in each."""
    found = 0
    try:
        root = psutil.Process(process)
        family = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0
    for each in family:
        try:
            found += each.memory_info().rss
        except psutil.Error:  # ended meanwhile
            continue
    return found
