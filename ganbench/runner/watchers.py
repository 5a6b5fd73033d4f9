"""Watchers of a run, such as trackers: each in a thread of its own, where it can neither slow nor fail the training."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from queue import Empty, Full, Queue
from threading import Event as Signal
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, Any

from ganbench.api.events import Calibrating, Event, Finished, Progress, Watched, Watcher
from ganbench.api.records import make_storable
from ganbench.errors import GanbenchError, describe, find_reason
from ganbench.escaping import replace_unprintable
from ganbench.results.files import make_watch_folder
from ganbench.testing.given_options import parse_value

if TYPE_CHECKING:
    from ganbench.plan.plan import Todo
    from ganbench.registry.registry import Registry
    from ganbench.suite.suite import Suite

MOST_EVENTS = 1000
"""Events that wait for a watcher, at most; one that is further behind is switched off."""

OPEN_SECONDS = 10.0
"""Seconds that a run which trains in this process waits until its watchers are open: their imports may draw random
numbers, and training refuses plugins that do."""

CLOSE_SECONDS = 10.0
"""Seconds that a run waits for all of its watchers, after its last event."""

PROGRESS_SECONDS = 1.0
"""Seconds between two events of progress: a batch that trains in this process reports every step."""

Tell = Callable[[Event | Calibrating], None]


def build_watchers(texts: Sequence[str], plugins: Registry) -> dict[str, Watcher]:
    """Return the watchers that texts `NAME` and `NAME.KEY=VALUE` name, in their order.

    Raise GanbenchError for an unknown name, a wrong option, and a library that is not installed. Any other error of
    `build` only switches the watcher off.
    """
    built = {name: build_watcher(name, options, plugins) for name, options in read_watchers(texts).items()}
    return {name: watcher for name, watcher in built.items() if watcher is not None}


def read_watchers(texts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the options of each watcher by its name; a value is TOML, or else a string."""
    watchers: dict[str, dict[str, Any]] = {}
    for text in texts:
        left, equals, value = text.partition("=")
        name, _, key = left.strip().rpartition(".") if equals else (text.strip(), "", "")
        if not name or (equals and not key):
            raise GanbenchError(f"--watch {text}: write NAME, or NAME.KEY=VALUE for an option.")
        watchers.setdefault(name, {}).update({key: parse_value(value)} if equals else {})
    return watchers


def build_watcher(name: str, options: Mapping[str, Any], plugins: Registry) -> Watcher | None:
    """Return a watcher by its name, None if its `build` failed; raise the errors of `build_watchers`."""
    try:
        watcher: Watcher = plugins.build("watch", name, options, where="--watch")
    except GanbenchError as error:
        cause = error.__cause__
        if cause is None or isinstance(cause, GanbenchError | ImportError):
            raise
        report_off(name, "build", cause)
        return None
    except GeneratorExit as error:  # the only one that the registry lets through, but Ctrl-C
        report_off(name, "build", error)
        return None
    return watcher


@contextmanager
def follow(
    watchers: Mapping[str, Watcher], suite: Suite, todo: Todo, results: Path, *, in_process: bool
) -> Iterator[Tell]:
    """Start the watchers if there is work; the context tells them an event, and leaving it ends them.

    Where batches train `in_process`, the context begins when all are open, at most OPEN_SECONDS later.
    """
    run = Watched(folder=results, name=suite.name, suite=suite.text, batches=todo.batches)
    followers = [Follower(name, watcher, run) for name, watcher in watchers.items() if run.batches]
    told: dict[str, float] = {}

    def tell(event: Event | Calibrating) -> None:
        if isinstance(event, Progress):
            now, key = monotonic(), event.batch.key
            if now - told.get(key, -PROGRESS_SECONDS) < PROGRESS_SECONDS:
                return
            told[key] = now
        if isinstance(event, Finished):
            records = (replace(make_storable(record), generator=b"", snapshots={}) for record in event.records)
            event = replace(event, records=tuple(records))
        for follower in followers:
            follower.tell(event)

    try:
        deadline = monotonic() + OPEN_SECONDS
        for follower in followers if in_process else ():
            follower.ready.wait(max(0.0, deadline - monotonic()))
        yield tell if followers else lambda event: None
    finally:
        for follower in followers:
            follower.tell(None)
        deadline = monotonic() + CLOSE_SECONDS
        for follower in followers:
            follower.wait(deadline)


def tell_both(tell: Tell, on_progress: Callable[[Progress], None]) -> Callable[[Progress], None]:
    """Return a function that reports the progress of a batch in this process to the watchers and to the caller."""

    def report(event: Progress) -> None:
        tell(event)
        on_progress(event)

    return report


class Follower(Thread):
    """A watcher in its thread, which sets `ready` after `open`. `off` is whether it was switched off, reported once.

    The folder of `run` is the results folder; the watcher gets one of its own in it.
    """

    def __init__(self, name: str, watcher: Watcher, run: Watched) -> None:
        super().__init__(name=f"watcher {name}", daemon=True)
        self.title, self.watcher, self.watched = name, watcher, run
        self.events: Queue[Event | Calibrating | None] = Queue(MOST_EVENTS)
        self.off, self.ready = False, Signal()
        self.start()

    def run(self) -> None:
        """Call the watcher for each event, until the None that ends the run."""
        doing, opened = "open", None
        try:
            opened = self.open()
            doing = "on_event"
            while (event := self.events.get()) is not None and not self.off:
                self.watcher.on_event(opened, event)
            doing = "close"
            self.watcher.close(opened)
        except BaseException as error:  # whatever a third party raises, SystemExit too
            self.switch_off(doing, error)
            with suppress(BaseException):
                self.watcher.close(opened) if doing == "on_event" else None

    def open(self) -> Any:
        """Return what the watcher opens in its own folder; set `ready` also if it fails."""
        try:
            own_folder = make_watch_folder(self.watched.folder, self.title)
            return self.watcher.open(replace(self.watched, folder=own_folder))
        finally:
            self.ready.set()

    def tell(self, event: Event | Calibrating | None) -> None:
        """Let the watcher know an event, without waiting for it; None is the end."""
        if not self.off:
            try:
                self.events.put_nowait(event)
            except Full:
                self.switch_off(f"it is more than {MOST_EVENTS} events behind")

    def wait(self, deadline: float) -> None:
        """Wait for the end of the watcher, at most until the deadline."""
        self.join(max(0.0, deadline - monotonic()) if not self.off else 0.0)
        if self.is_alive():
            self.switch_off(f"it did not end within {CLOSE_SECONDS:g} s after the training")

    def switch_off(self, what: str, error: BaseException | None = None) -> None:
        """Switch the watcher off, and report it unless that was done."""
        if not self.off:
            self.off = True
            with suppress(Empty):
                while True:
                    self.events.get_nowait()  # nobody needs them: free their memory
            self.events.put_nowait(None)  # so that the thread ends
            report_off(self.title, what, error)


def report_off(name: str, what: str, error: BaseException | None = None) -> None:
    """Write on stderr that a watcher was switched off: it failed in `what`, or did `what`."""
    reason = what if error is None else f"`{what}` raised {find_reason(describe(error))}"
    text = f"watcher {name!r} is switched off, and the run goes on without it: {reason}"
    with suppress(Exception):  # stderr may be closed
        sys.stderr.write(replace_unprintable(text) + "\n")
