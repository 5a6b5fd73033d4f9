"""Sets of images that torchvision reads from a folder on this machine: MNIST, CIFAR-10, STL-10, CelebA and LSUN.

torchvision's own loaders read the files, and check their MD5 where they know it. Nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Le
from ganbench import GanbenchError, NotInstalled, Offer, Source, hash_files, hookimpl
from numpy.typing import NDArray

from ganbench_plugins.datasets.image_files import (
    Part,
    Pixels,
    Shown,
    Sides,
    decode,
    find_root,
    fit,
    make_source,
    pack,
    require_files,
)
from ganbench_plugins.datasets.mnist_5k import RECIPE
from ganbench_plugins.datasets.small_classifier import resize_for

LSUN = "http://dl.yf.io/lsun/scenes"
Category = Literal[
    "bedroom",
    "bridge",
    "church_outdoor",
    "classroom",
    "conference_room",
    "dining_room",
    "kitchen",
    "living_room",
    "restaurant",
    "tower",
]


def read_part(dataset: Any, pixels: int, channels: int, labels: Any = None) -> Part:
    """Return the part of one of torchvision's datasets, whose items are pairs of a picture and a target."""
    known = None if labels is None else np.asarray(labels, np.int64)

    def read(i: int) -> NDArray[np.uint8]:
        try:
            return fit(dataset[i][0], pixels, channels)
        except Exception as error:  # of Pillow and lmdb
            raise GanbenchError(f"torchvision cannot read its image {i}: {error}. Unpack its files again.") from error

    return Part(decode(len(dataset), read, known), len(dataset))


def square(channels: int, pixels: int) -> tuple[int, ...]:
    """Return the shape of a square image."""
    return channels, pixels, pixels


def read_sides(
    name: str,
    folder: Path,
    files: Sequence[tuple[Path, str | None]],
    options: dict[str, Any],
    read: Callable[[], tuple[Part, Part, Sequence[str]]],
    way_out: str,
    shape: tuple[int, ...],
    classes: int = 0,
) -> tuple[Sides, str]:
    """Return a set, which torchvision reads once, and the digest of its files; they have the MD5 that it checks.

    Raise NotInstalled for a missing file, with the `shape` of an image and the number of `classes`, and GanbenchError
    for one that torchvision refuses.
    """
    require_files([file for file, _ in files], way_out, shape, classes)
    digest = hash_files(*(file for file, _ in files))

    def read_checked() -> tuple[Part, Part, Sequence[str]]:
        from torchvision.datasets.utils import check_integrity

        try:
            return read()
        except (GanbenchError, ImportError):
            raise
        except Exception as error:  # torchvision's and lmdb's own
            wrong = [(file, md5) for file, md5 in files if md5 and not check_integrity(file, md5)]
            what = f"{wrong[0][0]} does not have the MD5 {wrong[0][1]}" if wrong else f"{folder}: {error}"
            raise GanbenchError(f"torchvision cannot read its files: {what}. Unpack them again. {way_out}") from error

    return pack(name, digest, options, read_checked), digest


def mnist(root: str = "", pixels: Pixels = 0, flip: bool = False, reference: Shown = "held-out") -> Source:
    """Return the source of MNIST's 60,000 training digits, 1x28x28; the 10,000 test digits are held out.

    The extractor is that of mnist-5k, for which images are resized to 28 pixels.
    """
    from torchvision.datasets import MNIST

    folder = find_root("mnist", root)
    raw = folder / "MNIST" / "raw"

    def read() -> tuple[Part, Part, Sequence[str]]:
        train, test = (MNIST(str(folder), train=side) for side in (True, False))
        return read_part(train, pixels, 1, train.targets), read_part(test, pixels, 1, test.targets), MNIST.classes

    archives = ", ".join(f"{MNIST.mirrors[0]}{name} (MD5 {md5})" for name, md5 in MNIST.resources)
    files = [(raw / name.removesuffix(".gz"), None) for name, _ in MNIST.resources]
    way_out = f"Fetch {archives}, unpack them with gunzip, and put the four files into {raw}."
    sides, digest = read_sides("mnist", folder, files, {"pixels": pixels}, read, way_out, square(1, pixels or 28), 10)
    source = make_source(sides, digest, classes=10, flip=flip, shown=reference)
    return replace(source, extractor=resize_for(RECIPE))


