"""Spectral normalisation: every weight of the critic is divided by its largest singular value.

Miyato et al. 2018, "Spectral Normalization for Generative Adversarial Networks", arXiv:1802.05957, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from ganbench import Constraint, Offer, Parameters, State, hookimpl
from torch import Tensor
from torch.nn.functional import normalize


def init(parameters: Parameters, rng: torch.Generator) -> State:
    """Draw a unit vector u [out] for each weight of two or more axes."""
    return {
        name: normalize(torch.randn(len(weight), generator=rng, dtype=weight.dtype, device=rng.device), dim=0).to(
            weight
        )
        for name, weight in parameters.items()
        if weight.ndim >= 2
    }


def power_iteration(weight: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """Return (sigma, u) after one step of the power method on `weight` [out, in] from `u` [out].

    Sigma = u' W v is differentiable in W only: at the fixed point the derivatives through u and v vanish. Of a matrix
    of zeros, sigma is 1 and u stays: it has no direction yet.
    """
    constant = weight.detach()
    v = normalize(u @ constant, dim=0)
    image = constant @ v
    is_zero = (image == 0).all()
    u = torch.where(is_zero, u, normalize(image, dim=0))
    return torch.where(is_zero, 1.0, u @ weight @ v), u


def reparametrise(parameters: Parameters, state: State) -> tuple[Parameters, State]:
    """Return W / sigma(W) for the weights that have a u, all other parameters unchanged, and each next u."""
    normalised, memory = dict(parameters), {}
    for name, u in state.items():
        sigma, memory[name] = power_iteration(parameters[name].flatten(1), u)
        normalised[name] = parameters[name] / sigma
    return normalised, memory


def build() -> Constraint:
    """Build the reparametrisation; a convolution is normalised as the matrix [out, -1], as in the paper.

    Biases, and the gains of normalisations, are no matrices, however many axes they have.
    """
    return Constraint(init=init, reparametrise=reparametrise, weights_only=True)


@hookimpl
def ganbench_constraints() -> Iterator[Offer]:
    yield Offer(
        "spectral-norm",
        build,
        "Divides each weight of the critic by its largest singular value, one power iteration a step.",
        reference="Miyato et al. 2018, arXiv:1802.05957, equation 8 and algorithm 1",
        formula="W / sigma(W), sigma = u' W v",
    )
