"""Regular polygons whose manifold is a known, finite set of images, so the distance to it is exact."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Annotated

import torch
from annotated_types import Ge, Le
from ganbench import Offer, Source, hookimpl
from torch import Generator, Tensor

from ganbench_plugins.datasets.drawing import fill, locate_pixels, measure_polygon

REFERENCE_SEED = 5_170_400_033
"""Seed of the reference sample, which has its own random stream; any constant would do."""

PLACES, RADII, TURNS = 8, 4, 4
"""The steps along each axis of the place, of the radius, and of the turn: 8 x 8 x 4 x 4 = 1,024 images."""


def draw_manifold(corners: int, pixels: int) -> Tensor:
    """Return all polygons [1024, 1, pixels, pixels]: white, 1, on black, -1."""
    places = [-0.42 + 0.12 * k for k in range(PLACES)]
    radii = [0.28 + 0.09 * k for k in range(RADII)]
    turns = [2 * math.pi * k / (corners * TURNS) for k in range(TURNS)]
    right, down, radius, turn = torch.tensor([*product(places, places, radii, turns)]).T[..., None, None]
    x, y = locate_pixels(pixels)
    inside = fill(measure_polygon(x - right, y - down, corners, radius, turn), pixels)
    return (2 * inside - 1).unsqueeze(1)


def polygons(corners: Annotated[int, Ge(3), Le(6)] = 3, pixels: Annotated[int, Ge(16), Le(64)] = 16) -> Source:
    """Return the source of regular polygons with `corners` corners, 1 x pixels x pixels in [-1, 1].

    All 1,024 images, 8 x 8 places, 4 radii and 4 turns, are equally likely. `facts` holds them as the `manifold`.
    """
    manifold = draw_manifold(corners, pixels)

    @cache
    def on(device: torch.device) -> Tensor:
        return manifold.to(device)

    def draw(generator: Generator, n: int) -> Tensor:
        chosen = torch.randint(len(manifold), (n,), generator=generator, device=generator.device)
        return on(generator.device)[chosen]

    return Source(
        shape=(1, pixels, pixels),
        draw=draw,
        reference=lambda n: draw(Generator().manual_seed(REFERENCE_SEED), n),
        facts={"manifold": manifold},
    )


@hookimpl
def ganbench_datasets() -> Iterator[Offer]:
    yield Offer(
        "polygons",
        polygons,
        "Regular polygons of 1,024 known images, for exact precision and recall.",
        reference="after Lucic et al. 2018, Are GANs Created Equal? A Large-Scale Study, arXiv:1711.10337, section 5, "
        "whose triangles have a continuous manifold and an approximate distance",
        formula="white inside max_i (n_i . (x - c)) < r cos(pi / corners), black outside; (c, r, turn) on a lattice",
        metrics=("manifold-precision-recall",),
    )
