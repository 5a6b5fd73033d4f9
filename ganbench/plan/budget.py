"""From a suite's budget, in any unit, to the generator steps of one trial."""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from functools import cache
from typing import TYPE_CHECKING

from ganbench.api import schedules
from ganbench.api.trials import Budget, Trial, canonical_json
from ganbench.errors import GanbenchError
from ganbench.plan.costs import CostCounter
from ganbench.suite import locations
from ganbench.suite.budget_units import BUDGET_UNITS
from ganbench.suite.suite import Suite

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry

MOST_STEPS = 10**12
"""The largest number of generator steps of a trial, as in `generator_steps`; years, even for the smallest networks."""


def resolve_budget(suite: Suite, trial: Trial, registry: Registry, counter: CostCounter | None = None) -> Budget:
    """Return the budget of a trial: the most generator steps that the suite's budget pays for, and the snapshots.

    `counter` remembers what was counted for other trials. Raise GanbenchError if the budget does not pay for one step,
    or pays for more than `MOST_STEPS`.
    """
    table, recipe = suite.budget, trial.recipe
    dynamics = registry.build("dynamics", recipe.dynamics.name, recipe.dynamics.options)
    if counter is None:
        source = registry.build("datasets", trial.dataset.name, trial.dataset.options)
        counter = CostCounter(registry, {trial.labels["dataset"]: source})
    critic, generator = price_updates(table.unit, table.batch_size, trial, counter)
    if table.unit != "generator_steps":  # a step of this unit is one round of both players, whoever moves
        critic *= "critic" in dynamics.players
        generator *= "generator" in dynamics.players
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


def price_updates(unit: str, batch_size: int, trial: Trial, counter: CostCounter) -> tuple[float, float]:
    """Return the cost of one update of the critic and of one update of the generator, in this unit.

    An update is one optimizer step of one player; a sample is one real sample shown to the critic; FLOPs are those of
    the trial itself (engine.cost).
    """
    price = BUDGET_UNITS[unit].price
    return counter.count_flops(trial, batch_size) if price is None else price(batch_size)


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
