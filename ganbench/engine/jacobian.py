"""One generator step as a differentiable map, whose eigenvalues at an equilibrium decide local convergence.

Mescheder, Nowozin, Geiger 2017, "The Numerics of GANs", arXiv:1705.10461, section 3: a step with the Jacobian A at the
equilibrium converges locally to it if every eigenvalue of A lies within the unit circle.
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
from ganbench.engine.member_losses import MemberLosses
from ganbench.engine.program import Program
from ganbench.engine.step_inputs import StepInputs
from ganbench.engine.train import Training

PLAYERS = ("generator", "critic")


@dataclass(frozen=True, kw_only=True)
class Descent:
    """One generator step of one member by gradient descent, with its critic steps, as a pure map of both players.

    Losses, terms, dynamics, order and projections are those of the training. All critic steps use the same random
    numbers and data. `lr` is the learning rate of both players.
    """

    program: Program
    networks: Networks
    buffers: Mapping[str, Parameters]
    step_inputs: Mapping[str, Mapping[str, Any]]
    state: Mapping[str, Any]
    progress: Tensor
    lr: float

    def __call__(self, g: Parameters, d: Parameters) -> tuple[Parameters, Parameters]:
        """Return the parameters of both players after the step."""
        updates: list[tuple[str, ...]] = [("critic",)] * self.program.critic_steps(0)
        updates = [("generator",), *updates] if self.program.generator_first else [*updates, ("generator",)]
        current, state = {"generator": g, "critic": d}, self.state
        for players in [("critic", "generator")] if self.program.dynamics.together else updates:
            gradients: dict[str, Parameters] = {}
            for player in players:
                gradients[player], state = self.gradients(player, current, state, players[0])
            for player, slopes in gradients.items():
                current[player] = {name: weights - self.lr * slopes[name] for name, weights in current[player].items()}
            if "critic" in players:
                current["critic"] = self.project(current["critic"])
        return current["generator"], current["critic"]

    def gradients(
        self, player: str, current: Mapping[str, Parameters], state: Any, inputs_of: str
    ) -> tuple[Parameters, Any]:
        """Return one player's gradients on the step inputs of the player `inputs_of`, and the plugins' new states."""
        due = frozenset(link.name for link in self.program.terms)
        losses = MemberLosses(
            self.program, self.networks, self.buffers, self.step_inputs[inputs_of], state, self.progress, due
        )
        move = getattr(self.program.dynamics, player)
        if move is None:
            move = grad(getattr(losses, player), argnums=PLAYERS.index(player), has_aux=True)
            gradients, aux = move(current["generator"], current["critic"])
        else:
            gradients, aux = move(losses, current["generator"], current["critic"])
        return gradients, aux["state"]

    def project(self, d: Parameters) -> Parameters:
        """Return the critic's parameters after the projections of the constraints (weight clipping)."""
        for link in self.program.constraints:
            if link.part.project is not None:
                d = {**d, **link.part.project(d, self.progress)}
        return d


def build_first_step(run: Training, lr: float, member: int = 0) -> Descent:
    """Return the first step of a training's first stage, by gradient descent with this learning rate."""
    ask = run.program.build_ask(run.source, run.critic_norm)
    ensemble = build_stages(run.space, run.spec, ask, run.members, run.device, run.dtype)[0]
    shape = run.sample_shape(ensemble.networks)
    step_inputs = {
        player: StepInputs(run.program, ensemble.networks, run.data, run.members, player, shape).next()
        for player in PLAYERS
    }
    stacked = {"buffers": ensemble.buffers, "step_inputs": step_inputs, "state": run.initial_state(ensemble)}
    fields = map_leaves(lambda tensor: tensor[member], stacked)
    return Descent(program=run.program_of(member), networks=ensemble.networks, progress=run.progress, lr=lr, **fields)


def step_jacobian(step: Descent, g: Parameters, d: Parameters) -> Tensor:
    """Return the Jacobian of the step at (g, d), [P, P]: the generator's parameters first, each in its order."""

    def flatten(players: Sequence[Parameters]) -> Tensor:
        return torch.cat([weights.flatten() for parameters in players for weights in parameters.values()])

    def flat_step(vector: Tensor) -> Tensor:
        parts = iter(vector.split([weights.numel() for parameters in (g, d) for weights in parameters.values()]))
        players = (
            {name: next(parts).view_as(weights) for name, weights in parameters.items()} for parameters in (g, d)
        )
        return flatten(step(*players))

    return jacrev(flat_step)(flatten((g, d)))
