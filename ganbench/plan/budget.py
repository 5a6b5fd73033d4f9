"""From a suite's budget, in any unit, to the generator steps of one trial."""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from ganbench.api import schedules
from ganbench.api.data import Source
from ganbench.api.trials import Batch, Budget, Measurement, Part, Trial, canonical_json
from ganbench.errors import GanbenchError
from ganbench.plan.network_size import TooLarge, explain_memory
from ganbench.suite import locations
from ganbench.suite.budget_units import BUDGET_UNITS
from ganbench.suite.suite import Suite

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry

UNKNOWN = Budget(generator_steps=1, batch_size=1, snapshots=(1,))
"""A placeholder for the budget of a trial while its generator steps are not known."""

MOST_STEPS = 10**12
"""The largest number of generator steps of a trial, as in `generator_steps`; years, even for the smallest networks."""

MOST_PERIODS = 6
"""The largest number of different periods of lazy terms in a budget of FLOPs: each combination is counted."""


def resolve_budget(suite: Suite, trial: Trial, registry: Registry, flops: UpdateFlops | None = None) -> Budget:
    """Return the budget of a trial: the most generator steps that the suite's budget pays for, and the snapshots.

    `flops` remembers what was counted for other trials. Raise GanbenchError if the budget does not pay for one step, or
    pays for more than `MOST_STEPS`.
    """
    table, recipe = suite.budget, trial.recipe
    dynamics = registry.build("dynamics", recipe.dynamics.name, recipe.dynamics.options)
    critic, generator = price_updates(table.unit, table.batch_size, trial, flops or UpdateFlops(registry))
    critic_steps = canonical_json(recipe.critic_steps)
    steps = count_affordable_steps(table.amount, critic, generator, critic_steps, dynamics.together)
    place = locations.locate(suite, "budget", table.unit)
    settings = f"critic_steps = {critic_steps}, batch_size = {table.batch_size}"
    if steps > MOST_STEPS:
        raise GanbenchError(
            f"{place} = {table.amount:g} pays for more than {MOST_STEPS} generator steps ({settings}). "
            "Write a smaller number."
        )
    if steps < 1:
        raise GanbenchError(
            f"{place} = {table.amount:g} is less than one generator step takes ({settings}). Write a larger number."
        )
    snapshots = {max(1, round(steps * (i + 1) / table.snapshots)) for i in range(table.snapshots)}
    return Budget(generator_steps=steps, batch_size=table.batch_size, snapshots=tuple(sorted(snapshots)))


def price_updates(unit: str, batch_size: int, trial: Trial, flops: UpdateFlops) -> tuple[float, float]:
    """Return the cost of one update of the critic and of one update of the generator, in this unit.

    An update is one optimizer step of one player; a sample is one real sample shown to the critic; FLOPs are those of
    the trial itself (engine.cost), for which its dataset and networks are built.
    """
    price = BUDGET_UNITS[unit].price
    return flops.count(trial, batch_size) if price is None else price(batch_size)


class UpdateFlops:
    """The FLOPs of an update of each player, for the trials of one plan; what they depend on is counted once."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.sources = dict[str, Source]()
        self.counted = dict[str, tuple[float, float]]()

    def count(self, trial: Trial, batch_size: int) -> tuple[float, float]:
        """Return the floating-point operations of one update of the critic, and of one of the generator.

        They depend on the recipe without its optimizers and schedule, on the architecture, on the batch size, and on
        the shape and the classes of the dataset.
        """
        source, recipe = self.build_source(trial.dataset), trial.recipe
        parts = [recipe.loss, *recipe.constraints, None, *recipe.inputs, recipe.dynamics, trial.architecture]
        plain = [part and part.plain for part in parts]
        key = canonical_json([plain, recipe.critic_norm, trial.spec, batch_size, source.shape, source.classes])
        if key not in self.counted:
            self.refuse_many_periods(trial)
            self.counted[key] = self._count(trial, batch_size, source)
        return self.counted[key]

    def refuse_many_periods(self, trial: Trial) -> None:
        """Raise GanbenchError for terms of so many periods that their combinations could not all be counted."""
        terms = [("constraints", part) for part in trial.recipe.constraints]
        terms += [("inputs", part) for part in trial.recipe.inputs]
        periods = {part.every or self.registry.build(kind, part.name, part.options).every for kind, part in terms}
        if len(periods) > MOST_PERIODS:
            raise GanbenchError(
                f"method {trial.labels['method']!r}: its terms have {len(periods)} different periods `every`, and "
                f"FLOPs are counted for at most {MOST_PERIODS}. Use fewer, or a budget in updates."
            )

    def build_source(self, dataset: Part) -> Source:
        """Return a dataset, with one sample only if it is a set: the number of samples does not change the FLOPs."""
        key = canonical_json(dataset.plain)
        if key not in self.sources:
            source: Source = self.registry.build("datasets", dataset.name, dataset.options)
            self.sources[key] = replace(source, size=min(source.size, 1))
        return self.sources[key]

    def _count(self, trial: Trial, batch_size: int, source: Source) -> tuple[float, float]:
        import torch

        from ganbench.engine.cost import count_update_flops
        from ganbench.engine.train import prepare
        from ganbench.evaluation.calibration import single_thread

        trial = replace(trial, budget=replace(UNKNOWN, batch_size=batch_size))
        batch = Batch(trials=(trial,), mode="loop", measurement=Measurement(metrics=()))
        try:
            with explain_memory(), single_thread():  # small networks: two threads would only wait for each other
                flops = count_update_flops(prepare(batch, self.registry, torch.device("cpu"), source=source))
        except TooLarge as reason:
            raise GanbenchError(
                f"method {trial.labels['method']!r}: its FLOPs cannot be counted: {reason}. Use smaller networks, or a "
                f"batch_size below {batch_size}."
            ) from None
        return flops["critic"], flops["generator"]


@cache
def count_affordable_steps(amount: float, critic: float, generator: float, critic_steps: str, together: bool) -> int:
    """Return the most generator steps that `amount` pays for, at these prices of an update of the critic and generator.

    Where that is more than `MOST_STEPS`, some number above it. `critic_steps` is canonical JSON, so that the result can
    be cached. With `together`, the players take equally many steps.
    """
    schedule = schedules.parse_critic_steps(1 if together else json.loads(critic_steps))

    def price(steps: int) -> float:
        return schedule.total(steps) * critic + steps * generator

    limit = math.inf if generator else schedule.idle  # steps that cost nothing would never end
    least, most = 0, 1
    while price(most) <= amount and most < limit and least <= MOST_STEPS:
        least, most = most, 2 * most
    return int(min(limit, least + bisect_right(range(least, most + 1), amount, key=price) - 1))
