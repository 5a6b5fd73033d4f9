"""Batches one after another in this process, for debugging and for offers that exist only in memory."""

from __future__ import annotations

import signal
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

from ganbench import Batch, Event, Finished, Lost, Offer, Progress, Started, hookimpl

from ganbench_plugins.executors.tasks import WorkOnBatch


def build() -> Callable[[WorkOnBatch, Iterable[Batch]], Iterator[Event]]:
    """Return `run`, which runs batches in the calling thread, where breakpoints, profilers and Ctrl-C reach training.

    The progress of a batch is reported after it has ended, because one thread cannot train and yield at the same time.
    """
    return run


def run(work: WorkOnBatch, batches: Iterable[Batch]) -> Iterator[Event]:
    """Yield each batch's events in order; what its work raises loses only its own batch; Ctrl-C ends the run."""
    for batch in batches:
        yield Started(batch)
        yield from run_batch(work, batch)


def run_batch(work: WorkOnBatch, batch: Batch) -> list[Event]:
    """Do the work of a batch; return its progress events, then the event of its end."""
    events: list[Event] = []

    def report(step: int, steps: int) -> None:
        events.append(Progress(batch, step, steps))

    with note_signals() as signals:
        try:
            events.append(Finished(batch, tuple(work(batch, report))))
        except BaseException as error:  # SystemExit too: a worker would survive it
            if signals and isinstance(error, KeyboardInterrupt):
                raise
            events.append(Lost(batch, "failed", traceback.format_exc(limit=-8)))
    return events


@contextmanager
def note_signals() -> Iterator[list[int]]:
    """Yield a list to which each SIGINT and SIGTERM is added, to tell Ctrl-C from a KeyboardInterrupt of a plugin."""
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # only the main thread gets signals
        yield came
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number, handler in before.items():
        if callable(handler):
            signal.signal(number, note)
    try:
        yield came
    finally:
        for number, handler in before.items():
            if callable(handler):
                signal.signal(number, handler)


@hookimpl
def ganbench_executors() -> Iterable[Offer]:
    yield Offer("in-process", build, "One batch after another in this process, where a debugger sees everything.")
