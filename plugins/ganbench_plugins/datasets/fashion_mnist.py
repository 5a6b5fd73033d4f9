"""Fashion-MNIST: 70,000 grey pictures of clothes, whole, from files that are on this machine.

`python -m ganbench_plugins.datasets.fashion_mnist [FILE]` makes the weights of its extractor again, in some minutes:
see `small_classifier`.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from ganbench import GanbenchError, NotInstalled, Offer, Source, hookimpl

from ganbench_plugins.datasets.idx import read_idx
from ganbench_plugins.datasets.labelled_images import Rows, make_set
from ganbench_plugins.datasets.mnist_family import COARSE, PIXELS, Channels, Pixels, fit, fit_extractor, scale
from ganbench_plugins.datasets.small_classifier import Recipe, make_weights

CLASSES = 10
SIZES = {"train": 60_000, "t10k": 10_000}
"""The images of each half, by the beginning of the names of its files."""
SYSTEM = Path("/usr/share/datasets/fashion-mnist")
"""The folder of Debian's package dataset-fashion-mnist."""
SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
"""Of the uncompressed files of dataset-fashion-mnist 0.0~git20200523.55506a9-1; of other compressions, too."""
FOLDERS = ("", "FashionMNIST/raw", "raw")
"""Where the files lie in a folder; torchvision writes them to FashionMNIST/raw."""

RECIPE = Recipe(
    name="fashion-mnist-cnn",
    file=Path(__file__).with_name("fashion_mnist_features.safetensors"),
    pixels=PIXELS,
    widths=(16, 32, 64, 64),
    features=128,
    epochs=8,
    noise=0.1,
    coarse=COARSE,
)


def list_folders(root: str) -> list[Path]:
    """Return the folders where the files may lie, the first choice first: under `root` alone, if one is given.

    Otherwise they are fashion-mnist in GANBENCH_DATA, or in the user's data folder, and then Debian's.
    """
    from platformdirs import user_data_path

    data = os.environ.get("GANBENCH_DATA", "")
    top = Path(root or Path(data or user_data_path("ganbench"), "fashion-mnist")).expanduser()
    return [*(top / folder for folder in FOLDERS), *([] if root else [SYSTEM])]


def find_file(name: str, root: str) -> Path:
    """Return one of the four files, compressed or not; raise NotInstalled, with the ways to get it, without one."""
    folders = list_folders(root)
    for file in (folder / f"{name}{suffix}" for folder in folders for suffix in (".gz", "")):
        if file.is_file():
            return file
    from torchvision.datasets import FashionMNIST

    md5 = dict(FashionMNIST.resources)[f"{name}.gz"]
    raise NotInstalled(
        f"there is no file {name}.gz in {', '.join(map(str, folders))}. Install Debian's package "
        f"dataset-fashion-mnist, or download {FashionMNIST.mirrors[0]}{name}.gz (MD5 {md5}) and the other three files, "
        f"to {folders[0]}, or name another folder by the option root or by GANBENCH_DATA. Nothing is downloaded."
    )


def read_half(half: str, root: str) -> Rows:
    """Return the images [n, 28, 28] and the labels [n] of one half as bytes.

    Raise GanbenchError if they do not fit, with the SHA-256 of the right files.
    """
    files = [find_file(f"{half}-{kind}", root) for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")]
    try:
        return read_files(files, half)
    except GanbenchError as error:
        sums = ", ".join(f"{name} {SHA256[name]}" for name in SHA256 if name.startswith(half))
        raise GanbenchError(f"{error} The SHA-256 of the uncompressed files: {sums}.") from None


def read_files(files: list[Path], half: str) -> Rows:
    """Return the images and the labels of two files, as `read_half`."""
    rows = Rows(*(read_idx(file, axes) for file, axes in zip(files, (3, 1), strict=True)))
    n = SIZES[half]
    for file, found, expected in zip(files, rows, ((n, PIXELS, PIXELS), (n,)), strict=True):
        if tuple(found.shape) != expected:
            raise GanbenchError(f"{file}: it holds {list(found.shape)}, and Fashion-MNIST's {half} {list(expected)}.")
    if int(rows.labels.max()) >= CLASSES:
        raise GanbenchError(f"{files[1]}: a label is {int(rows.labels.max())}, and there are {CLASSES} classes.")
    return rows


@cache
def read(root: str = "") -> tuple[Rows, Rows, str]:
    """Return the training rows and the held-out rows as bytes, and the SHA-256 of their content."""
    halves = read_half("train", root), read_half("t10k", root)
    content = hashlib.sha256()
    for rows in halves:
        for part in rows:
            content.update(part.numpy().data)
    return *halves, content.hexdigest()


def fashion_mnist(pixels: Pixels = 28, channels: Channels = 1, root: str = "") -> Source:
    """Return the source of Fashion-MNIST as bytes, 60,000 training rows; the reference is its 10,000 test images.

    With 32 `pixels` the images are padded with zeros, with 16 they are averaged (`mnist_family.fit`). The files are
    those of Debian or torchvision: see `list_folders` for their places.
    """
    training, held_out, digest = read(root)
    training, held_out = (Rows(fit(rows.images, pixels, channels), rows.labels.long()) for rows in (training, held_out))
    return make_set(training, held_out, CLASSES, fit_extractor(RECIPE, pixels, channels), digest)


@hookimpl
def ganbench_datasets() -> Iterator[Offer]:
    yield Offer(
        "fashion-mnist",
        fashion_mnist,
        "70,000 pictures of clothes of 28x28 grey pixels, 10,000 of them held out.",
        reference="Xiao, Rasul, Vollgraf 2017, Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning "
        "Algorithms, arXiv:1708.07747",
        metrics=("fid", "inception-score", "kid", "precision-recall"),
    )


if __name__ == "__main__":
    sides = [Rows(scale(fit(rows.images, PIXELS, 1)), rows.labels.long()) for rows in read()[:2]]
    make_weights(RECIPE, sides[0], sides[1], *sys.argv[1:2])
