"""Noisy curves in the plane: data with thin supports and without modes to count."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le
from ganbench import Offer, Source, hookimpl
from torch import Generator, Tensor

REFERENCE_SEED = 5_170_400_029
"""Seed of the reference sample, which has its own random stream; any constant would do."""

Noise = Annotated[float, Ge(0), Le(1e6)]
Length = Annotated[float, Gt(0), Le(1e6)]


def curve(at: Callable[[Tensor], Tensor], noise: float, scale: float) -> Source:
    """Return the source of (at(U) + noise N(0, I)) / scale with U ~ U[0, 1]; `at` maps [n] to points [n, 2]."""

    def draw(generator: Generator, n: int) -> Tensor:
        place = torch.rand(n, generator=generator, device=generator.device)
        around = torch.randn(n, 2, generator=generator, device=generator.device)
        return (at(place) + noise * around) / scale

    return Source(shape=(2,), draw=draw, reference=lambda n: draw(Generator().manual_seed(REFERENCE_SEED), n))


def spiral(place: Tensor) -> Tensor:
    """Return the points t (cos t, sin t), t = 1.5 pi (1 + 2 place): the Swiss roll seen from its end."""
    t = 1.5 * math.pi * (1 + 2 * place)
    return torch.stack((t * t.cos(), t * t.sin()), dim=1)


def moons(place: Tensor) -> Tensor:
    """Return points on two interleaved half circles: the first half of [0, 1] is the upper, the rest the lower."""
    upper = place < 0.5
    angle = 2 * math.pi * torch.where(upper, place, place - 0.5)
    x = torch.where(upper, angle.cos(), 1 - angle.cos())
    y = torch.where(upper, angle.sin(), 0.5 - angle.sin())
    return torch.stack((x, y), dim=1)


def swiss_roll(noise: Noise = 0.25, scale: Length = 7.5) -> Source:
    """Return the source of the Swiss roll's two curled coordinates, divided by `scale`."""
    return curve(spiral, noise, scale)


def two_moons(noise: Noise = 0.05, scale: Length = 1.0) -> Source:
    """Return the source of two interleaved half circles of radius 1 / `scale`."""
    return curve(moons, noise, scale)


@hookimpl
def ganbench_datasets() -> Iterator[Offer]:
    """Yield the Swiss roll and the two moons, with the distributions of scikit-learn's generators."""
    yield Offer(
        "swiss-roll",
        swiss_roll,
        "A spiral with noise around it.",
        reference="Gulrajani et al. 2017, Improved Training of Wasserstein GANs, arXiv:1704.00028, and its code; "
        "law of sklearn.datasets.make_swiss_roll, columns 0 and 2",
        formula="(t cos t, t sin t) / 7.5 + noise, t = 1.5 pi (1 + 2u), u ~ U[0, 1]",
        metrics=("sliced-w1",),
    )
    yield Offer(
        "two-moons",
        two_moons,
        "Two interleaved half circles with noise around them.",
        reference="law of sklearn.datasets.make_moons, with angles drawn uniformly",
        formula="(cos a, sin a) or (1 - cos a, 1/2 - sin a), plus noise; a ~ U[0, pi]",
        metrics=("sliced-w1",),
    )
