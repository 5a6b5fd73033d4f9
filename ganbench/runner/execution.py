"""Starting an executor on some work, and stopping it; and what is stored of a batch that it lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from ganbench.api.events import Event, Lost
from ganbench.api.records import UNTRAINED, Record
from ganbench.api.trials import Batch
from ganbench.api.work import Work
from ganbench.errors import unknown_name

Executor = Callable[[Work, Sequence[Batch]], Iterable[Event]]
"""What the `build` of an executor returns."""


@contextmanager
def open_events(executor: Executor, work: Work, batches: Sequence[Batch]) -> Iterator[Iterator[Event]]:
    """Start an executor on these batches; the context is its events, and leaving it stops the executor."""
    events = iter(executor(work, batches))
    try:
        yield events
    finally:
        if (close := getattr(events, "close", None)) is not None:
            close()


def make_lost_records(event: Lost) -> list[Record]:
    """Return the records of a batch that ended without any; a status that does not exist counts as a failure."""
    status, error = event.status, event.error
    if status not in UNTRAINED:
        status, error = "failed", f"{error}\n{unknown_name('status', event.status, UNTRAINED, 'the executor')}"
    return [Record(trial=trial, status=status, error=error) for trial in event.batch.trials]