def cifar10(root: str = "", pixels: Pixels = 0, flip: bool = False, reference: Shown = "held-out") -> Source:
    """Return the source of CIFAR-10's 50,000 training images, 3x32x32; the 10,000 test images are held out."""
    from torchvision.datasets import CIFAR10

    folder = find_root("cifar10", root)
    base = folder / CIFAR10.base_folder

    def read() -> tuple[Part, Part, Sequence[str]]:
        train, test = (CIFAR10(str(folder), train=side) for side in (True, False))
        return read_part(train, pixels, 3, train.targets), read_part(test, pixels, 3, test.targets), train.classes

    meta = (CIFAR10.meta["filename"], CIFAR10.meta["md5"])
    files = [(base / name, md5) for name, md5 in (*CIFAR10.train_list, *CIFAR10.test_list, meta)]
    way_out = f"Fetch {CIFAR10.url} (MD5 {CIFAR10.tgz_md5}), and unpack it in {folder}."
    sides, digest = read_sides("cifar10", folder, files, {"pixels": pixels}, read, way_out, square(3, pixels or 32), 10)
    return make_source(sides, digest, classes=10, flip=flip, shown=reference)


def stl10(
    root: str = "",
    pixels: Pixels = 48,
    images: Literal["unlabeled", "train"] = "unlabeled",
    flip: bool = False,
    reference: Shown = "held-out",
) -> Source:
    """Return the source of STL-10: its 100,000 unlabelled images, or its 5,000 labelled ones; 8,000 are held out."""
    from torchvision.datasets import STL10

    folder = find_root("stl10", root)
    base, labelled = folder / STL10.base_folder, images == "train"

    def read() -> tuple[Part, Part, Sequence[str]]:
        train, test = (STL10(str(folder), split=split) for split in (images, "test"))
        first, second = (read_part(each, pixels, 3, each.labels if labelled else None) for each in (train, test))
        return first, second, getattr(train, "classes", ())

    files = [(base / name, md5) for name, md5 in (*STL10.train_list, *STL10.test_list)]
    way_out = f"Fetch {STL10.url} (MD5 {STL10.tgz_md5}), and unpack it in {folder}."
    classes, options = 10 if labelled else 0, {"pixels": pixels, "images": images}
    sides, digest = read_sides("stl10", folder, files, options, read, way_out, square(3, pixels or 96), classes)
    return make_source(sides, digest, classes=classes, flip=flip, shown=reference)


def celeba(
    root: str = "", pixels: Pixels = 64, attribute: str = "", flip: bool = False, reference: Shown = "held-out"
) -> Source:
    """Return the source of CelebA's 162,770 training faces, cropped to squares; its 19,962 test faces are held out.

    With an `attribute`, such as "Smiling", the labels are 1 for the faces that have it, and 0 for the others.
    """
    from torchvision.datasets import CelebA

    folder = find_root("celeba", root)
    base = folder / CelebA.base_folder

    def read() -> tuple[Part, Part, Sequence[str]]:
        train, test = (CelebA(str(folder), split=split, target_type=[]) for split in ("train", "test"))
        names = [name for name in train.attr_names if name]
        return read_part(train, pixels, 3, train.attr), read_part(test, pixels, 3, test.attr), names

    texts = [(base / name, md5) for _, md5, name in CelebA.file_list if name.endswith(".txt")]
    (zipped,) = [(identity, md5, name) for identity, md5, name in CelebA.file_list if name.endswith(".zip")]
    drive = "https://drive.google.com/uc?id="
    links = ", ".join(f"{name} ({drive}{identity}, MD5 {md5})" for identity, md5, name in CelebA.file_list)
    way_out = f"Fetch {links}, put them into {base}, and unpack {zipped[2]} there."
    files = [*texts, (base / "img_align_celeba", None)]
    shape, classes = square(3, pixels) if pixels else (3, 218, 178), 2 if attribute else 0
    sides, digest = read_sides("celeba", folder, files, {"pixels": pixels}, read, way_out, shape, classes)
    if not attribute:
        return make_source(sides, digest, flip=flip, shown=reference)
    if attribute not in sides.names:
        raise GanbenchError(f"no attribute {attribute!r}. Known: {', '.join(sides.names)}.")
    column, names = sides.names.index(attribute), (f"not {attribute}", attribute)
    train, held_out = (rows._replace(labels=rows.labels[:, column]) for rows in sides[:2] if rows.labels is not None)
    return make_source(Sides(train, held_out, names), digest, classes=classes, flip=flip, shown=reference)


