"""The rules for what moves the players: optimizers and dynamics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from ganbench.api.training import Constraint, Dynamics, Objective, OptimizerFactory
from ganbench.testing.offers import dials
from ganbench.testing.purity import Capture, apart, no_global_chance, same, unchanged
from ganbench.testing.rule import TOLERANCE, Subject, require, rule
from ganbench.testing.small_game import GAME, Scene, set_scene, train

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


@dataclass(frozen=True)
class DynamicsCase:
    """Dynamics under test."""

    subject: Subject

    @cached_property
    def dynamics(self) -> Dynamics:
        """The dynamics."""
        built: Dynamics = self.subject.build()
        return built

    @property
    def moves(self) -> Mapping[str, Any]:
        """The players that have a move of their own."""
        each = {"critic": self.dynamics.critic, "generator": self.dynamics.generator}
        return {player: move for player, move in each.items() if move is not None}

    def scene(self) -> Scene:
        """Give a game in which nothing but the dynamics is odd."""
        return set_scene(Constraint(), FLAT)


def optimizer_cases(subject: Subject) -> list[OptimizerCase]:
    """Give the one case of an optimizer."""
    return [OptimizerCase(subject)]


def dynamics_cases(subject: Subject) -> list[DynamicsCase]:
    """Give the one case of dynamics."""
    return [DynamicsCase(subject)]


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
        gap = apart(tree_map(lambda p, m=member: p[m], stacked), descend(case.factory, member))
        require(
            gap <= 1e-12,
            f"a seed ends {gap:.2g} away from where it ends alone: it is not elementwise (a norm or a scale over all "
            "parameters mixes the seeds that are stacked in them).",
        )


@rule()
def keeps_the_dead_apart(case: OptimizerCase) -> None:
    """Leaves the neighbours of a seed whose gradients are NaN where they are, bit by bit."""
    plain, poisoned = descend(case.factory), descend(case.factory, poison=1)
    for member in (0, 2):
        kept = all(same(poisoned[name][member], plain[name][member]) for name in SHAPES)
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

        gap = apart(descend(turned), descend(fresh))
        require(
            gap <= TOLERANCE,
            f"the option {name!r} is a Scalar, but a schedule of it changes nothing (off by {gap:.2g}).",
        )


@rule()
def is_dynamics(case: DynamicsCase) -> None:
    """Gives gradients of the player's own parameters by name and shape, and what the losses remember."""
    require(isinstance(case.dynamics, Dynamics), f"build gives {case.dynamics!r}. It must give a Dynamics.")
    for player, move in case.moves.items():
        scene = case.scene()
        own = scene.g if player == "generator" else scene.d
        with unchanged("the players' parameters", (scene.g, scene.d)), no_global_chance():
            result = move(scene.losses(player), scene.g, scene.d)
        require(isinstance(result, tuple) and len(result) == 2, f"the {player}'s move must give (gradients, memory).")
        gradients, memory = result
        require(
            gradients.keys() == own.keys(),
            f"the {player}'s move gives gradients of {sorted(gradients)}; its own parameters are {sorted(own)}.",
        )
        for name, slope in gradients.items():
            require(
                slope.shape == own[name].shape, f"the gradient of {name!r} is {list(slope.shape)}: as the parameter."
            )
            require(bool(slope.isfinite().all()), f"the {player}'s gradient of {name!r} is not finite.")
        passed = isinstance(memory, Mapping) and {"state", "loss"} <= memory.keys()
        require(passed, f"the {player}'s move loses the memory: give on what the loss gives as its second part.")
        require(any(bool(s.abs().sum() > 0) for s in gradients.values()), f"the {player}'s gradients are all zero.")


@rule(lambda case: case.subject.offer.stackable)
def dynamics_map_over_seeds(case: DynamicsCase) -> None:
    """Trains several seeds as one to where it trains each alone, with a loss that has a state."""
    mapped = train(None, FLAT, mode="stack", dynamics=case.dynamics, objective=BALANCED)
    looped = train(None, FLAT, mode="loop", dynamics=case.dynamics, objective=BALANCED)
    gap = apart(mapped, looped)
    require(gap <= TOLERANCE, f"three seeds end {gap:.2g} apart in a loop and mapped: it mixes seeds or keeps a state.")
    alone = train(None, FLAT, mode="loop", seeds=(1,), dynamics=case.dynamics, objective=BALANCED)
    gap = apart(tree_map(lambda t: t[1:2], mapped), alone)
    require(gap <= TOLERANCE, f"a seed ends {gap:.2g} away from where it ends alone: it looks at other seeds.")


@rule(lambda case: case.subject.offer.stackable and bool(case.moves))
def dynamics_can_be_captured(case: DynamicsCase) -> None:
    """Keeps to operations that a CUDA graph can replay."""
    scene = case.scene()
    with Capture():
        for player, move in case.moves.items():
            move(scene.losses(player), scene.g, scene.d)


@rule(lambda case: bool(case.subject.offered.options.scalars) and bool(case.moves))
def dynamics_follow_schedules(case: DynamicsCase) -> None:
    """Reads an option annotated Scalar at every step, so that it may be a schedule."""
    for name, dial, other in dials(case.subject):
        moved = DynamicsCase(Subject(case.subject.offered, case.subject.registry, case.subject.options))
        moved.__dict__["dynamics"] = case.subject.offer.build(**{**case.subject.options, name: dial})
        dial.fill_(other)
        fresh: Dynamics = case.subject.offer.build(**{**case.subject.options, name: other})
        scene = case.scene()
        for player, move in moved.moves.items():
            ends = [each(scene.losses(player), scene.g, scene.d)[0] for each in (move, getattr(fresh, player))]
            gap = apart(ends[0], ends[1])
            require(gap <= TOLERANCE, f"the option {name!r} is a Scalar, but a schedule of it changes nothing.")


OPTIMIZER_RULES = (keeps_seeds_apart, keeps_the_dead_apart, optimizer_follows_schedules)
DYNAMICS_RULES = (is_dynamics, dynamics_map_over_seeds, dynamics_can_be_captured, dynamics_follow_schedules)
