"""Distances between two batches of learned features by a kernel: the MMD, and the energy distance of the Cramer GAN.

The critic's features spread the two sides apart, the generator brings them together. Li et al. 2017, "MMD GAN",
arXiv:1705.08584; Binkowski et al. 2018, "Demystifying MMD GANs", arXiv:1801.01401; Bellemare et al. 2017, "The Cramer
Distance as a Solution to Biased Wasserstein Gradients", arXiv:1705.10743; Gretton et al. 2012, "A Kernel Two-Sample
Test", equation 3 for the unbiased estimate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, Literal

from ganbench import Example, GanbenchError, Objective, Offer, Spec, hookimpl
from torch import Tensor

Kernel = Callable[[Tensor, Tensor], Tensor]
"""A function from x [n, k] and y [m, k] to the kernel of every pair, [n, m]."""

FORMS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "rbf": lambda squares, sigma: (-squares / (2 * sigma**2)).exp(),
    "rational-quadratic": lambda squares, alpha: (1 + squares / (2 * alpha)) ** -alpha,
}
SCALES = {"rbf": (1.0, 2.0, 4.0, 8.0, 16.0), "rational-quadratic": (0.2, 0.5, 1.0, 2.0, 5.0)}


def square_distances(x: Tensor, y: Tensor) -> Tensor:
    """Return |x_i - y_j|^2 of every pair, [n, m], without the n m k differences in memory."""
    squares = x.square().sum(1).unsqueeze(1) + y.square().sum(1) - 2 * x @ y.T
    return squares.clamp(min=0)


def distance(x: Tensor, y: Tensor) -> Tensor:
    """Return |x_i - y_j| of every pair, [n, m]."""
    return (square_distances(x, y) + 1e-12).sqrt()  # at zero the square root has no finite derivative


def mean_within(kernel: Kernel, x: Tensor) -> Tensor:
    """Return the kernel's mean over pairs i != j of one batch; raise GanbenchError if there is no pair."""
    values, n = kernel(x, x), len(x)
    if n < 2:
        raise GanbenchError("batch_size = 1: an unbiased distance of batches compares pairs. Use 2 samples or more.")
    return (values.sum() - values.diagonal().sum()) / (n * (n - 1))


def squared_mmd(kernel: Kernel, x: Tensor, y: Tensor) -> Tensor:
    """Return the unbiased estimate of the squared MMD, which may be below zero (Gretton et al. 2012, equation 3)."""
    return mean_within(kernel, x) + mean_within(kernel, y) - 2 * kernel(x, y).mean()


def build_game(kernel: Kernel) -> Objective:
    """Build the game over the squared MMD; its witness is E k(x, real) - E k(x, fake), high on real samples."""
    return Objective(
        lambda real, fake: -squared_mmd(kernel, real, fake),
        lambda real, fake: squared_mmd(kernel, real, fake),
        head="features",
        witness=lambda seen, real, fake: kernel(seen, real).mean(1) - kernel(seen, fake).mean(1),
        paired=True,
    )


def build_mmd_gan(
    kernel: Literal["rbf", "rational-quadratic"] = "rbf", scales: tuple[float, ...] = (), linear: float = 0.0
) -> Objective:
    """Build the game with a sum of kernels, one for each scale, and `linear` times the product of the features.

    `scales` are the widths sigma of the Gaussian kernels e^(-d^2 / 2 sigma^2), or the exponents alpha of the rational
    quadratic ones, (1 + d^2 / 2 alpha)^-alpha. If empty they are those of Li et al.'s code, or of Binkowski et al.
    """
    used = scales or SCALES[kernel]
    if min(used) <= 0 or linear < 0:
        raise GanbenchError(f"scales = {list(used)}, linear = {linear}: give scales above 0, and no negative weight.")

    def mixture(x: Tensor, y: Tensor) -> Tensor:
        squares = square_distances(x, y)
        products = linear * (x @ y.T) if linear else squares.new_zeros(())
        return sum((FORMS[kernel](squares, scale) for scale in used), start=products)

    return build_game(mixture)


