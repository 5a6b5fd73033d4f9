"""Grey images of 28x28 bytes, as MNIST's, at other sizes, and how a classifier of 28 pixels sees these."""

from __future__ import annotations

from typing import Literal

import torch
from ganbench import Extractor
from torch import Tensor, nn

from ganbench_plugins.datasets.small_classifier import Recipe, make_extractor, resize

PIXELS, COARSE = 28, 16

Pixels = Literal[16, 28, 32]
Channels = Literal[1, 3]


def fit(images: Tensor, pixels: int, channels: int) -> Tensor:
    """Return images of bytes [n, 28, 28] as [n, channels, pixels, pixels] bytes.

    They are padded with zeros to 32 pixels, and averaged to 16 (linear interpolation with antialias, rounded).
    """
    images = images.unsqueeze(1)
    if pixels > PIXELS:
        images = nn.functional.pad(images, [(pixels - PIXELS) // 2] * 4)
    elif pixels < PIXELS:
        parts = images.split(10_000)
        images = torch.cat([resize(part.float(), pixels).round().clamp(0, 255).byte() for part in parts])
    return images.expand(-1, channels, -1, -1).contiguous()


def scale(images: Tensor) -> Tensor:
    """Return bytes as float32 numbers in [-1, 1]."""
    return images.float().div(127.5).sub(1)


def see(x: Tensor) -> Tensor:
    """Return images [n, c, h, h] as the classifier sees them: one channel (the mean), no padding, 28 pixels."""
    x = x.mean(1, keepdim=True)
    if (border := (x.shape[-1] - PIXELS) // 2) > 0:
        x = x[:, :, border:-border, border:-border]
    return resize(x, PIXELS)


def fit_extractor(recipe: Recipe, pixels: int, channels: int) -> Extractor:
    """Return a shipped classifier of 28 pixels for images of another size or with three channels."""
    plain = (pixels, channels) == (PIXELS, 1)
    return make_extractor(recipe, (lambda x: x) if plain else see, "" if plain else f"at-{PIXELS}-pixels")
