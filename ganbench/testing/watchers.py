"""Contract rules for watchers, which follow a run and write to a tracker."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ganbench.api.events import Calibrating, Event, Finished, Progress, Started, Watched, Watcher
from ganbench.api.records import Record, Score
from ganbench.api.trials import Batch
from ganbench.testing.executor_work import make_batch
from ganbench.testing.rule import Subject, require, rule

HOSTILE = "../\\<b>$\x1b[31m\n\u202e\u4e2d" + "x" * 300
"""A text that a third party may use as a method's name or an error's message."""


@dataclass(frozen=True)
class WatcherCase:
    """A watcher under test."""

    subject: Subject

    def follow(self, folder: Path, *events: Event | Calibrating) -> None:
        """Let a new watcher follow a run with these events, as a run does."""
        watcher: Watcher = self.subject.build()
        batches = tuple(event.batch for event in events if isinstance(event, Started))
        opened = watcher.open(Watched(folder=folder, name="contract", suite='question = "?"\n', batches=batches))
        for event in events:
            watcher.on_event(opened, event)
        watcher.close(opened)


def cases(subject: Subject) -> list[WatcherCase]:
    """Return the one case of a watcher."""
    return [WatcherCase(subject)]


def make_record(batch: Batch, **changes: Any) -> Record:
    """Return a record of a batch's trial with numbers of every kind."""
    values = (0.5, math.nan, math.inf, -math.inf)
    scores = tuple(Score(step, "m/1 %", value, "lower", "0" * 64, 10) for step, value in enumerate(values, 1))
    fresh = Score(1, "m/1 %", 0.25, "lower", "0" * 64, 10, fresh=True)
    signals = {"loss.critic": ([1, 2, 3, 4], list(values)), "none": ([], [])}
    whole = {"trial": batch.trials[0], "scores": (*scores, fresh), "signals": signals, "seconds": {"train": 0.5}}
    return Record(**{**whole, **changes})


def list_events(name: str = "a") -> list[Event | Calibrating]:
    """Return the events of a run of two batches: the first completes, the second fails."""
    first, second = make_batch(name), make_batch(f"{name} too")
    failed = Record(trial=second.trials[0], status="failed", error="planted failure")
    return [
        Calibrating("none", "a sampler"),
        Calibrating("none", error="none could be scored", caution="careful"),
        Started(first),
        Progress(first, 1, 2),
        Finished(first, (make_record(first),)),
        Started(second),
        Finished(second, (failed,)),
    ]


@contextmanager
def make_folder() -> Iterator[Path]:
    """Yield an empty folder that is removed at the end."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@rule()
def follows_a_run(case: WatcherCase) -> None:
    """Follows a run from its start to its end: every kind of event, and scores that are not finite."""
    with make_folder() as folder:
        case.follow(folder, *list_events())


@rule()
def follows_a_run_that_stops_early(case: WatcherCase) -> None:
    """Closes after a run that stopped before anything had trained, and after one that stopped in a batch."""
    for count in (0, 4):
        with make_folder() as folder:
            case.follow(folder, *list_events()[:count])


@rule()
def takes_any_text(case: WatcherCase) -> None:
    """Takes any text of a third party as a name or an error, and writes nothing outside of its folder for it."""
    batch = make_batch(HOSTILE)
    record = make_record(batch, status="failed", error=HOSTILE, signals={HOSTILE: ([1], [0.5])})
    with make_folder() as outer:
        (folder := outer / "a" / "b" / "c").mkdir(parents=True)
        case.follow(folder, Started(batch), Progress(batch, 1, 1), Finished(batch, (record,)))
        others = [
            path for path in outer.rglob("*") if folder not in (path, *path.parents) and path not in folder.parents
        ]
        require(not others, f"it writes {others[:1]}, which is outside of `run.folder`: make names safe.")


@rule()
def goes_on_in_the_same_folder(case: WatcherCase) -> None:
    """Adds to what an earlier run has written into the same folder, and removes nothing of it."""
    with make_folder() as folder:
        case.follow(folder, *list_events())
        before = list_sizes(folder)
        case.follow(folder, *list_events("b"))
        lost = [path.name for path, size in before.items() if list_sizes(folder).get(path, -1) < size]
        require(not lost, f"a second run shortens or removes the file {lost[:1]} of the first: open files to append.")


@rule()
def changes_no_record(case: WatcherCase) -> None:
    """Changes nothing in the events: others see the same ones."""
    events = list_events()
    before = repr(deepcopy(events))
    with make_folder() as folder:
        case.follow(folder, *events)
    require(repr(events) == before, "it changes a record that others see too: work on a copy.")


def list_sizes(folder: Path) -> Mapping[Path, int]:
    """Return the sizes of the files in a folder, in bytes."""
    return {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}


RULES = (
    follows_a_run,
    follows_a_run_that_stops_early,
    takes_any_text,
    goes_on_in_the_same_folder,
    changes_no_record,
)