def build_energy_distance(surrogate: bool = False) -> Objective:
    """Build the game over the energy distance, 2 E|x - y| - E|x - x'| - E|y - y'|, an MMD with the kernel -|x - y|.

    With `surrogate` the critic spreads the sides by f(x) = E|x - G| - |x| instead, as algorithm 1 does, and a penalty
    reads the slope of f; only the generator's loss is then the energy distance.
    """
    game = build_game(lambda x, y: -distance(x, y))
    if not surrogate:
        return game

    def critic(real: Tensor, fake: Tensor) -> Tensor:
        on_real = distance(real, fake).mean() - lengths(real).mean()
        on_fake = mean_within(distance, fake) - lengths(fake).mean()
        return on_fake - on_real

    return Objective(
        critic,
        game.generator,
        head="features",
        witness=lambda seen, real, fake: distance(seen, fake).mean(1) - lengths(seen),
        paired=True,
    )


def lengths(x: Tensor) -> Tensor:
    """Return |x_i| of each row, [n]."""
    return (x.square().sum(1) + 1e-12).sqrt()


def caution(recipe: Any, spec: Spec) -> Iterator[str]:
    """Yield a caution for a recipe without a constraint on the critic's features."""
    if not recipe.constraints:
        yield (
            "'energy-distance' without a constraint: the critic can scale its features up without end, and its loss "
            "has no minimum (Bellemare et al. 2017, algorithm 1, has a penalty). Add 'gradient-penalty'."
        )


# two real features 0 and 2 on a line, two generated ones at 1
POINTS = {"real": [[0.0], [2.0]], "fake": [[1.0], [1.0]]}
NEAR, FAR = math.exp(-0.5), math.exp(-2.0)  # a Gaussian kernel of width 1 at distance 1 and 2


@hookimpl
def ganbench_losses() -> Iterator[Offer]:
    yield Offer(
        "mmd-gan",
        build_mmd_gan,
        "The MMD of the critic's features by a mixture of Gaussian or rational quadratic kernels.",
        reference="Li et al. 2017, arXiv:1705.08584; Binkowski et al. 2018, arXiv:1801.01401; "
        "Gretton et al. 2012, equation 3",
        formula="critic -MMD^2(h(x), h(G)); generator MMD^2 = E_{i!=j} k(x, x') + E_{i!=j} k(y, y') - 2 E k(x, y)",
        examples=(
            Example(
                POINTS,
                {"critic": 2 * NEAR - FAR - 1, "generator": FAR + 1 - 2 * NEAR},
                "e^-2 + 1 - 2 e^-.5, Gretton et al. 2012, equation 3",
                options={"scales": [1.0]},
            ),
            Example(
                POINTS,
                {"generator": 1 / 3 + 1 - 2 / 1.5},
                "1/3 + 1 - 4/3: a distance of 2, and of 1",
                options={"kernel": "rational-quadratic", "scales": [1.0]},
            ),
            Example(
                POINTS,
                {"critic": 2 * NEAR - FAR, "generator": FAR - 2 * NEAR},
                "the products add 0 + 1 - 2",
                options={"scales": [1.0], "linear": 1.0},
            ),
        ),
    )
    yield Offer(
        "energy-distance",
        build_energy_distance,
        "The energy distance of the critic's features, as in the Cramer GAN.",
        reference="Bellemare et al. 2017, arXiv:1705.10743, algorithm 1",
        formula="critic -E(h(x), h(G)); generator E(x, y) = 2 E|x - y| - E_{i!=j} |x - x'| - E_{i!=j} |y - y'|",
        caution=caution,
        examples=(
            Example(POINTS, {"critic": 0.0, "generator": 0.0}, "2 - 2 - 0"),
            Example({"real": [[0.0], [2.0]], "fake": [[3.0], [5.0]]}, {"critic": -2.0, "generator": 2.0}, "6 - 2 - 2"),
            Example(
                {"real": [[0.0], [2.0]], "fake": [[3.0], [5.0]]},
                {"critic": -4.0, "generator": 2.0},
                "f: 3 - 1 for real, 2 - 4 for fake",
                options={"surrogate": True},
            ),
        ),
    )
