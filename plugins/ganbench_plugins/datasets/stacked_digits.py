"""Stacked digits: three digits as the channels of one image, 1,000 modes that a classifier counts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Literal, NamedTuple

import torch
from ganbench import Extractor, GanbenchError, Offer, Source, hookimpl
from torch import Generator, Tensor, nn

from ganbench_plugins.datasets.digits import enlarge, extractor
from ganbench_plugins.datasets.digits import split as split_digits
from ganbench_plugins.datasets.labelled_images import Rows
from ganbench_plugins.datasets.mnist_5k import RECIPE
from ganbench_plugins.datasets.mnist_5k import split as split_mnist
from ganbench_plugins.datasets.mnist_family import fit_extractor

REFERENCE_SEED = 5_170_400_034
"""Seed of the reference sample, which has its own random stream; any constant would do."""

CHANNELS, CLASSES = 3, 10
CHUNK = 64
"""Images that are classified at once: the maps of more digits are larger than what the allocator keeps for reuse."""
SIZES = {"digits": (8, 16, 32), "mnist-5k": (16, 28, 32)}


class Stacked(nn.Module):
    """A classifier of single digits on images of three: features [n, 3 d] and logits [n, 1000].

    The digits a, b, c of the red, green and blue channel are the class 100 a + 10 b + c, and its logit is the sum of
    their logarithmic probabilities.
    """

    def __init__(self, single: nn.Module) -> None:
        super().__init__()
        self.single = single

    def forward(self, x: Tensor) -> Mapping[str, Tensor]:
        """Return the features and the logits of images [n, 3, h, h]."""
        n = len(x)
        answers = self.single(x.flatten(0, 1).unsqueeze(1))
        a, b, c = answers["logits"].log_softmax(1).view(n, CHANNELS, CLASSES).unbind(1)
        joint = a.view(n, -1, 1, 1) + b.view(n, 1, -1, 1) + c.view(n, 1, 1, -1)
        return {"features": answers["features"].view(n, -1), "logits": joint.flatten(1)}


def stack_extractor(single: Extractor) -> Extractor:
    """Return the extractor of single digits for images of three."""
    assert single.module is not None
    module = Stacked(single.module).eval()
    digest = hashlib.sha256(f"{single.digest} stacked".encode()).hexdigest()
    return Extractor(name=f"stacked {single.name}", digest=digest, extract=module, module=module, chunk=CHUNK)


class ByClass(NamedTuple):
    """Images sorted by class, [n, 1, h, h], and the first row and the number of rows of each class."""

    images: Tensor
    first: Tensor
    counts: Tensor


def sort_by_class(rows: Rows) -> ByClass:
    """Return the rows sorted by class, in their order within a class."""
    counts = rows.labels.bincount(minlength=CLASSES)
    return ByClass(rows.images[rows.labels.argsort(stable=True)], counts.cumsum(0) - counts, counts)


def draw_stacks(rows: ByClass, generator: Generator, n: int) -> Tensor:
    """Draw n images [n, 3, h, h]: in each channel a uniform class, then a uniform image of this class."""
    device = generator.device
    chosen = torch.randint(CLASSES, (n, CHANNELS), generator=generator, device=device)
    place = torch.rand(n, CHANNELS, generator=generator, device=device, dtype=torch.double)
    return rows.images[rows.first[chosen] + (place * rows.counts[chosen]).long()].squeeze(2)


def stacked_digits(of: Literal["digits", "mnist-5k"] = "digits", pixels: Literal[8, 16, 28, 32] = 16) -> Source:
    """Return the source of three stacked digits, 3 x pixels x pixels in [-1, 1]; all 1,000 classes are equally likely.

    They are the training rows of the dataset `of`, and those of the reference its held-out rows. Raise GanbenchError
    for `pixels` that this dataset does not have.
    """
    if pixels not in SIZES[of]:
        sizes = ", ".join(map(str, SIZES[of]))
        raise GanbenchError(f"pixels = {pixels} with of = {of!r}: its images have {sizes} pixels. Use one of these.")
    if of == "digits":
        sides: Iterable[Rows] = (enlarge(rows, pixels, 1) for rows in split_digits())
        single = extractor(pixels)
    else:
        sides = split_mnist(pixels)
        single = fit_extractor(RECIPE, pixels, 1)

    training, held_out = map(sort_by_class, sides)

    @cache
    def on(device: torch.device) -> ByClass:
        return ByClass(*(tensor.to(device) for tensor in training))

    return Source(
        shape=(CHANNELS, pixels, pixels),
        draw=lambda generator, n: draw_stacks(on(generator.device), generator, n),
        reference=lambda n: draw_stacks(held_out, Generator().manual_seed(REFERENCE_SEED), n),
        extractor=stack_extractor(single),
    )


@hookimpl
def ganbench_datasets() -> Iterator[Offer]:
    yield Offer(
        "stacked-digits",
        stacked_digits,
        "Three handwritten digits as the channels of one image: 1,000 classes to cover.",
        reference="after Stacked MNIST: Metz et al. 2017, Unrolled GANs, arXiv:1611.02163",
        metrics=("classified-modes", "fid"),
    )
