"""The units that a budget may be counted in: the price of an update, and the columns of results that hold the cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class BudgetUnit:
    """A unit of budgets.

    `name` is its key in a suite, `title` its name in tables. `price(batch_size)` returns what one update of the critic
    and one of the generator cost; it is None where the cost is counted on the networks. The sum of `columns` of
    `Frames.trials` is what a trial spent.
    """

    name: str
    title: str
    description: str
    price: Callable[[int], tuple[float, float]] | None
    columns: tuple[str, ...]


BUDGET_UNITS = {
    unit.name: unit
    for unit in (
        BudgetUnit(
            "generator_steps", "generator steps", "The papers' convention.", lambda _: (0, 1), ("generator_steps",)
        ),
        BudgetUnit(
            "updates",
            "updates",
            "Optimizer steps of both players: fair across critic steps.",
            lambda _: (1, 1),
            ("critic_updates", "generator_updates"),
        ),
        BudgetUnit("samples", "samples", "Real samples seen.", lambda batch_size: (batch_size, 0), ("samples",)),
        BudgetUnit(
            "flops",
            "FLOPs",
            "Floating-point operations of both players, as in 1e12: fair across methods.",
            None,
            ("flops",),
        ),
    )
}
"""The units by name, in the order in which tables list them."""
