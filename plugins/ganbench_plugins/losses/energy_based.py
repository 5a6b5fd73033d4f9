"""The energy-based GAN: the critic is an autoencoder, and its reconstruction error is an energy, low on real samples.

Zhao, Mathieu, LeCun 2017, "Energy-based Generative Adversarial Network", arXiv:1609.03126.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

import torch
from ganbench import Example, GanbenchError, Objective, Offer, Scalar, State, hookimpl
from torch import Tensor
from torch.nn.functional import relu


def read_errors(measure: Callable[[Tensor], Tensor], answer: Tensor, x: Tensor) -> Tensor:
    """Return the error of each sample's reconstruction, and that of the batch's mean image in its place, [n, 2].

    `measure` maps differences [n, *data] to errors [n]. BEGAN reads the same.
    """
    return torch.stack([measure(answer - x), measure(x.mean(0) - x)], 1)


def build(margin: Scalar = 10.0, energy: Literal["norm", "mean-square"] = "norm") -> Objective:
    """Build the game of equations 1 and 2; fakes whose energy is above the margin do not change the critic's loss.

    `energy` is the norm |AE(x) - x| over all elements of a sample (section 2.3), which grows with the root of their
    number, or the mean of their squares. The margin must fit it: the paper has 10 for MNIST.
    The signals are `error`, the mean energy of real samples, and `mean_image`, what it would be if every reconstruction
    were the mean image of the batch.
    """
    if not isinstance(margin, Tensor) and margin <= 0:
        raise GanbenchError(f"margin = {margin}: give a number above 0; with none the critic ignores the fakes.")

    def measure(difference: Tensor) -> Tensor:
        squares = difference.flatten(1).square()
        return (squares.sum(1) + 1e-12).sqrt() if energy == "norm" else squares.mean(1)

    def critic(real: Tensor, fake: Tensor, state: State) -> tuple[Tensor, State]:
        error, mean_image = real.mean(0).unbind()
        return error + relu(margin - fake[:, 0]).mean(), {"error": error, "mean_image": mean_image}

    def generator(real: Tensor | None, fake: Tensor, state: State) -> tuple[Tensor, State]:
        return fake[:, 0].mean(), state

    return Objective(
        critic,
        generator,
        init=lambda: {"error": torch.zeros(()), "mean_image": torch.zeros(())},
        head="reconstruction",
        read=partial(read_errors, measure),
        witness=lambda seen, real, fake: seen[:, 0],
    )


# the samples of the contract tests are 0, so these reconstructions have the norms 5, 0 and 13
RECONSTRUCTIONS = {"real": [[3.0, 4.0], [0.0, 0.0]], "fake": [[5.0, 12.0], [3.0, 4.0]]}


@hookimpl
def ganbench_losses() -> Iterator[Offer]:
    yield Offer(
        "ebgan",
        build,
        "A critic that reconstructs: low error on real samples, and at least a margin on fakes.",
        reference="Zhao et al. 2017, arXiv:1609.03126, equations 1 and 2, section 2.3",
        formula="critic E(x) + relu(m - E(G)); generator E(G); E(x) = |AE(x) - x|",
        high_is_real=False,
        examples=(
            Example(RECONSTRUCTIONS, {"critic": 5.0, "generator": 9.0}, "5/2 + (0 + 5)/2 and (13 + 5)/2"),
            Example(
                RECONSTRUCTIONS,
                {"critic": 6.25, "generator": 48.5},
                "12.5/2 + 0 and (84.5 + 12.5)/2",
                options={"energy": "mean-square"},
            ),
        ),
    )
