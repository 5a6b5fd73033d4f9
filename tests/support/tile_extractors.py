"""Extractors as a third party writes them: the mean colours of an image's tiles, and sets that bring no extractor."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import torch
from ganbench import Extractor, NotInstalled, Offer, Source, hookimpl
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

PICTURES = torch.randn(60, 3, 8, 8, generator=torch.Generator().manual_seed(0)).tanh()


class Tiles(nn.Module):
    """Means over tiles, times a factor: images [n, c, h, w] from 0 to 255 -> features [n, 4 c], logits [n, 3]."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.register_buffer("factor", torch.tensor(factor))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features = adaptive_avg_pool2d(x.float(), 2).flatten(1) * self.factor / 255
        return {"features": features, "logits": features[:, :3]}


def build_tiles(weights: str = "", channels: int = 3) -> Extractor:
    """Build the extractor; the file `weights` holds its factor, 1 without one."""
    if weights == "absent":
        raise NotInstalled("its weights are absent: fetch them")
    content = Path(weights).read_bytes() if weights else b"1"
    module = Tiles(float(content))
    digest = hashlib.sha256(content).hexdigest()
    return Extractor(name="tiles", digest=digest, extract=module, module=module, sees="bytes", channels=channels)


def build_blunt() -> Extractor:
    """Build an extractor without logits, whose digest is no hash."""

    def extract(x: Tensor) -> dict[str, Tensor]:
        return {"features": adaptive_avg_pool2d(x, 2).flatten(1)}

    return Extractor(name="blunt", digest="two by two", extract=extract)


@hookimpl
def ganbench_extractors() -> Iterator[Offer]:
    yield Offer("tiles", build_tiles, "The mean colours of tiles.")
    yield Offer("blunt", build_blunt, "The mean values of tiles.")


@hookimpl
def ganbench_datasets() -> Iterator[Offer]:
    def build() -> Source:
        return Source(shape=(3, 8, 8), size=40, take=lambda i: PICTURES[i], reference=lambda n: PICTURES[40:][:n])

    yield Offer("pictures", build, "Pictures of noise, without an extractor of their own.")
