"""Contract rules for dynamics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch.utils._pytree import tree_map

from ganbench.api.training import Constraint, Dynamics
from ganbench.testing.offers import dials
from ganbench.testing.optimizers import BALANCED, FLAT
from ganbench.testing.purity import Capture, largest_difference, require_no_global_random, require_unchanged
from ganbench.testing.rule import TOLERANCE, Subject, require, rule
from ganbench.testing.small_game import SmallGame, make_game, train


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

    def scene(self) -> SmallGame:
        """Give a game in which nothing but the dynamics is odd."""
        return make_game(Constraint(), FLAT)


def cases(subject: Subject) -> list[DynamicsCase]:
    """Give the one case of dynamics."""
    return [DynamicsCase(subject)]


@rule()
def is_dynamics(case: DynamicsCase) -> None:
    """Gives gradients of the player's own parameters by name and shape, and what the losses remember."""
    require(isinstance(case.dynamics, Dynamics), f"build gives {case.dynamics!r}. It must give a Dynamics.")
    for player, move in case.moves.items():
        scene = case.scene()
        own = scene.g if player == "generator" else scene.d
        with require_unchanged("the players' parameters", (scene.g, scene.d)), require_no_global_random():
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
    gap = largest_difference(mapped, looped)
    require(gap <= TOLERANCE, f"three seeds end {gap:.2g} apart in a loop and mapped: it mixes seeds or keeps a state.")
    alone = train(None, FLAT, mode="loop", seeds=(1,), dynamics=case.dynamics, objective=BALANCED)
    gap = largest_difference(tree_map(lambda t: t[1:2], mapped), alone)
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
            gap = largest_difference(ends[0], ends[1])
            require(gap <= TOLERANCE, f"the option {name!r} is a Scalar, but a schedule of it changes nothing.")


RULES = (is_dynamics, dynamics_map_over_seeds, dynamics_can_be_captured, dynamics_follow_schedules)
