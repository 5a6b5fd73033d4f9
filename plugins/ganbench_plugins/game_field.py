"""The game's gradient field: the gradients of both players' losses as one function of all parameters.

Mescheder, Nowozin, Geiger 2017, "The Numerics of GANs", arXiv:1705.10461, section 3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from ganbench import Evidence, Parameters
from torch import Tensor
from torch.func import grad

Field = Callable[[Tensor], Tensor]


def flatten_parameters(players: Sequence[Mapping[str, Tensor]]) -> Tensor:
    """Return the tensors of all players in their order, as one vector [p]."""
    return torch.cat([tensor.flatten() for player in players for tensor in player.values()])


def open_field(evidence: Evidence, number: int) -> tuple[Field, Tensor]:
    """Return v = (-grad_g L_G, -grad_d L_D) on one batch as a function of all parameters [p], and these parameters."""
    step = evidence.step(number)
    players = [evidence.generator_parameters, evidence.critic_parameters]
    shapes = [(name, tensor.shape) for player in players for name, tensor in player.items()]
    counts, start = [tensor.numel() for player in players for tensor in player.values()], len(players[0])

    def split(point: Tensor) -> tuple[Parameters, Parameters]:
        parts = [part.reshape(shape) for part, (_, shape) in zip(point.split(counts), shapes, strict=True)]
        named = list(zip((name for name, _ in shapes), parts, strict=True))
        return dict(named[:start]), dict(named[start:])

    def field(point: Tensor) -> Tensor:
        g, d = split(point)
        slopes = (grad(step.generator, argnums=0)(g, d), grad(step.critic, argnums=1)(g, d))
        return -flatten_parameters(slopes)

    return field, flatten_parameters(players)
