"""A point mass: the smallest problem on which GAN training can fail to converge."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from ganbench import Offer, Source, hookimpl
from torch import Generator, Tensor


def dirac() -> Source:
    """Return the source of the point mass at 0 on the line."""

    def draw(generator: Generator, n: int) -> Tensor:
        return torch.zeros(n, 1, device=generator.device)

    return Source(shape=(1,), draw=draw, reference=lambda n: torch.zeros(n, 1))


@hookimpl
def ganbench_datasets() -> Iterator[Offer]:
    """Yield the data of the Dirac-GAN."""
    yield Offer(
        "dirac",
        dirac,
        "All mass at 0 in one dimension: who converges here, and who circles?",
        reference="Mescheder, Geiger, Nowozin 2018, Which Training Methods for GANs do actually Converge?, "
        "arXiv:1801.04406, section 2",
        formula="x = 0",
        metrics=("w1",),
    )
