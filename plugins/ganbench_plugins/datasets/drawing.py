"""Outlines drawn on a grid of pixels, smooth at their edges."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def locate_pixels(pixels: int, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Return the places x [1, pixels] and y [pixels, 1] of the pixels' centres in [-1, 1]^2; y grows down."""
    place = (2 * torch.arange(pixels, device=device) + 1) / pixels - 1
    return place.view(1, -1), place.view(-1, 1)


def measure_polygon(x: Tensor, y: Tensor, corners: int, radius: Tensor | float, turn: Tensor | float) -> Tensor:
    """Return how far the places x, y lie outside a regular polygon around 0 (negative inside).

    `radius` is that of its corners. One side faces the angle `turn`, counted from x to y.
    """
    apothem = math.cos(math.pi / corners) * radius
    angles = [turn + 2 * math.pi * side / corners for side in range(corners)]
    sides = [x * torch.as_tensor(a).cos() + y * torch.as_tensor(a).sin() for a in angles]
    return torch.stack(torch.broadcast_tensors(*sides)).amax(0) - apothem


def fill(distance: Tensor, pixels: int) -> Tensor:
    """Return the share of each pixel that is inside, from 0 to 1, by the distance of its centre from the outline."""
    return (0.5 - distance * (pixels / 2)).clamp(0, 1)
