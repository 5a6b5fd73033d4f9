"""From a suite's budget, in any unit, to the generator steps of one trial."""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from ganbench.api import schedules
from ganbench.api.trials import Batch, Budget, Measurement, Trial, canonical_json
from ganbench.errors import GanbenchError
from ganbench.suite import locations
from ganbench.suite.budget_units import BUDGET_UNITS
from ganbench.suite.suite import Suite

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry

UNKNOWN = Budget(generator_steps=1, batch_size=1, snapshots=(1,))
"""The budget of a trial whose price is still to be found."""


def resolve_budget(suite: Suite, trial: Trial, registry: Registry) -> Budget:
    """Give the most generator steps of this trial that a suite's budget pays for, and its snapshots."""
    table, recipe = suite.budget, trial.recipe
    dynamics = registry.build("dynamics", recipe.dynamics.name, recipe.dynamics.options)
    critic, generator = price_updates(table.unit, table.batch_size, trial, registry)
    steps_of = canonical_json(recipe.critic_steps)
    steps = affordable_steps(table.amount, critic, generator, steps_of, dynamics.together)
    if steps < 1:
        place = locations.locate(suite, "budget", table.unit)
        of = f"critic_steps = {steps_of}, batch_size = {table.batch_size}"
        raise GanbenchError(f"{place} = {table.amount:g} is less than one generator step takes ({of}). Give more.")
    snapshots = {max(1, round(steps * (i + 1) / table.snapshots)) for i in range(table.snapshots)}
    return Budget(generator_steps=steps, batch_size=table.batch_size, snapshots=tuple(sorted(snapshots)))


def price_updates(unit: str, batch_size: int, trial: Trial, registry: Registry) -> tuple[float, float]:
    """Give what one update of the critic and one of the generator cost in this unit.

    An update is one optimizer step of one player; a sample is one real row shown to the critic; FLOPs are counted on
    one step of the trial itself (engine.flops), for which its dataset and networks are built.
    """
    price = BUDGET_UNITS[unit].price
    if price is not None:
        return price(batch_size)
    counted = count_flops(replace(trial, budget=replace(UNKNOWN, batch_size=batch_size)), registry)
    return counted["critic"], counted["generator"]


def count_flops(trial: Trial, registry: Registry) -> Mapping[str, float]:
    """Count the floating-point operations of each player's update."""
    import torch

    from ganbench.engine.cost import count_update_flops
    from ganbench.engine.train import prepare

    batch = Batch(trials=(trial,), mode="loop", measurement=Measurement(metrics=()))
    return count_update_flops(prepare(batch, registry, torch.device("cpu")))


@cache
def affordable_steps(amount: float, critic: float, generator: float, critic_steps: str, together: bool) -> int:
    """Give the most generator steps that `amount` pays for, at these prices of an update of either player.

    `critic_steps` is canonical JSON, so that this is cached.
    """
    course = schedules.parse_critic_steps(1 if together else json.loads(critic_steps))

    def spent(steps: int) -> float:
        return course.total(steps) * critic + steps * generator

    limit = math.inf if generator else course.idle  # steps that cost nothing would never end
    least, most = 0, 1
    while spent(most) <= amount and most < limit:
        least, most = most, 2 * most
    return int(min(limit, least + bisect_right(range(least, most + 1), amount, key=spent) - 1))
