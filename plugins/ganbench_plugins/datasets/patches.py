"""Patches of two colour photographs that scikit-learn ships: natural images, without labels.

Their extractor was trained to tell from which photograph a patch is, and how it was turned (Gidaris et al. 2018,
arXiv:1803.07728). `python -m ganbench_plugins.datasets.patches [FILE]` makes its weights again, in about a minute: see
`small_classifier`.

Both are licensed CC BY 2.0. china.jpg is by danielbuechele (https://www.flickr.com/photos/danielbuechele/6061409035),
flower.jpg by vultilion (https://www.flickr.com/photos/vultilion/6056698931), as scikit-learn's list names them.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated

import torch
from annotated_types import Ge, Le
from ganbench import Offer, Source, hookimpl
from torch import Generator, Tensor

from ganbench_plugins.datasets.labelled_images import Rows
from ganbench_plugins.datasets.small_classifier import Recipe, make_weights, see_grey, see_grey_for

REFERENCE_SEED = 5_170_400_030
"""Seed of the reference sample, which has its own random stream; any constant would do."""

BAND, SEEN = 160, 96
"""Each photograph is cut into four bands of so many columns. Training patches touch only the first 96 of each."""
HELD_OUT = BAND - SEEN

RECIPE = Recipe(
    name="patches-cnn",
    file=Path(__file__).with_name("patches_features.safetensors"),
    pixels=32,
    widths=(16, 32, 64, 64),
    classes=8,
    epochs=8,
    noise=0.05,
    coarse=16,
)


@cache
def read_photographs() -> tuple[Tensor, str]:
    """Return the photographs [2, 3, 427, 640] in [-1, 1], and the SHA-256 of their decoded bytes."""
    from sklearn.datasets import load_sample_image

    pictures = torch.stack([torch.from_numpy(load_sample_image(name).copy()) for name in ("china.jpg", "flower.jpg")])
    digest = hashlib.sha256(pictures.numpy().data).hexdigest()
    return pictures.permute(0, 3, 1, 2).float().div(127.5).sub(1).contiguous(), digest


def split(photographs: Tensor) -> tuple[Tensor, Tensor]:
    """Return the strips of the photographs [k, c, h, w] that are seen, [4 k, c, h, 96], and held out, [4 k, c, h, 64].

    They alternate, because the left and the right of a photograph show different things.
    """
    bands = photographs.unflatten(3, (-1, BAND)).permute(0, 3, 1, 2, 4).flatten(0, 1)
    return bands[..., :SEEN], bands[..., SEEN:]


def cut(strips: Tensor, generator: Generator, n: int, pixels: int, flip: bool) -> Tensor:
    """Draw n square patches [n, c, pixels, pixels], each place in each strip [k, c, h, w] equally likely.

    With `flip`, every second one on average is mirrored.
    """
    device = generator.device
    many, _, height, width = strips.shape
    which, row, column, mirrored = (
        torch.randint(high, (n, 1, 1), generator=generator, device=device)
        for high in (many, height - pixels + 1, width - pixels + 1, 2)
    )
    place = torch.arange(pixels, device=device)
    across = torch.where((mirrored == 1) & flip, place.flip(0), place)
    patches = strips[which, :, row + place.view(-1, 1), column + across]
    return patches.permute(0, 3, 1, 2).contiguous()


def draw_turned(strips: Tensor, n: int, seed: int) -> Rows:
    """Return n patches as the classifier sees them, with 4 photograph + turns by a right angle as their labels."""
    generator, halves = Generator().manual_seed(seed), strips.chunk(2)
    images = torch.cat([see_grey(cut(half, generator, n // 2, RECIPE.pixels, False), RECIPE) for half in halves])
    turns = torch.randint(4, (n,), generator=generator)
    turned = torch.stack([image.rot90(int(turn), (1, 2)) for image, turn in zip(images, turns, strict=True)])
    return Rows(turned, 4 * torch.arange(2).repeat_interleave(n // 2) + turns)


def patches(pixels: Annotated[int, Ge(4), Le(HELD_OUT)] = 32, flip: bool = False) -> Source:
    """Return the source of square patches of three fifths of two photographs, 3 x pixels x pixels in [-1, 1].

    The reference is patches of the rest, so no pixel of it is seen in training: see `split`. With `flip`, half of the
    patches are mirrored, those of the reference too. The extractor sees the mean of the channels.
    """
    photographs, digest = read_photographs()
    seen, held_out = split(photographs)

    @cache
    def on(device: torch.device) -> Tensor:
        return seen.to(device)

    return Source(
        shape=(3, pixels, pixels),
        draw=lambda generator, n: cut(on(generator.device), generator, n, pixels, flip),
        reference=lambda n: cut(held_out, Generator().manual_seed(REFERENCE_SEED), n, pixels, flip),
        digest=digest,
        extractor=see_grey_for(RECIPE),
    )


@hookimpl
def ganbench_datasets() -> Iterator[Offer]:
    yield Offer(
        "patches",
        patches,
        "Patches of two colour photographs, of which two fifths are held out.",
        reference="sklearn.datasets.load_sample_images: china.jpg by danielbuechele and flower.jpg by vultilion on "
        "Flickr, CC BY 2.0",
        metrics=("fid", "sliced-w1"),
    )


if __name__ == "__main__":
    seen, held_out = split(read_photographs()[0])
    make_weights(RECIPE, draw_turned(seen, 12_000, 1), draw_turned(held_out, 2_000, 2), *sys.argv[1:2])
