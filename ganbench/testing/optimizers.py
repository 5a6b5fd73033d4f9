"""Contract rules for optimizers, and the loss with a state that the rules for dynamics train with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from ganbench.api.training import Objective, OptimizerFactory
from ganbench.engine.optimizer_state import restore_optimizer, save_optimizer
from ganbench.testing.offers import find_schedulable_options
from ganbench.testing.purity import equal_bits, largest_difference
from ganbench.testing.rule import TOLERANCE, ContractError, Subject, always, require, rule
from ganbench.testing.small_game import LOSS

SHAPES = {"weight": (5, 4), "bias": (5,)}
MEMBERS, STEPS = 3, 6
FLAT = (2,)

COUNTING_LOSS = Objective(
    lambda real, fake, state: (LOSS.critic(real, fake) * (1 + 0.1 * state["calls"]), {"calls": state["calls"] + 1}),
    lambda real, fake, state: (LOSS.generator(real, fake), state),
    init=lambda: {"calls": torch.zeros((), dtype=torch.float64)},
)
"""A loss whose state counts the critic's calls and scales its loss: dynamics that drop the state end elsewhere."""


@dataclass(frozen=True)
class OptimizerCase:
    """An optimizer under test."""

    subject: Subject

    @cached_property
    def factory(self) -> OptimizerFactory:
        """The factory that the offer builds."""
        built: OptimizerFactory = self.subject.build()
        return built


def cases(subject: Subject) -> list[OptimizerCase]:
    """Return the one case of an optimizer."""
    return [OptimizerCase(subject)]


def draw_gradients(step: int) -> dict[str, Tensor]:
    """Draw the members' gradients of one step, of very different sizes."""
    rng = torch.Generator().manual_seed(step)
    sizes = torch.tensor([1.0, 1e3, 1e-2], dtype=torch.float64)
    normal = {n: torch.randn(MEMBERS, *shape, generator=rng, dtype=torch.float64) for n, shape in SHAPES.items()}
    return {name: slope * sizes.reshape(-1, *[1] * (slope.ndim - 1)) for name, slope in normal.items()}


def descend(factory: OptimizerFactory, member: int | None = None, diverged: int | None = None) -> dict[str, Tensor]:
    """Return the parameters after some steps, of all members stacked or of one `member` alone.

    The gradients of the member `diverged` are NaN.
    """
    start = {n: torch.ones(MEMBERS, *shape, dtype=torch.float64) for n, shape in SHAPES.items()}
    leaves = {n: (p if member is None else p[member]).clone().requires_grad_() for n, p in start.items()}
    optimizer = factory(list(leaves.values()))
    require(
        isinstance(optimizer, torch.optim.Optimizer),
        f"build returns a factory of {optimizer!r}. It must make a torch.optim.Optimizer.",
    )
    for step in range(STEPS):
        for name, slope in draw_gradients(step).items():
            if diverged is not None:
                slope[diverged] = torch.nan
            leaves[name].grad = slope if member is None else slope[member]
        optimizer.step()
    return {name: leaf.detach() for name, leaf in leaves.items()}


@rule(vital=always)
def keeps_seeds_apart(case: OptimizerCase) -> None:
    """Moves stacked seeds as it moves each seed alone: it is elementwise."""
    stacked = descend(case.factory)
    require(any(bool((p != 1).any()) for p in stacked.values()), "it moves no parameter.")
    for member in range(MEMBERS):
        gap = largest_difference(tree_map(lambda p, m=member: p[m], stacked), descend(case.factory, member))
        require(
            gap <= 1e-12,
            f"a stacked seed ends {gap:.2g} away from where it ends alone: it is not elementwise (a norm or a scale "
            "over all parameters mixes the stacked seeds).",
        )


@rule(vital=always)
def keeps_diverged_seeds_apart(case: OptimizerCase) -> None:
    """Does not change the other seeds, bit by bit, when one seed's gradients are NaN."""
    plain, with_nan = descend(case.factory), descend(case.factory, diverged=1)
    for member in (0, 2):
        equal = all(equal_bits(with_nan[name][member], plain[name][member]) for name in SHAPES)
        require(equal, "a seed whose gradients are NaN changes other seeds: it combines all parameters.")


def take_steps(optimizer: Any, leaves: dict[str, Tensor], steps: range) -> None:
    """Take these steps of the stacked members, each along its own gradients."""
    for step in steps:
        for name, slope in draw_gradients(step).items():
            leaves[name].grad = slope
        optimizer.step()


