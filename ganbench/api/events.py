"""The events that an executor reports while batches train, and the watchers that follow them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any

from ganbench.api.records import Record, Status
from ganbench.api.trials import Batch


@dataclass(frozen=True)
class Calibrating:
    """The next untrained baseline of a dataset is drawn and scored, before any training.

    `dataset` is the dataset's label in tables, `sampler` the baseline's name. `error` is set if the baselines of this
    dataset could not be scored. `caution` is a sentence about the dataset: what is allowed, but may not be meant.
    `method` is set after the training, where a method is timed alone.
    """

    dataset: str
    sampler: str = ""
    error: str = ""
    caution: str = ""
    method: str = field(default="", metadata={"since": "0.2"})


@dataclass(frozen=True)
class Started:
    """A worker has started to train a batch.

    `batch` is the batch that trains.
    """

    batch: Batch


@dataclass(frozen=True)
class Progress:
    """A batch has finished a generator step.

    `batch` is the batch that trains.
    `step` is the generator step, counted from 1.
    `steps` is the number of all generator steps.
    """

    batch: Batch
    step: int
    steps: int


@dataclass(frozen=True)
class Finished:
    """A batch has ended with one record per trial.

    `batch` is the batch that has ended.
    `records` are the records of its trials, one for each.
    `attempts` is the number of workers that it needed.
    """

    batch: Batch
    records: tuple[Record, ...]
    _: KW_ONLY
    attempts: int = 1


@dataclass(frozen=True)
class Lost:
    """A batch has ended without records: its worker died, raised outside the training, or exceeded the time limit.

    `batch` is the batch that has ended.
    `status` is "failed" or "timed-out". `error` is the reason, for a reader. `attempts` is the number of workers that
    the batch needed.
    """

    batch: Batch
    status: Status
    error: str
    _: KW_ONLY
    attempts: int = 1


Event = Started | Progress | Finished | Lost


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A run that a watcher follows.

    `folder` is where the watcher may write: it exists, and a run that goes on has the same one. `name` is the suite's
    name, `suite` its text. `batches` are those that train in this run.
    """

    folder: Path
    name: str
    suite: str
    batches: tuple[Batch, ...]


@dataclass(frozen=True, kw_only=True)
class Watcher:
    """What follows a run and writes elsewhere, such as to TensorBoard: three functions.

    `open(run)` is called with the `Watched` run before anything trains. What it returns goes to the other two: a file,
    a client. `on_event(opened, event)` is called with every event, in order: Calibrating, Started, Progress (one in a
    second, at most), and Finished when the records are stored. Records come without the bytes of their generators. A
    batch that was lost is Finished, with failed records. `close(opened)` is called at the end, however the run ends.

    All three are called in one thread of their own, in the process that stores the results. So a slow watcher does not
    slow the training. One that raises, falls 1000 events behind, or does not end in 10 seconds is switched off.
    """

    on_event: Callable[[Any, Event | Calibrating], None]
    open: Callable[[Watched], Any] = lambda run: None
    close: Callable[[Any], None] = lambda opened: None
