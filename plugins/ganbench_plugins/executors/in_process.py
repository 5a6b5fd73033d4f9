"""Batches one after another in this process, for debugging and for offers that exist only in memory."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator

from ganbench import Batch, Event, Finished, Lost, Offer, Progress, Record, Started, hookimpl

Work = Callable[[Batch, Callable[[int, int], None]], Iterable[Record]]


def build() -> Callable[[Work, Iterable[Batch]], Iterator[Event]]:
    """Return `run`, which runs batches in the calling thread, where breakpoints, profilers and Ctrl-C reach training.

    The progress of a batch is reported after it has ended, because one thread cannot train and yield at the same time.
    """
    return run


def run(work: Work, batches: Iterable[Batch]) -> Iterator[Event]:
    """Yield each batch's events in order; an exception loses only its own batch, KeyboardInterrupt is not caught."""
    for batch in batches:
        yield Started(batch)
        yield from run_batch(work, batch)


def run_batch(work: Work, batch: Batch) -> list[Event]:
    """Do the work of a batch; return its progress events, then the event of its end."""
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
    yield Offer("in-process", build, "One batch after another in this process, where a debugger sees everything.")
