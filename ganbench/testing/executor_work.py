"""The batches and the work that the rules for executors use, in a module that a new process imports quickly."""

from __future__ import annotations

from collections.abc import Callable

from ganbench.api.records import Record
from ganbench.api.trials import Batch, Budget, Measurement, Part, Recipe, Trial


def make_batch(name: str) -> Batch:
    """Make a batch of one trial that trains nothing."""
    part = Part("none")
    trial = Trial(
        dataset=part,
        architecture=part,
        spec={},
        recipe=Recipe(loss=part, dynamics=part, critic_optimizer=part, generator_optimizer=part),
        seed=0,
        budget=Budget(generator_steps=1, batch_size=1, snapshots=(1,)),
        labels={"method": name, "dataset": "none", "architecture": "none"},
    )
    return Batch(trials=(trial,), mode="loop", measurement=Measurement(metrics=()))


def work(batch: Batch, report: Callable[[int, int], None]) -> list[Record]:
    """Report two steps, and return a record for each trial."""
    for step in (1, 2):
        report(step, 2)
    return [Record(trial=trial) for trial in batch.trials]


def fail_by_name(name: str, batch: Batch, report: Callable[[int, int], None]) -> list[Record]:
    """Raise ValueError for the batch of this name; work for every other."""
    if batch.trials[0].labels["method"] == name:
        raise ValueError("planted failure")
    return work(batch, report)
