"""Mixtures of Gaussians in the plane: the ring and the grid on which mode coverage is counted."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le
from ganbench import Offer, Source, hookimpl
from torch import Generator, Tensor

REFERENCE_SEED = 5_170_400_028
"""Seed of the reference sample, which has its own random stream; any constant would do."""

Count = Annotated[int, Ge(1), Le(10_000)]
Side = Annotated[int, Ge(1), Le(100)]
Length = Annotated[float, Gt(0), Le(1e6)]


def mixture(centres: Tensor, std: float) -> Source:
    """Return the source of equally likely round Gaussians of standard deviation `std` at `centres` [K, d].

    `facts` holds both, in the units that the critic sees.
    """

    @cache
    def on(device: torch.device) -> Tensor:
        return centres.to(device)

    def draw(generator: Generator, n: int) -> Tensor:
        device = generator.device
        chosen = torch.randint(len(centres), (n,), generator=generator, device=device)
        noise = torch.randn(n, centres.shape[1], generator=generator, device=device)
        return on(device)[chosen] + std * noise

    return Source(
        shape=(centres.shape[1],),
        draw=draw,
        reference=lambda n: draw(Generator().manual_seed(REFERENCE_SEED), n),
        facts={"centres": centres, "std": std},
    )


def ring(modes: Count = 8, radius: Length = 2.0, std: Length = 0.02, scale: Length = 1.414) -> Source:
    """Return the source of `modes` distinct Gaussians on a circle; every point is divided by `scale`."""
    # The angles end before the full turn, where a mode would coincide with the first one.
    angles = [2 * math.pi * k / modes for k in range(modes)]
    centres = torch.tensor([[radius * math.cos(angle), radius * math.sin(angle)] for angle in angles])
    return mixture(centres / scale, std / scale)


def grid(side: Side = 5, spacing: Length = 2.0, std: Length = 0.05, scale: Length = 2.828) -> Source:
    """Return the source of `side` x `side` Gaussians, `spacing` apart, centred on 0; points are divided by `scale`."""
    ticks = [spacing * (k - (side - 1) / 2) for k in range(side)]
    return mixture(torch.tensor(list(product(ticks, ticks))) / scale, std / scale)


@hookimpl
def ganbench_datasets() -> Iterator[Offer]:
    """Yield the ring and the grid, as in the toy experiments of WGAN-GP."""
    yield Offer(
        "ring",
        ring,
        "Eight Gaussians on a circle: which modes does a generator miss?",
        reference="Gulrajani et al. 2017, Improved Training of Wasserstein GANs, arXiv:1704.00028, and its code",
        formula="mean over k of N(r (cos a_k, sin a_k), std^2 I) / scale, a_k = 2 pi k / K",
        metrics=("modes",),
    )
    yield Offer(
        "grid",
        grid,
        "Twenty-five Gaussians on a square grid.",
        reference="Gulrajani et al. 2017, Improved Training of Wasserstein GANs, arXiv:1704.00028, and its code",
        formula="mean over i, j of N((a_i, a_j), std^2 I) / scale",
        metrics=("modes",),
    )
