"""The tasks of a pool of workers: whole batches, and the halves of those that did not fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from ganbench import Batch, Event, Finished, Lost, Record, Status

WorkOnBatch = Callable[[Batch, Callable[[int, int], None]], Iterable[Record]]
"""What is done with a batch: `ganbench.Work`, or any function that is called as it is."""


@dataclass
class Parts:
    """A batch that is trained in parts: the records of those that ended, and the workers that they needed so far."""

    batch: Batch
    records: list[Record] = field(default_factory=list)
    attempts: int = 0


@dataclass(frozen=True)
class Task:
    """A batch, and the number of workers that began it, counting the next one.

    `whole` is the batch of which it is a part, if it is one.
    """

    batch: Batch
    attempts: int = 1
    whole: Parts | None = None

    @property
    def reported(self) -> Batch:
        """The batch that events are about: always a whole one."""
        return self.whole.batch if self.whole else self.batch

    def finish(self, records: tuple[Record, ...]) -> Iterator[Event]:
        """Yield Finished with these records; for a part, once all parts of its batch have ended."""
        if self.whole is None:
            yield Finished(self.batch, records, attempts=self.attempts)
            return
        whole = self.whole
        whole.records += records
        whole.attempts += self.attempts
        if len(whole.records) == len(whole.batch.trials):
            seeds = [trial.seed for trial in whole.batch.trials]
            ordered = sorted(whole.records, key=lambda record: seeds.index(record.trial.seed))
            yield Finished(whole.batch, tuple(ordered), attempts=whole.attempts)

    def lose(self, status: Status, reason: str) -> Iterator[Event]:
        """Yield the event of a task that ended without records; those of a part's trials have the reason."""
        if self.whole is None:
            yield Lost(self.batch, status, reason, attempts=self.attempts)
        else:
            yield from self.finish(tuple(Record(trial=each, status=status, error=reason) for each in self.batch.trials))

    def halve(self) -> list[Task]:
        """Return the two tasks that are done in place of this one; none for a single trial."""
        halves = self.batch.halves()
        whole = self.whole or Parts(self.batch)
        whole.attempts += self.attempts if halves else 0
        return [Task(half, whole=whole) for half in halves]
