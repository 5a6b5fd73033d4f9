"""The units in which a budget may be given: what an update costs, and the columns of the results that hold the cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class BudgetUnit:
    """A unit of budgets.

    `name` is its key in a suite, `title` its name in tables. `price(batch_size)` returns the cost of one update of the
    critic and of one update of the generator; it is None if the cost has to be counted on the networks. The cost of a
    trial is the sum of its `columns` in `Frames.trials`.
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
            "generator_steps",
            "generator steps",
            "Generator steps: the convention of the papers.",
            lambda _: (0, 1),
            ("generator_steps",),
        ),
        BudgetUnit(
            "updates",
            "updates",
            "Optimizer steps of both players. Compares methods with different critic steps fairly.",
            lambda _: (1, 1),
            ("critic_updates", "generator_updates"),
        ),
        BudgetUnit(
            "samples", "samples", "Real samples that the critic sees.", lambda batch_size: (batch_size, 0), ("samples",)
        ),
        BudgetUnit(
            "flops",
            "FLOPs",
            "Floating-point operations of both players, as in 1e12. Compares all methods fairly.",
            None,
            ("flops",),
        ),
    )
}
"""The units by name, in the order in which tables list them."""
