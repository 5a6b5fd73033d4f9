"""A finite ring of Gaussians whose samples know their mode: the smallest data for conditional methods."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le
from ganbench import Extractor, Offer, Source, hookimpl
from torch import Generator, Tensor

SET_SEED, REFERENCE_SEED = 5_170_400_036, 5_170_400_037
"""Seeds of the set and of the reference, which have random streams of their own; any constants would do."""

Length = Annotated[float, Gt(0), Le(1e6)]


def build(
    modes: Annotated[int, Ge(2), Le(1000)] = 8,
    radius: Length = 2.0,
    std: Length = 0.02,
    scale: Length = 1.414,
    size: Annotated[int, Ge(1), Le(1_000_000)] = 10_000,
) -> Source:
    """Return a set of `size` samples of the ring; a label is the number of the mode, counted from angle 0.

    The modes have equally many samples, up to one. The reference is another sample. The extractor's features are the
    coordinates; its logits are the logarithms of the modes' densities, up to a constant.
    """
    angles = 2 * math.pi * torch.arange(modes, dtype=torch.float64) / modes
    centres = (radius / scale * torch.stack([angles.cos(), angles.sin()], 1)).float()
    std = std / scale

    def sample(n: int, seed: int) -> tuple[Tensor, Tensor]:
        labels = torch.arange(n) % modes
        return centres[labels] + std * torch.randn(n, 2, generator=Generator().manual_seed(seed)), labels

    rows, labels = sample(size, SET_SEED)

    def extract(x: Tensor) -> dict[str, Tensor]:
        distances = (x.unsqueeze(1) - centres.to(x).unsqueeze(0)).square().sum(2)
        return {"features": x, "logits": -distances / (2 * std**2)}

    return Source(
        shape=(2,),
        size=size,
        take=lambda indices: rows.to(indices.device)[indices],
        reference=lambda n: sample(n, REFERENCE_SEED)[0],
        classes=modes,
        labels=lambda indices: labels.to(indices.device)[indices],
        facts={"centres": centres, "std": std},
        extractor=Extractor(
            name="nearest-mode",
            digest=hashlib.sha256(repr([modes, radius, std, scale]).encode()).hexdigest(),
            extract=extract,
        ),
        reference_labels=lambda n: sample(n, REFERENCE_SEED)[1],
    )


@hookimpl
def ganbench_datasets() -> Iterator[Offer]:
    yield Offer(
        "labelled-ring",
        build,
        "Eight Gaussians on a circle whose samples know their mode, for conditional methods.",
        reference="the ring of Gulrajani et al. 2017, arXiv:1704.00028, and its code, with the mode as the label",
        formula="x = (r (cos a_y, sin a_y) + std n) / scale, a_y = 2 pi y / K",
        metrics=("modes",),
    )
