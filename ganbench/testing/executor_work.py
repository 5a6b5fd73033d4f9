"""What the rules for executors give them to do, in a module that a fresh process imports in no time."""

from __future__ import annotations

from collections.abc import Callable

from ganbench.api.records import Record
from ganbench.api.trials import Batch, Budget, Measurement, Part, Recipe, Trial


def batch(name: str) -> Batch:
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
    """Report two steps and give a record for each trial."""
    for step in (1, 2):
        report(step, 2)
    return [Record(trial=trial) for trial in batch.trials]


def fail(name: str, batch: Batch, report: Callable[[int, int], None]) -> list[Record]:
    """Raise for the batch of this name."""
    if batch.trials[0].labels["method"] == name:
        raise ValueError("no such luck")
    return work(batch, report)
