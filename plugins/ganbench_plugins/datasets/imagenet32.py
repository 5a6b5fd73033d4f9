"""ImageNet at 32x32 pixels in its published form: batches of a pickled or compressed dictionary of arrays.

A pickle is code, so it is read by an unpickler that makes arrays and plain values only. Nothing is downloaded.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ganbench import GanbenchError, Offer, Source, hash_files, hookimpl

from ganbench_plugins.datasets.image_files import Chunk, Part, Shown, find_root, make_source, pack, require_files

CLASSES, SIDE = 1000, 32
TRAIN, HELD_OUT = [f"train_data_batch_{i}" for i in range(1, 11)], "val_data"
FOLDERS = ("", "Imagenet32_train", "Imagenet32_val", "Imagenet32_train_npz", "Imagenet32_val_npz")
WAY_OUT = (
    "Fetch Imagenet32_train.zip and Imagenet32_val.zip, or Imagenet32_train_npz.zip and Imagenet32_val_npz.zip, from "
    "https://image-net.org/download-images (which names their MD5), and unpack them in {folder}."
)
ARRAYS = {
    *((f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}
"""What a pickled array calls, of its old and new numpy, and of Python 2."""


class PlainUnpickler(pickle.Unpickler):
    """An unpickler of arrays, numbers, texts, lists and dictionaries, which refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return a function that makes arrays; raise UnpicklingError for any other name, before it is imported."""
        if (module, name) not in ARRAYS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no array needs")
        return super().find_class(module, name)


def read_batch(file: Path) -> Mapping[str, Any]:
    """Return the dictionary of a batch: `data`, `labels` and, for some, `mean`; raise GanbenchError if it has another.

    Arrays of objects are refused, as their content is pickled.
    """
    try:
        if file.suffix == ".npz":
            with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in ("data", "labels")}
        with file.open("rb") as stream:
            batch = PlainUnpickler(stream, encoding="latin1").load()
        return {name: batch[name] for name in ("data", "labels")}
    except Exception as error:  # a damaged pickle may raise anything
        raise GanbenchError(f"{file} is no batch of ImageNet 32x32: {error}. Unpack it again.") from error


def read_rows(files: Sequence[Path]) -> Iterator[Chunk]:
    """Yield the images [n, 3, 32, 32] and labels 0 to 999 of batches, each checked."""
    for file in files:
        batch = read_batch(file)
        images, labels = (np.asarray(batch[name]) for name in ("data", "labels"))
        if images.dtype != np.uint8 or images.shape != (len(labels), 3 * SIDE**2) or not len(labels):
            raise GanbenchError(
                f"{file}: its `data` are {images.dtype} {list(images.shape)} for {len(labels)} labels. They must be "
                f"uint8 [n, {3 * SIDE**2}]."
            )
        if labels.ndim != 1 or labels.dtype.kind not in "iu" or labels.min() < 1 or labels.max() > CLASSES:
            raise GanbenchError(f"{file}: its `labels` are not whole numbers from 1 to {CLASSES}.")
        yield images.reshape(-1, 3, SIDE, SIDE), labels.astype(np.int64) - 1


def imagenet32(root: str = "", flip: bool = False, reference: Shown = "held-out") -> Source:
    """Return the source of ImageNet's 1,281,167 training images, 3x32x32; the 50,000 validation images are held out.

    They are written into the cache once, 3.9 GB, and streamed from there.
    """
    folder = find_root("imagenet32", root)

    def find(name: str) -> Path:
        places = [folder / inside / f"{name}{ending}" for ending in ("", ".npz") for inside in FOLDERS]
        return next((place for place in places if place.is_file()), places[0])

    files = [find(name) for name in (*TRAIN, HELD_OUT)]
    require_files(files, WAY_OUT.format(folder=folder), (3, SIDE, SIDE), CLASSES)
    digest = hash_files(*files)
    sides = pack("imagenet32", digest, {}, lambda: (Part(read_rows(files[:-1])), Part(read_rows(files[-1:])), ()))
    return make_source(sides, digest, classes=CLASSES, flip=flip, shown=reference)


@hookimpl
def ganbench_datasets() -> Iterator[Offer]:
    """Yield ImageNet 32x32."""
    yield Offer(
        "imagenet32",
        imagenet32,
        "1.3 million photographs of 1,000 classes, 32x32 pixels, from files on this machine.",
        reference="Chrabaszcz, Loshchilov, Hutter 2017, A Downsampled Variant of ImageNet as an Alternative to the "
        "CIFAR datasets, arXiv:1707.08819",
        metrics=("sliced-w1",),
    )
