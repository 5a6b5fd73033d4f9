"""Consensus optimization: both players also minimise the length of the game's gradient field.

Mescheder, Nowozin, Geiger 2017, "The Numerics of GANs", arXiv:1705.10461.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

from ganbench import Dynamics, Losses, Offer, Parameters, Scalar, hookimpl
from torch import Tensor
from torch.func import grad


def energy(losses: Losses, g: Parameters, d: Parameters) -> Tensor:
    """Return half the squared length of the gradient field, 1/2 (|grad_g L_G|^2 + |grad_d L_D|^2)."""
    of_g, _ = grad(losses.generator, argnums=0, has_aux=True)(g, d)
    of_d, _ = grad(losses.critic, argnums=1, has_aux=True)(g, d)
    squares = [slope.square().sum() for slope in (*of_g.values(), *of_d.values())]
    return sum(squares[1:], squares[0]) / 2


def build(gamma: Scalar = 0.1) -> Dynamics:
    """Build each player's gradient: that of its own loss plus `gamma` times that of the energy (algorithm 1).

    0.1 is the value in the authors' code for CIFAR-10.
    """

    def move(player: Literal["generator", "critic"], own: int) -> Callable[..., tuple[Parameters, Any]]:
        def gradients(losses: Losses, g: Parameters, d: Parameters) -> tuple[Parameters, Any]:
            slope, memory = grad(getattr(losses, player), argnums=own, has_aux=True)(g, d)
            pull = grad(lambda g, d: energy(losses, g, d), argnums=own)(g, d)
            return {name: slope[name] + gamma * pull[name] for name in slope}, memory

        return gradients

    return Dynamics(generator=move("generator", 0), critic=move("critic", 1), together=True)


@hookimpl
def ganbench_dynamics() -> Iterator[Offer]:
    yield Offer(
        "consensus",
        build,
        "Both players also descend the squared length of the game's gradient field.",
        reference="Mescheder et al. 2017, arXiv:1705.10461, algorithm 1",
        formula="grad L + gamma grad 1/2 |v|^2, v = (grad_g L_G, grad_d L_D)",
    )
