"""The rules for what moves the players: optimizers and dynamics."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from ganbench.api.training import Objective, OptimizerFactory
from ganbench.testing.offers import dials
from ganbench.testing.purity import equal_bits, largest_difference
from ganbench.testing.rule import TOLERANCE, Subject, require, rule
from ganbench.testing.small_game import GAME

SHAPES = {"weight": (5, 4), "bias": (5,)}
MEMBERS, STEPS = 3, 6
FLAT = (2,)

BALANCED = Objective(
    lambda real, fake, state: (GAME.critic(real, fake) * (1 + 0.1 * state["calls"]), {"calls": state["calls"] + 1}),
    lambda real, fake, state: (GAME.generator(real, fake), state),
    init=lambda: {"calls": torch.zeros((), dtype=torch.float64)},
)
"""A loss that counts the calls of its critic: what dynamics forget of a state shows."""


@dataclass(frozen=True)
class OptimizerCase:
    """An optimizer under test."""

    subject: Subject

    @cached_property
    def factory(self) -> OptimizerFactory:
        """What makes it."""
        built: OptimizerFactory = self.subject.build()
        return built


def cases(subject: Subject) -> list[OptimizerCase]:
    """Give the one case of an optimizer."""
    return [OptimizerCase(subject)]


def slopes(step: int) -> dict[str, Tensor]:
    """Give the members' gradients of one step, of very different sizes."""
    rng = torch.Generator().manual_seed(step)
    sizes = torch.tensor([1.0, 1e3, 1e-2], dtype=torch.float64)
    made = {n: torch.randn(MEMBERS, *shape, generator=rng, dtype=torch.float64) for n, shape in SHAPES.items()}
    return {name: slope * sizes.reshape(-1, *[1] * (slope.ndim - 1)) for name, slope in made.items()}


def descend(factory: OptimizerFactory, member: int | None = None, poison: int | None = None) -> dict[str, Tensor]:
    """Give parameters after some steps: all members stacked, or one alone; one member's gradients may be NaN."""
    start = {n: torch.ones(MEMBERS, *shape, dtype=torch.float64) for n, shape in SHAPES.items()}
    leaves = {n: (p if member is None else p[member]).clone().requires_grad_() for n, p in start.items()}
    optimizer = factory(list(leaves.values()))
    require(
        isinstance(optimizer, torch.optim.Optimizer), f"build gives a factory of {optimizer!r}, no torch Optimizer."
    )
    for step in range(STEPS):
        for name, slope in slopes(step).items():
            if poison is not None:
                slope[poison] = torch.nan
            leaves[name].grad = slope if member is None else slope[member]
        optimizer.step()
    return {name: leaf.detach() for name, leaf in leaves.items()}


@rule()
def keeps_seeds_apart(case: OptimizerCase) -> None:
    """Moves stacked seeds as it moves each alone: it is elementwise."""
    stacked = descend(case.factory)
    require(any(bool((p != 1).any()) for p in stacked.values()), "it moves nothing.")
    for member in range(MEMBERS):
        gap = largest_difference(tree_map(lambda p, m=member: p[m], stacked), descend(case.factory, member))
        require(
            gap <= 1e-12,
            f"a seed ends {gap:.2g} away from where it ends alone: it is not elementwise (a norm or a scale over all "
            "parameters mixes the seeds that are stacked in them).",
        )


@rule()
def keeps_diverged_seeds_apart(case: OptimizerCase) -> None:
    """Leaves the neighbours of a seed whose gradients are NaN where they are, bit by bit."""
    plain, poisoned = descend(case.factory), descend(case.factory, poison=1)
    for member in (0, 2):
        kept = all(equal_bits(poisoned[name][member], plain[name][member]) for name in SHAPES)
        require(kept, "a seed whose gradients are NaN changes its neighbours: it looks over all parameters at once.")


@rule(lambda case: bool(case.subject.offered.options.scalars))
def optimizer_follows_schedules(case: OptimizerCase) -> None:
    """Reads an option annotated Scalar at every step, so that it may be a schedule."""
    for name, dial, other in dials(case.subject):
        moved = case.subject.offer.build(**{**case.subject.options, name: dial})
        fresh = case.subject.offer.build(**{**case.subject.options, name: other})

        def turned(parameters: Any, dial: Tensor = dial, other: float = other, moved: Any = moved) -> Any:
            optimizer = moved(parameters)  # made while the dial stands at the default, as in a run
            dial.fill_(other)
            return optimizer

        gap = largest_difference(descend(turned), descend(fresh))
        require(
            gap <= TOLERANCE,
            f"the option {name!r} is a Scalar, but a schedule of it changes nothing (off by {gap:.2g}).",
        )


RULES = (keeps_seeds_apart, keeps_diverged_seeds_apart, optimizer_follows_schedules)
