"""Spectral normalisation: every weight of the critic is divided by its largest singular value.

Miyato et al. 2018, "Spectral Normalization for Generative Adversarial Networks", arXiv:1802.05957, algorithm 1;
Sedghi, Gupta, Long 2019, "The Singular Values of Convolutional Layers", arXiv:1805.10408, theorem 6.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Le
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


def operator_norm(kernel: Tensor, side: int) -> Tensor:
    """Return the largest singular value of a convolution, kernel [out, in, k, k], on a torus of `side` x `side` pixels.

    In the Fourier basis the operator is one matrix [out, in] for each frequency. With a stride it is a bound.
    """
    frequencies = torch.fft.rfft2(kernel, s=(side, side)).flatten(2).permute(2, 0, 1)
    largest: Tensor = torch.linalg.svdvals(frequencies).amax()
    return largest


def build(
    operator: Literal["matrix", "convolution"] = "matrix", side: Annotated[int, Ge(4), Le(256)] = 32
) -> Constraint:
    """Build the reparametrisation of every weight with two or more axes, by one power iteration a step.

    A convolution is normalised as the matrix [out, -1], as in the paper, which is not its norm as an operator; with
    "convolution" it is divided by that, exactly, on images of `side` pixels that are continued periodically. This takes
    a singular value decomposition for each frequency, many times as long. Biases, and the gains of normalisations, are
    no matrices, however many axes they have.
    """

    def is_exact(weight: Tensor) -> bool:
        return operator == "convolution" and weight.ndim == 4

    def start(parameters: Parameters, rng: torch.Generator) -> State:
        vectors = init(parameters, rng)
        # the exact norm needs no vector; its zero-sized entry says which weights there are
        return {name: u[:0] if is_exact(parameters[name]) else u for name, u in vectors.items()}

    def divide(parameters: Parameters, state: State) -> tuple[Parameters, State]:
        exact = {name for name in state if is_exact(parameters[name])}
        normalised, memory = reparametrise(parameters, {name: u for name, u in state.items() if name not in exact})
        norms = {name: operator_norm(parameters[name], side) for name in exact}
        divided = {name: parameters[name] / torch.where(norm == 0, 1.0, norm) for name, norm in norms.items()}
        return {**normalised, **divided}, {name: memory.get(name, u) for name, u in state.items()}

    if operator == "matrix":
        return Constraint(init=init, reparametrise=reparametrise, weights_only=True)
    return Constraint(init=start, reparametrise=divide, weights_only=True)


@hookimpl
def ganbench_constraints() -> Iterator[Offer]:
    yield Offer(
        "spectral-norm",
        build,
        "Divides each weight of the critic by its largest singular value, one power iteration a step.",
        reference="Miyato et al. 2018, arXiv:1802.05957, equation 8 and algorithm 1; Sedghi et al. 2019",
        formula="W / sigma(W), sigma = u' W v",
    )
