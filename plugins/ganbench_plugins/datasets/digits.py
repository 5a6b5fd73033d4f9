"""Handwritten digits of 8x8 pixels, and the small classifier whose features and logits FID, IS and KID use.

`python -m ganbench_plugins.datasets.digits [FILE]` makes its weights again, in some seconds: see `small_classifier`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from annotated_types import Ge, Le
from ganbench import Extractor, Offer, Source, hookimpl
from numpy.typing import NDArray
from torch import Tensor, nn

from ganbench_plugins.datasets.labelled_images import Rows, hold_out, make_set
from ganbench_plugins.datasets.small_classifier import Recipe, make_extractor, make_weights

CLASSES, PIXELS = 10, 8
RECIPE = Recipe(
    name="digits-cnn",
    file=Path(__file__).with_name("digits_features.safetensors"),
    pixels=PIXELS,
    widths=(16, 32),
    epochs=40,
)


def read_table() -> NDArray[np.float64]:
    """Return scikit-learn's digits [1797, 65]: 64 grey values from 0 to 16, and the class.

    Its file is read without importing scikit-learn, which would take each process a second.
    """
    package = find_spec("sklearn")
    file = Path(str(package and package.origin)).parent / "datasets" / "data" / "digits.csv.gz"
    if file.exists():
        return np.loadtxt(file, delimiter=",")
    from sklearn.datasets import load_digits

    return np.column_stack(load_digits(return_X_y=True))


@cache
def split() -> tuple[Rows, Rows]:
    """Return the 1,201 training rows and the 596 held-out rows: in each class, every third image is held out.

    Both sides keep the file's order, in which the classes are mixed: the first n rows of each are nearly balanced.
    """
    table = torch.from_numpy(read_table())
    images = table[:, :-1].float().div(8).sub(1).unflatten(1, (1, PIXELS, PIXELS))
    return hold_out(images, table[:, -1].long(), CLASSES, every=3)


def enlarge(rows: Rows, pixels: int, channels: int) -> Rows:
    """Return the rows with each pixel as a block of equal pixels, and the grey value in each channel."""
    block = pixels // PIXELS
    images = rows.images.repeat_interleave(block, 2).repeat_interleave(block, 3)
    return Rows(images.expand(-1, channels, -1, -1).contiguous(), rows.labels)


def see(x: Tensor) -> Tensor:
    """Return images [n, c, h, h] as the classifier sees them: the mean of each block and of the channels.

    On enlarged digits this is the way back, exactly.
    """
    return nn.functional.avg_pool2d(x, x.shape[-1] // PIXELS).mean(1, keepdim=True)


def extractor(pixels: int = PIXELS, channels: int = 1) -> Extractor:
    """Return the shipped classifier for digits of this size."""
    plain = (pixels, channels) == (PIXELS, 1)
    return make_extractor(RECIPE, (lambda x: x) if plain else see, "" if plain else "mean-of-blocks")


def digits(
    pixels: Literal[8, 16, 32] = 8,
    channels: Literal[1, 3] = 1,
    training_images: Annotated[int, Ge(1), Le(1201)] = 1201,
) -> Source:
    """Return the source of scikit-learn's digits in [-1, 1]; the reference is the held-out rows.

    With 16 or 32 `pixels`, each of the 8x8 pixels is a block of equal ones; with 3 `channels` each has the grey value.
    With fewer `training_images` than 1,201, the set is the first ones, whose classes are nearly balanced; the reference
    is the same.
    """
    training, held_out = (enlarge(rows, pixels, channels) for rows in split())
    training = Rows(training.images[:training_images], training.labels[:training_images])
    return make_set(training, held_out, CLASSES, extractor(pixels, channels))


@hookimpl
def ganbench_datasets() -> Iterator[Offer]:
    yield Offer(
        "digits",
        digits,
        "1,797 handwritten digits of 8x8 pixels, a third of them held out.",
        reference="sklearn.datasets.load_digits: the test set of Alpaydin and Kaynak 1998, Optical Recognition of "
        "Handwritten Digits, UCI Machine Learning Repository",
        metrics=("fid", "inception-score", "kid", "precision-recall"),
    )


if __name__ == "__main__":
    make_weights(RECIPE, *split(), *sys.argv[1:2])
