"""The work that a run gives an executor, and what the run knows about where it may be done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

from ganbench.api.records import Record
from ganbench.api.trials import Batch

Report = Callable[[int, int], None]
"""A function that is called with the generator step that is done and the number of all steps."""


def ignore_progress(step: int, steps: int) -> None:
    """Do nothing with the progress of a batch."""


def list_bare_places(jobs: int | None) -> Sequence[Mapping[str, Any]]:
    """Return one place without arguments for each of `jobs` workers, for None a single one."""
    return [{}] * (1 if jobs is None else jobs)


@dataclass(frozen=True)
class Work:
    """What an executor does with each batch: `work(batch, report)` trains it and returns its records.

    `function(batch, report, **place)` does the work: a call of the work calls it.
    `report` is called with the generator step that is done and the number of all steps; it may be left out. The work
    can be pickled and called in another process, of this machine or of another one; ganbench must be installed there.
    `work(batch, report, device="cuda:1", memory_share=0.5)` trains on that device, with at most that share of its
    memory. An executor needs nothing of the rest, which is what the run knows:

    `places(jobs)` returns, for each of `jobs` workers on this machine, such arguments of its calls; for None, of as
    many workers as there are cores, or two for each GPU. There are never more places than batches. `device` is where to
    train as the user named it, such as "auto" or "cuda". `memory` is what a batch may take, in bytes. `log` is the file
    for what a worker prints, in whose path "{process}" stands for the number of the worker's process; "" is none.
    `divisible` says whether the halves of a batch may be done apart, as it has a record for each trial.
    """

    function: Callable[..., Iterable[Record]]
    _: KW_ONLY
    places: Callable[[int | None], Sequence[Mapping[str, Any]]] = list_bare_places
    device: str = "auto"
    memory: int = 2**32
    log: str = ""
    divisible: bool = True

    def __call__(self, batch: Batch, report: Report = ignore_progress, **place: Any) -> Iterable[Record]:
        """Return the records of a batch, one for each trial; call `report` during the training."""
        return self.function(batch, report, **place)