@rule()
def makes_independent_optimizers(case: OptimizerCase) -> None:
    """Makes a new optimizer at each call, so that neither player sees the steps of the other one."""
    first, second = descend(case.factory), descend(case.factory)
    equal = all(equal_bits(first[name], second[name]) for name in SHAPES)
    require(
        equal,
        "two optimizers of one factory move equal parameters along equal gradients to different places: they share "
        "a state, or draw random numbers. Keep what changes in `self.state` of each.",
    )


@rule()
def continues_from_a_checkpoint(case: OptimizerCase) -> None:
    """Ends in the same bits where its state is saved after some steps, and restored in a new optimizer."""
    for stop in (STEPS // 2, STEPS // 2 + 1):  # an odd and an even number of steps, for optimizers that alternate
        leaves = {n: torch.ones(MEMBERS, *s, dtype=torch.float64).requires_grad_() for n, s in SHAPES.items()}
        optimizer = case.factory(list(leaves.values()))
        take_steps(optimizer, leaves, range(stop))
        try:
            numbers, tensors = save_optimizer(optimizer)
        except TypeError as error:
            raise ContractError(f"{error}: a run that is killed could not continue. Use these.") from error
        restored = case.factory(list(leaves.values()))
        restore_optimizer(restored, numbers, tensors)
        take_steps(restored, leaves, range(stop, STEPS))
        whole = descend(case.factory)
        require(
            all(equal_bits(leaf.detach(), whole[name]) for name, leaf in leaves.items()),
            f"restored from its state after {stop} steps it goes elsewhere, so a run that is killed would end "
            "elsewhere: keep all that changes, counts included, in `self.state` or the parameter groups.",
        )


@rule(lambda case: bool(case.subject.offered.options.scalars))
def optimizer_follows_schedules(case: OptimizerCase) -> None:
    """Reads an option annotated Scalar at every step, so that it may be a schedule."""
    for name, schedule, value in find_schedulable_options(case.subject):
        scheduled = case.subject.offer.build(**{**case.subject.options, name: schedule})
        fresh = case.subject.offer.build(**{**case.subject.options, name: value})

        def move_schedule(
            parameters: Any, schedule: Tensor = schedule, value: float = value, factory: Any = scheduled
        ) -> Any:
            optimizer = factory(parameters)  # made while the schedule has its first value, as in a run
            schedule.fill_(value)
            return optimizer

        gap = largest_difference(descend(move_schedule), descend(fresh))
        require(
            gap <= TOLERANCE,
            f"the option {name!r} is a Scalar, but a schedule of it changes nothing (off by {gap:.2g}): use the tensor "
            "itself at every step, without float().",
        )


@rule(lambda case: bool(case.subject.offer.proportional_to))
def is_proportional_to_its_rate(case: OptimizerCase) -> None:
    """Takes steps that are proportional to the option that it declares as `proportional_to`."""
    name = case.subject.offer.proportional_to
    require(
        name in case.subject.offered.options.scalars,
        f"proportional_to = {name!r} is no option of it that is annotated Scalar. Name one, such as lr: Scalar, or "
        'leave it "".',
    )
    unit, *others = (collect_moves(case.subject.build(**{name: rate})) for rate in (1.0, 0.25, 0.01))
    for rate, moves in zip((0.25, 0.01), others, strict=True):
        gap = largest_difference(moves, [rate * move for move in unit])
        require(
            gap <= TOLERANCE,
            f"with {name} = {rate} a step is off by {gap:.2g} from {rate} times that with {name} = 1, from the same "
            "weights along the same gradients: remove proportional_to, then each value has an optimizer of its own.",
        )


def collect_moves(factory: OptimizerFactory) -> list[Tensor]:
    """Return how far an optimizer moves the weights in each of some steps.

    The weights are put elsewhere before each step, as steps of another size would have: to the same place for each
    optimizer.
    """
    leaves = {n: torch.ones(MEMBERS, *s, dtype=torch.float64).requires_grad_() for n, s in SHAPES.items()}
    optimizer, moves = factory(list(leaves.values())), []
    for step in range(2 * STEPS):
        starts = draw_gradients(1000 + step)
        for name, leaf in leaves.items():
            leaf.detach().copy_(starts[name])
        take_steps(optimizer, leaves, range(step, step + 1))
        moves += [leaf.detach() - starts[name] for name, leaf in leaves.items()]
    return moves


RULES = (
    keeps_seeds_apart,
    keeps_diverged_seeds_apart,
    makes_independent_optimizers,
    continues_from_a_checkpoint,
    optimizer_follows_schedules,
    is_proportional_to_its_rate,
)
