"""Random images of bytes, and as a generator makes them."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def draw_images(seed: int, n: int, channels: int) -> Tensor:
    """Return smooth random images of bytes [n, channels, 32, 32], of many shades and contrasts."""
    generator = torch.Generator().manual_seed(seed)
    noise, powers = (
        torch.rand(n, channels, 6, 6, generator=generator),
        torch.rand(n, channels, 1, 1, generator=generator),
    )
    noise = noise ** (4 * powers + seed)
    return nn.functional.interpolate(noise, 32, mode="bilinear").mul(255).round().to(torch.uint8)


def to_floats(images: Tensor) -> Tensor:
    """Return images of bytes as a generator makes them, a little off the grid of bytes, and beyond -1 and 1."""
    step = 2 / 255
    off = torch.rand(images.shape, generator=torch.Generator().manual_seed(7)).sub(0.5).mul(0.9 * step)
    floats = images.float() * step - 1 + off
    return floats + 3.0 * (images == 255) - 3.0 * (images == 0)
