"""Starting an executor on some work, and stopping it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ganbench.api.events import Event
from ganbench.api.records import Record
from ganbench.api.trials import Batch

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry

Work = Callable[[Batch, Callable[[int, int], None]], list[Record]]


@contextmanager
def open_events(
    plugins: Registry, name: str, options: Mapping[str, Any], work: Work, batches: Sequence[Batch]
) -> Iterator[Iterator[Event]]:
    """Start an executor on these batches; the context is its events, and leaving it stops the executor."""
    executor = plugins.build("executors", name, plugins.options("executors", name, options))
    events = iter(executor(work, batches))
    try:
        yield events
    finally:
        if (close := getattr(events, "close", None)) is not None:
            close()
