"""One generator step as a differentiable map: near an equilibrium its eigenvalues say who settles, circles or leaves.

Mescheder, Nowozin, Geiger 2017, "The Numerics of GANs", arXiv:1705.10461, section 3: a step that multiplies small
distances by A ends in the equilibrium if every eigenvalue of A lies within the unit circle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.func import grad, jacrev

from ganbench.api.models import Networks
from ganbench.api.training import Parameters
from ganbench.engine.ensemble import build_stages
from ganbench.engine.functional import map_leaves
from ganbench.engine.program import Program
from ganbench.engine.step import MemberLosses
from ganbench.engine.step_inputs import StepInputs
from ganbench.engine.train import Training

PLAYERS = ("generator", "critic")


@dataclass(frozen=True, kw_only=True)
class Descent:
    """One generator step of one member by gradient descent, and the critic's steps that go with it, as a pure map.

    Losses, terms, dynamics, order and projections are the training's own; every critic step sees the same draws.
    """

    program: Program
    networks: Networks
    buffers: Mapping[str, Parameters]
    chance: Mapping[str, Mapping[str, Any]]
    state: Mapping[str, Any]
    progress: Tensor
    lr: float

    def __call__(self, g: Parameters, d: Parameters) -> tuple[Parameters, Parameters]:
        """Give both players after the step."""
        turns: list[tuple[str, ...]] = [("critic",)] * self.program.critic_steps(0)
        turns = [("generator",), *turns] if self.program.generator_first else [*turns, ("generator",)]
        now, state = {"generator": g, "critic": d}, self.state
        for movers in [("critic", "generator")] if self.program.dynamics.together else turns:
            slopes: dict[str, Parameters] = {}
            for player in movers:
                slopes[player], state = self.gradients(player, now, state, movers[0])
            for player, own in slopes.items():
                now[player] = {name: weights - self.lr * own[name] for name, weights in now[player].items()}
            if "critic" in movers:
                now["critic"] = self.projected(now["critic"])
        return now["generator"], now["critic"]

    def gradients(self, player: str, now: Mapping[str, Parameters], state: Any, whose: str) -> tuple[Parameters, Any]:
        """Give one player's gradients on the draws of the mover `whose`, and the plugins' new state."""
        due = frozenset(link.name for link in self.program.terms)
        losses = MemberLosses(self.program, self.networks, self.buffers, self.chance[whose], state, self.progress, due)
        move = getattr(self.program.dynamics, player)
        if move is None:
            move = grad(getattr(losses, player), argnums=PLAYERS.index(player), has_aux=True)
            own, memory = move(now["generator"], now["critic"])
        else:
            own, memory = move(losses, now["generator"], now["critic"])
        return own, memory["state"]

    def projected(self, d: Parameters) -> Parameters:
        """Give the critic's parameters within what the constraints allow (clipping)."""
        for link in self.program.constraints:
            if link.part.project is not None:
                d = {**d, **link.part.project(d, self.progress)}
        return d


def first_step(run: Training, lr: float, member: int = 0) -> Descent:
    """Give the step that a training's first stage would take at its first draws, if both players went by `lr`."""
    ask = run.program.ask(run.source, run.critic_norm)
    ensemble = build_stages(run.space, run.spec, ask, run.members, run.device, run.dtype)[0]
    shape = run.sample_shape(ensemble.networks)
    chance = {
        player: StepInputs(run.program, ensemble.networks, run.data, run.members, player, shape).next()
        for player in PLAYERS
    }
    own = {"buffers": ensemble.buffers, "chance": chance, "state": run.initial_state(ensemble)}
    of_member = map_leaves(lambda stacked: stacked[member], own)
    return Descent(program=run.program, networks=ensemble.networks, progress=run.progress, lr=lr, **of_member)


def step_jacobian(step: Descent, g: Parameters, d: Parameters) -> Tensor:
    """Give the derivative of the step at (g, d), [P, P]: generator before critic, parameters as they come."""

    def flat(players: Sequence[Parameters]) -> Tensor:
        return torch.cat([weights.flatten() for own in players for weights in own.values()])

    def stepped(at: Tensor) -> Tensor:
        parts = iter(at.split([weights.numel() for own in (g, d) for weights in own.values()]))
        return flat(step(*({name: next(parts).view_as(weights) for name, weights in own.items()} for own in (g, d))))

    return jacrev(stepped)(flat((g, d)))
