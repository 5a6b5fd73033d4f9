"""What an executor reports while batches train."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from ganbench.api.records import Record, Status
from ganbench.api.trials import Batch


@dataclass(frozen=True)
class Calibrating:
    """Before any training: a dataset's next untrained sampler is drawn and judged; `error` where none could be."""

    dataset: str
    sampler: str = ""
    error: str = ""


@dataclass(frozen=True)
class Started:
    """A worker began a batch."""

    batch: Batch


@dataclass(frozen=True)
class Progress:
    """A batch has come to this generator step of so many."""

    batch: Batch
    step: int
    steps: int


@dataclass(frozen=True)
class Finished:
    """A batch ended, one record for each of its trials; `attempts` counts the workers that it took."""

    batch: Batch
    records: tuple[Record, ...]
    _: KW_ONLY
    attempts: int = 1


@dataclass(frozen=True)
class Lost:
    """A batch ended without records: its worker died, raised outside the training, or took too long."""

    batch: Batch
    status: Status
    error: str
    _: KW_ONLY
    attempts: int = 1


Event = Started | Progress | Finished | Lost
