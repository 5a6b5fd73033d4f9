"""The boundary equilibrium GAN: the critic is an autoencoder, and the game is kept at a ratio of the two errors.

Berthelot, Schumm, Metz 2017, "BEGAN: Boundary Equilibrium Generative Adversarial Networks", arXiv:1703.10717.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Literal

import torch
from ganbench import Example, GanbenchError, Objective, Offer, Scalar, State, hookimpl
from torch import Tensor

from ganbench_plugins.losses.energy_based import read_errors

SIGNALS = ("k", "measure", "error", "mean_image")


def build(gamma: Scalar = 0.5, lambda_k: Scalar = 0.001, exponent: Literal[1, 2] = 1) -> Objective:
    """Build the game of section 3.3. L(v) is the mean of |v - AE(v)| to the power `exponent` over a sample's elements.

    `gamma` is the ratio of L(G) to L(x) that the game is kept at; less means less diverse samples. `lambda_k` is the
    step of k, which each critic step moves once, from 0 and within [0, 1].
    The signals are `k`, `measure` (the paper's M_global, low when training went well), `error`, the mean L of real
    samples, and `mean_image`, what it would be if every reconstruction were the mean image of the batch.
    """
    for name, value in (("gamma", gamma), ("lambda_k", lambda_k)):
        if not isinstance(value, Tensor) and not 0 <= value <= 1:
            raise GanbenchError(f"{name} = {value}: give a number from 0 to 1.")

    def measure(difference: Tensor) -> Tensor:
        return difference.flatten(1).abs().pow(exponent).mean(1)

    def critic(real: Tensor, fake: Tensor, state: State) -> tuple[Tensor, State]:
        error, mean_image = real.mean(0).unbind()
        fake_error = fake[:, 0].mean()
        balance = gamma * error - fake_error
        k = (state["k"] + lambda_k * balance).clamp(0, 1)
        values = (k, error + balance.abs(), error, mean_image)
        return error - state["k"] * fake_error, dict(zip(SIGNALS, values, strict=True))

    def generator(real: Tensor | None, fake: Tensor, state: State) -> tuple[Tensor, State]:
        return fake[:, 0].mean(), state

    return Objective(
        critic,
        generator,
        init=lambda: {name: torch.zeros(()) for name in SIGNALS},
        head="reconstruction",
        read=partial(read_errors, measure),
        witness=lambda seen, real, fake: seen[:, 0],
    )


# the samples of the contract tests are 0, and k is 0 before the first step
RECONSTRUCTIONS = {"real": [[3.0, -1.0], [0.0, 0.0]], "fake": [[4.0, 2.0], [-1.0, 1.0]]}


@hookimpl
def ganbench_losses() -> Iterator[Offer]:
    yield Offer(
        "began",
        build,
        "A critic that reconstructs, with a controller that keeps the errors of fakes and real samples at a ratio.",
        reference="Berthelot et al. 2017, arXiv:1703.10717, sections 3.3 and 3.4",
        formula="critic L(x) - k L(G); generator L(G); k <- clip(k + lambda_k (gamma L(x) - L(G)), 0, 1)",
        high_is_real=False,
        examples=(
            Example(RECONSTRUCTIONS, {"critic": 1.0, "generator": 2.0}, "(2 + 0)/2 and (3 + 1)/2"),
            Example(
                RECONSTRUCTIONS,
                {"critic": 2.5, "generator": 5.5},
                "(5 + 0)/2 and (10 + 1)/2",
                options={"exponent": 2},
            ),
        ),
    )
