"""The batches of a plan: the trials of one dataset and one architecture that train as one program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ganbench.api.shared_program import shared_program
from ganbench.api.trials import Batch, Measurement, Part, Recipe, Trial, canonical_json, list_offers
from ganbench.plan.composition import MOST_MEMBERS, choose_mode, members_per_batch
from ganbench.plan.costs import CostCounter

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry


@dataclass(frozen=True)
class PlannedData:
    """A dataset of a plan: its part, how it is measured, and the digest of its content."""

    part: Part
    measurement: Measurement
    digest: str


@dataclass(frozen=True)
class Cell:
    """All trials of one dataset and one architecture, in the order of the suite, and how they are measured."""

    trials: Sequence[Trial]
    measurement: Measurement


@dataclass(frozen=True)
class Composer:
    """Puts trials into batches of at most `together` that fit into `memory` bytes, by the rules of `plan.composition`.

    `large_members` collects the bytes of the largest member that does not fit into the memory, by method.
    """

    registry: Registry
    counter: CostCounter
    memory: int
    together: int = MOST_MEMBERS
    large_members: dict[str, float] = field(default_factory=dict)

    def compose(self, cells: Sequence[Cell]) -> Iterator[Batch]:
        """Yield the batches of all cells: of trials that train as one program (`api.shared_program`)."""
        groups = [(trials, cell.measurement) for cell in cells for trials in self.group(cell.trials)]
        for trials, measurement in groups:
            yield from self.cut(trials, len(groups), measurement)

    def group(self, trials: Sequence[Trial]) -> list[list[Trial]]:
        """Return the trials of each program, in order; those that one optimizer can step stand side by side."""
        programs: dict[str, list[Trial]] = {}
        keys: dict[int, tuple[str, str]] = {}
        for trial in trials:
            if id(trial.recipe) not in keys:
                program = canonical_json(shared_program(trial, self.registry.scalar_defaults))
                keys[id(trial.recipe)] = program, self.describe_optimizers(trial.recipe)
            programs.setdefault(keys[id(trial.recipe)][0], []).append(trial)
        for group in programs.values():
            places = {name: i for i, name in enumerate(dict.fromkeys(keys[id(trial.recipe)][1] for trial in group))}
            group.sort(key=lambda trial: places[keys[id(trial.recipe)][1]])
        return list(programs.values())

    def describe_optimizers(self, recipe: Recipe) -> str:
        """Return the options of both optimizers without those that may differ between members of one optimizer."""
        options = []
        for part in (recipe.critic_optimizer, recipe.generator_optimizer):
            own = self.registry.get("optimizers", part.name).offer.proportional_to
            options.append({name: value for name, value in part.options.items() if name != own})
        return canonical_json(options)

    def cut(self, trials: Sequence[Trial], groups: int, measurement: Measurement) -> Iterator[Batch]:
        """Yield the batches of the trials of one program; `groups` is the number of such groups in the plan."""
        first, members = trials[0], len(trials)
        size, channels = 1.0, 0
        if members > 1:
            enough = self.memory / min(members, self.together)
            size, channels = self.counter.measure_member(first, first.budget.batch_size, enough)
        if size > self.memory:
            label = first.labels["method"]
            self.large_members[label] = max(size, self.large_members.get(label, 0))
        most = members_per_batch(members, groups, int(self.memory / size), self.together)
        shape = self.counter.sources[first.labels["dataset"]].shape
        stackable = self.is_stackable(first)
        for start in range(0, members, most):
            part = tuple(trials[start : start + most])
            mode = choose_mode(len(part), stackable, shape, channels, first.budget.batch_size)
            yield Batch(trials=part, mode=mode, measurement=measurement)

    def is_stackable(self, trial: Trial) -> bool:
        """Return whether every offer of a trial can train a stack of members."""
        offers = list_offers(trial.recipe, trial.architecture)
        return all(self.registry.get(kind, name).offer.stackable for kind, name in offers)
