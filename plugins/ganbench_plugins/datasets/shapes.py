"""Drawn shapes of six classes, with a place, a size and colours of their own; at any number of pixels.

`python -m ganbench_plugins.datasets.shapes [FILE]` makes the weights of their extractor again, in about a minute: see
`small_classifier`.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Le
from ganbench import Offer, Source, hookimpl
from torch import Generator, Tensor

from ganbench_plugins.datasets.drawing import fill, locate_pixels, measure_polygon
from ganbench_plugins.datasets.labelled_images import Rows
from ganbench_plugins.datasets.small_classifier import Recipe, make_weights, see_grey, see_grey_for

TRAINING_SEED, HELD_OUT_SEED = 5_170_400_031, 5_170_400_032
"""Seeds of the two sides of the split; any constants would do."""
TRAINING, HELD_OUT = 10_000, 2_000

CLASSES = ("circle", "square", "triangle", "diamond", "cross", "ring")

RECIPE = Recipe(
    name="shapes-cnn",
    file=Path(__file__).with_name("shapes_features.safetensors"),
    pixels=32,
    widths=(16, 32, 64, 64),
    classes=len(CLASSES),
    epochs=10,
    noise=0.1,
    coarse=16,
)


def draw_numbers(seed: int, n: int) -> Tensor:
    """Return what makes n images, [n, 9]: place (2), size (1), colour (3) and background (3), each in [0, 1]."""
    return torch.rand(n, 9, generator=Generator().manual_seed(seed))


def measure_shape(name: str, x: Tensor, y: Tensor, size: Tensor) -> Tensor:
    """Return how far the places x, y lie outside a shape around 0 whose farthest point is `size` away."""
    if name == "circle":
        return torch.hypot(x, y) - size
    if name == "ring":
        return (torch.hypot(x, y) - 0.8 * size).abs() - 0.2 * size
    if name == "cross":
        long, wide = 0.95 * size, 0.3 * size  # 0.95^2 + 0.3^2 = 1, nearly
        bars = torch.maximum(x.abs() - long, y.abs() - wide), torch.maximum(x.abs() - wide, y.abs() - long)
        return torch.minimum(*bars)
    corners, turn = {"square": (4, 0.0), "triangle": (3, math.pi / 2), "diamond": (4, math.pi / 4)}[name]
    return measure_polygon(x, y, corners, size, turn)


def render(numbers: Tensor, labels: Tensor, pixels: int, channels: int) -> Tensor:
    """Return the images [n, channels, pixels, pixels] in [-1, 1]: a shape that is brighter than its background."""
    right, down, grow = (numbers[:, k].view(-1, 1, 1) for k in range(3))
    size = 0.35 + 0.25 * grow
    x, y = locate_pixels(pixels, numbers.device)
    x, y = x - (2 * right - 1) * (1 - size), y - (2 * down - 1) * (1 - size)  # the whole shape is in the image
    distance = torch.zeros_like(x + y)
    for k, name in enumerate(CLASSES):
        distance = torch.where(labels.view(-1, 1, 1) == k, measure_shape(name, x, y, size), distance)
    inside = fill(distance, pixels).unsqueeze(1)
    colour, background = 0.2 + 0.8 * numbers[:, 3 : 3 + channels], numbers[:, 6 : 6 + channels] - 1
    return torch.lerp(background[..., None, None], colour[..., None, None], inside)


def draw_side(seed: int, n: int) -> Rows:
    """Return one side of the split as the classifier sees it, n images in three channels."""
    labels = torch.arange(n) % len(CLASSES)
    return Rows(see_grey(render(draw_numbers(seed, n), labels, RECIPE.pixels, 3), RECIPE), labels)


def shapes(pixels: Annotated[int, Ge(8), Le(256)] = 32, channels: Literal[1, 3] = 3) -> Source:
    """Return the source of 10,000 drawn shapes in [-1, 1]; the reference is 2,000 others.

    The extractor sees the mean of the channels, so its features know shapes, sizes and places, and no colours.

    The shape's place and size, its colour in [0.2, 1] and the background's in [-1, 0] are uniform. An image is drawn
    when it is taken, so only its nine numbers are kept.
    """
    numbers = draw_numbers(TRAINING_SEED, TRAINING)

    def label(indices: Tensor) -> Tensor:
        return indices % len(CLASSES)

    def reference(n: int) -> Tensor:
        rows = draw_numbers(HELD_OUT_SEED, HELD_OUT)[:n]
        return render(rows, label(torch.arange(len(rows))), pixels, channels)

    return Source(
        shape=(channels, pixels, pixels),
        size=TRAINING,
        take=lambda indices: render(numbers.to(indices.device)[indices], label(indices), pixels, channels),
        reference=reference,
        classes=len(CLASSES),
        labels=label,
        extractor=see_grey_for(RECIPE),
    )


@hookimpl
def ganbench_datasets() -> Iterator[Offer]:
    yield Offer(
        "shapes",
        shapes,
        "12,000 drawn shapes (circle, square, triangle, diamond, cross, ring), 2,000 of them held out.",
        reference="ganbench",
        formula="background + (colour - background) c, c = clamp(1/2 - distance to the outline in pixels, 0, 1)",
        metrics=("fid", "precision-recall", "sliced-w1"),
    )


if __name__ == "__main__":
    make_weights(RECIPE, draw_side(TRAINING_SEED, TRAINING), draw_side(HELD_OUT_SEED, HELD_OUT), *sys.argv[1:2])
