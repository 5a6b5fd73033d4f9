"""Contract rules for dynamics: their gradients, mapping over seeds, capture and schedules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch.utils._pytree import tree_map

from ganbench.api.training import Constraint, Dynamics
from ganbench.testing.constraints import PROGRESS
from ganbench.testing.offers import find_schedulable_options
from ganbench.testing.optimizers import COUNTING_LOSS, FLAT
from ganbench.testing.purity import (
    Capture,
    largest_difference,
    require_equal_calls,
    require_no_global_random,
    require_unchanged,
)
from ganbench.testing.rule import TOLERANCE, Subject, always, is_stackable, require, rule
from ganbench.testing.small_game import SmallGame, make_game, train


@dataclass(frozen=True)
class DynamicsCase:
    """One offer of dynamics under test."""

    subject: Subject

    @cached_property
    def dynamics(self) -> Dynamics:
        """The dynamics that the offer builds."""
        built: Dynamics = self.subject.build()
        return built

    @property
    def moves(self) -> Mapping[str, Any]:
        """The moves that the dynamics define, by player."""
        moves = {"critic": self.dynamics.critic, "generator": self.dynamics.generator}
        return {player: move for player, move in moves.items() if move is not None}

    def game(self) -> SmallGame:
        """Return a game without constraints, in which only the dynamics can be wrong."""
        return make_game(Constraint(), FLAT)


def cases(subject: Subject) -> list[DynamicsCase]:
    """Return the one case of dynamics."""
    return [DynamicsCase(subject)]


@rule(vital=always)
def is_dynamics(case: DynamicsCase) -> None:
    """Returns the gradients of the player's own parameters by name and shape, and the states that `losses` returned."""
    require(isinstance(case.dynamics, Dynamics), f"build returns {case.dynamics!r}. It must return a Dynamics.")
    require_lookahead(case.dynamics.lookahead)
    for player, move in case.moves.items():
        game = case.game()
        parameters = game.g if player == "generator" else game.d
        with require_unchanged("the players' parameters", (game.g, game.d)), require_no_global_random():
            result = move(game.losses(player), game.g, game.d)
        require(isinstance(result, tuple) and len(result) == 2, f"the {player}'s move must return (gradients, states).")
        gradients, states = result
        require(
            gradients.keys() == parameters.keys(),
            f"the {player}'s move returns gradients of {sorted(gradients)}; its own parameters are "
            f"{sorted(parameters)}: return one gradient for each.",
        )
        for name, slope in gradients.items():
            require(
                slope.shape == parameters[name].shape,
                f"the gradient of {name!r} is {list(slope.shape)}, and the parameter is "
                f"{list(parameters[name].shape)}: keep its shape.",
            )
            require(bool(slope.isfinite().all()), f"the {player}'s gradient of {name!r} is not finite.")
        is_passed_on = isinstance(states, Mapping) and {"state", "loss"} <= states.keys()
        require(is_passed_on, f"the {player}'s move drops the states: return the second value of `losses`.")
        require(
            any(bool(slope.abs().sum() > 0) for slope in gradients.values()),
            f"the {player}'s gradients are all zero: it does not move.",
        )


def require_lookahead(lookahead: Any) -> None:
    """Raise ContractError unless lookahead is None, or a period of generator steps and a share of the way."""
    if lookahead is None:
        return
    require(
        isinstance(lookahead, tuple) and len(lookahead) == 2,
        f"lookahead = {lookahead!r}: give the number of generator steps and the share of the way, as in (5, 0.5).",
    )
    period, share = lookahead
    whole = isinstance(period, int) and not isinstance(period, bool) and period >= 1
    require(whole, f"lookahead after {period!r} generator steps: give an integer of 1 or more.")
    require(
        isinstance(share, int | float) and 0 < share <= 1,
        f"lookahead keeps a share of {share!r} of the way: give a number above 0, at most 1.",
    )


@rule(is_stackable, vital=always)
def dynamics_map_over_seeds(case: DynamicsCase) -> None:
    """Trains several seeds together to the same result as each alone, with a loss that has a state."""
    mapped = train(None, FLAT, mode="stack", dynamics=case.dynamics, objective=COUNTING_LOSS)
    looped = train(None, FLAT, mode="loop", dynamics=case.dynamics, objective=COUNTING_LOSS)
    gap = largest_difference(mapped, looped)
    require(
        gap <= TOLERANCE,
        f"three seeds trained in a loop end {gap:.2g} away from mapped seeds: it mixes seeds, or keeps a state.",
    )
    alone = train(None, FLAT, mode="loop", seeds=(1,), dynamics=case.dynamics, objective=COUNTING_LOSS)
    gap = largest_difference(tree_map(lambda t: t[1:2], mapped), alone)
    require(gap <= TOLERANCE, f"a mapped seed ends {gap:.2g} away from where it ends alone: it reads other seeds.")


@rule(lambda case: bool(case.moves))
def dynamics_repeat_their_gradients(case: DynamicsCase) -> None:
    """Returns equal gradients for equal inputs in each of many calls, at any progress, and keeps no state in Python."""
    fresh, game = DynamicsCase(case.subject), case.game()
    games = [replace(game, progress=torch.full_like(game.progress, at)) for at in PROGRESS]

    def call(point: int) -> list[Any]:
        at = games[point]
        return [move(at.losses(player), at.g, at.d) for player, move in fresh.moves.items()]

    require_equal_calls(fresh.dynamics, call, len(games))


@rule(lambda case: case.subject.offer.stackable and bool(case.moves))
def dynamics_can_be_captured(case: DynamicsCase) -> None:
    """Uses only operations that a CUDA graph can replay."""
    game = case.game()
    with Capture():
        for player, move in case.moves.items():
            move(game.losses(player), game.g, game.d)


@rule(lambda case: bool(case.subject.offered.options.scalars) and bool(case.moves))
def dynamics_follow_schedules(case: DynamicsCase) -> None:
    """Reads an option annotated Scalar at every step, so that it may be a schedule."""
    for name, schedule, value in find_schedulable_options(case.subject):
        scheduled = DynamicsCase(Subject(case.subject.offered, case.subject.registry, case.subject.options))
        scheduled.__dict__["dynamics"] = case.subject.offer.build(**{**case.subject.options, name: schedule})
        schedule.fill_(value)
        fresh: Dynamics = case.subject.offer.build(**{**case.subject.options, name: value})
        game = case.game()
        for player, move in scheduled.moves.items():
            gradients, expected = (
                function(game.losses(player), game.g, game.d)[0] for function in (move, getattr(fresh, player))
            )
            require(
                largest_difference(gradients, expected) <= TOLERANCE,
                f"the option {name!r} is a Scalar, but a schedule of it changes nothing: use the tensor itself at "
                "every call, without float().",
            )


RULES = (
    is_dynamics,
    dynamics_map_over_seeds,
    dynamics_repeat_their_gradients,
    dynamics_can_be_captured,
    dynamics_follow_schedules,
)
