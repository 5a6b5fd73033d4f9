"""One batch after another in this process: the debugger's mode, and the one for offers that exist in memory only."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator

from ganbench import Batch, Event, Finished, Lost, Offer, Progress, Record, Started, hookimpl

Work = Callable[[Batch, Callable[[int, int], None]], Iterable[Record]]


def build() -> Callable[[Work, Iterable[Batch]], Iterator[Event]]:
    """Run batches in the calling thread, so that breakpoints, profilers and Ctrl-C reach the training itself.

    A batch's progress comes when it has ended: one thread cannot train and yield at once.
    """
    return run


def run(work: Work, batches: Iterable[Batch]) -> Iterator[Event]:
    """Give each batch's events in order; an exception loses its batch alone, KeyboardInterrupt passes through."""
    for batch in batches:
        yield Started(batch)
        yield from attempt(work, batch)


def attempt(work: Work, batch: Batch) -> list[Event]:
    """Do the work; give its progress, then how it ended."""
    events: list[Event] = []

    def report(step: int, steps: int) -> None:
        events.append(Progress(batch, step, steps))

    try:
        events.append(Finished(batch, tuple(work(batch, report))))
    except Exception:
        events.append(Lost(batch, "failed", traceback.format_exc(limit=-8)))
    return events


@hookimpl
def ganbench_executors() -> Iterable[Offer]:
    """Offer the calling process itself."""
    yield Offer("in-process", build, "One batch after another in this process, where a debugger sees everything.")
