"""The events that an executor reports while batches train."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from ganbench.api.records import Record, Status
from ganbench.api.trials import Batch


@dataclass(frozen=True)
class Calibrating:
    """The next untrained baseline of a dataset is drawn and scored, before any training.

    `dataset` is the dataset's label in tables, `sampler` the baseline's name. `error` is set if the baselines of this
    dataset could not be scored. `caution` is a sentence about the dataset: what is allowed, but may not be meant.
    """

    dataset: str
    sampler: str = ""
    error: str = ""
    caution: str = ""


@dataclass(frozen=True)
class Started:
    """A worker has started to train a batch."""

    batch: Batch


@dataclass(frozen=True)
class Progress:
    """A batch has finished generator step `step`, counted from 1, of `steps`."""

    batch: Batch
    step: int
    steps: int


@dataclass(frozen=True)
class Finished:
    """A batch has ended with one record per trial; `attempts` is the number of workers that it needed."""

    batch: Batch
    records: tuple[Record, ...]
    _: KW_ONLY
    attempts: int = 1


@dataclass(frozen=True)
class Lost:
    """A batch has ended without records: its worker died, raised outside the training, or exceeded the time limit.

    `status` is "failed" or "timed-out". `error` is the reason, for a reader. `attempts` is the number of workers that
    the batch needed.
    """

    batch: Batch
    status: Status
    error: str
    _: KW_ONLY
    attempts: int = 1


Event = Started | Progress | Finished | Lost