def lsun(
    root: str = "",
    category: Category = "bedroom",
    pixels: Annotated[int, Ge(1), Le(1024)] = 64,
    images: Annotated[int, Ge(0)] = 0,
    flip: bool = False,
    reference: Shown = "held-out",
) -> Source:
    """Return the source of a category of LSUN, cropped to squares: the first `images`, or all with 0.

    Its 300 validation images are held out. They are few: papers compare with training images, `reference` = "train".
    """
    shape = square(3, pixels)
    try:
        import lmdb
    except ImportError:
        raise NotInstalled("it needs the package lmdb: pip install 'ganbench[images]'", shape=shape) from None
    from torchvision.datasets.lsun import LSUNClass

    class Database(LSUNClass):  # type: ignore[misc]  # torchvision has no types
        """A category as torchvision reads it, but without its pickled list of keys in the current folder."""

        def __init__(self, path: Path) -> None:
            super(LSUNClass, self).__init__(str(path))
            self.env = lmdb.open(str(path), max_readers=128, readonly=True, lock=False, readahead=False, meminit=False)
            with self.env.begin(write=False) as transaction:
                self.keys = [*islice(transaction.cursor().iternext(values=False), images or None)]
                self.length = len(self.keys)

    folder = find_root("lsun", root)
    paths = [folder / f"{category}_{side}_lmdb" for side in ("train", "val")]

    def read() -> tuple[Part, Part, Sequence[str]]:
        train, val = (read_part(Database(path), pixels, 3) for path in paths)
        return train, val, ()

    archives = " and ".join(f"{LSUN}/{path.name}.zip" for path in paths)
    way_out = f"Fetch {archives} (torchvision names no MD5), and unpack them in {folder}."
    files = [(path / "data.mdb", None) for path in paths]
    options = {"pixels": pixels, "images": images, "category": category}
    sides, digest = read_sides("lsun", folder, files, options, read, way_out, shape)
    return make_source(sides, digest, flip=flip, shown=reference)


@hookimpl
def ganbench_datasets() -> Iterator[Offer]:
    """Yield the sets of torchvision that papers on GANs use."""
    yield Offer(
        "mnist",
        mnist,
        "70,000 handwritten digits of 28x28 pixels, from files on this machine.",
        reference="LeCun, Bottou, Bengio, Haffner 1998, Gradient-Based Learning Applied to Document Recognition",
        metrics=("fid", "inception-score", "kid", "precision-recall"),
    )
    yield Offer(
        "cifar10",
        cifar10,
        "60,000 photographs of ten classes, 32x32 pixels, from files on this machine.",
        reference="Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images",
        metrics=("sliced-w1",),
    )
    yield Offer(
        "stl10",
        stl10,
        "100,000 photographs without labels, or 5,000 with, up to 96x96 pixels, from files on this machine.",
        reference="Coates, Lee, Ng 2011, An Analysis of Single-Layer Networks in Unsupervised Feature Learning",
        metrics=("sliced-w1",),
    )
    yield Offer(
        "celeba",
        celeba,
        "202,599 aligned faces with 40 attributes, from files on this machine.",
        reference="Liu, Luo, Wang, Tang 2015, Deep Learning Face Attributes in the Wild, arXiv:1411.7766",
        metrics=("sliced-w1",),
    )
    yield Offer(
        "lsun",
        lsun,
        "Photographs of one kind of scene, such as three million bedrooms, from files on this machine.",
        reference="Yu et al. 2015, LSUN: Construction of a Large-scale Image Dataset, arXiv:1506.03365",
        metrics=("sliced-w1",),
    )
