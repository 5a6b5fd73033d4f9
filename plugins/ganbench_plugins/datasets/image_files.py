"""What sets of image files share: where they are, how they are packed once as bytes, and the Source that they become.

Nothing is downloaded. A set is decoded once, into the cache, and read from there as a memory map.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import PIL
import torch
from annotated_types import Ge, Le
from ganbench import Draw, GanbenchError, NotInstalled, Source, find_cache_folder
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor
from tqdm import tqdm

LIMIT = 1 << 30
"""A set of more bytes is streamed from its file in place of kept in memory; the numbers are the same."""
CHUNK, THREADS = 64, min(8, os.cpu_count() or 1)
"""Images that are decoded before they are written, and at once."""
PACKED = 1
"""Raise it when packed images change."""
QUIET = 2.0
"""Seconds from which on there is a progress bar."""
ORDER_SEED = 517_040_030
"""Seed of the order of the reference samples; any constant would do."""

Pixels = Annotated[int, Ge(0), Le(1024)]
Shown = Literal["held-out", "train"]
Chunk = tuple[NDArray[Any], NDArray[Any] | None]
"""Images [k, c, h, w] and their labels [k, ...]."""


class Bar(tqdm):  # type: ignore[misc]  # tqdm has no types
    """A progress bar with a lock of this process: tqdm's own is a semaphore, which a killed worker leaks."""

    _lock = threading.RLock()


class Part(NamedTuple):
    """One side of a split as it is read from its files: images in pieces; `total` is their number if it is known."""

    chunks: Iterable[Chunk]
    total: int | None = None


class Rows(NamedTuple):
    """One side of a split: samples [n, *shape], an array or what is read like one, and their labels [n]."""

    samples: Any
    labels: NDArray[Any] | None = None


class Sides(NamedTuple):
    """Training rows, held-out rows, and the names of the classes or labels, if there are any."""

    train: Rows
    held_out: Rows
    names: tuple[str, ...] = ()


def find_root(name: str, root: str) -> Path:
    """Return the folder of a set's files: `root`, else the set's name in GANBENCH_DATA or in the user's data folder."""
    from platformdirs import user_data_path

    data = os.environ.get("GANBENCH_DATA")
    return Path(root).expanduser() if root else (Path(data).expanduser() if data else user_data_path("ganbench")) / name


def find_path(path: str, way_out: str = "write its whole path.") -> Path:
    """Return a file or folder by its path, or by its path in GANBENCH_DATA; raise GanbenchError if there is none.

    `way_out` says in the message what to do.
    """
    places = [Path(path).expanduser()]
    if data := os.environ.get("GANBENCH_DATA"):
        places.append(Path(data).expanduser() / path)
    if found := [place for place in places if place.exists()]:
        return found[0]
    inside = f"and none in GANBENCH_DATA ({data})" if data else "and GANBENCH_DATA is not set"
    raise GanbenchError(f"there is no {path!r} in {Path.cwd()}, {inside}: {way_out}")


def require_files(files: Sequence[Path], way_out: str, shape: tuple[int, ...], classes: int = 0) -> None:
    """Raise NotInstalled if a file is missing; `way_out` says what to fetch and where to put it.

    `shape` is that of an image in them, `classes` the number of their classes, 0 without labels.
    """
    if missing := [file for file in files if not file.exists()]:
        others = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise NotInstalled(
            f"there is no {missing[0]}{others}. {way_out} Nothing is downloaded. The option root, or the environment "
            "variable GANBENCH_DATA, chooses another folder.",
            shape=shape,
            classes=classes,
        )


def find_cache() -> Path:
    """Return the folder of packed sets."""
    return find_cache_folder() / "datasets"


def pack(
    name: str, digest: str, options: Mapping[str, Any], read: Callable[[], tuple[Part, Part, Sequence[str]]]
) -> Sides:
    """Return a set from the cache; the first time, `read` returns its training part, held-out part and names.

    The place in the cache follows from the files' digest, the options, and Pillow's version, whose decoders differ.
    """
    key = json.dumps([PACKED, PIL.__version__, digest, dict(options)], sort_keys=True)
    folder = find_cache() / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:32]}"
    try:
        if not folder.exists():
            write_packed(folder, name, *read())
        return open_packed(folder)
    except (OSError, ValueError, KeyError) as error:
        raise GanbenchError(
            f"cannot keep the decoded images in {folder}: {error}. Set GANBENCH_CACHE to a folder with enough space; "
            "a damaged folder in it may be deleted."
        ) from error


def write_packed(folder: Path, title: str, train: Part, held_out: Part, names: Sequence[str]) -> None:
    """Write both parts into a folder, which appears when it is complete."""
    temporary = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        shapes = {
            side: write_part(temporary / side, title, part) for side, part in (("train", train), ("held", held_out))
        }
        (temporary / "sides.json").write_text(json.dumps({**shapes, "names": list(names)}))
        if not folder.exists():  # another process may have been faster
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_part(file: Path, title: str, part: Part) -> list[int]:
    """Write the images of a part as bytes, and its labels beside them; return the shape of the images."""
    labels, count, shape = [], 0, list[int]()
    bar = Bar(desc=f"{title}: reading images", total=part.total, unit="", delay=QUIET, leave=False)
    with file.with_suffix(".bytes").open("wb") as stream, bar:
        for images, some in part.chunks:
            stream.write(np.ascontiguousarray(images, np.uint8).data)
            count, shape = count + len(images), [*images.shape[1:]]
            labels += [] if some is None else [some]
            bar.update(len(images))
    if labels:
        np.save(file.with_suffix(".npy"), np.concatenate(labels))
    return [count, *shape]


def open_packed(folder: Path) -> Sides:
    """Return the packed set of a folder, its images as memory maps."""
    table = json.loads((folder / "sides.json").read_text())

    def open_rows(side: str) -> Rows:
        images = np.memmap(folder / f"{side}.bytes", np.uint8, mode="r", shape=tuple(table[side]))
        labels = folder / f"{side}.npy"
        return Rows(images, np.load(labels, allow_pickle=False) if labels.exists() else None)

    return Sides(open_rows("train"), open_rows("held"), tuple(table["names"]))


def decode(count: int, read: Callable[[int], NDArray[np.uint8]], labels: NDArray[Any] | None = None) -> Iterator[Chunk]:
    """Yield `count` images [k, c, h, w] with their labels, in order; `read(i)` returns the i-th, several at once."""
    with ThreadPoolExecutor(THREADS) as pool:
        for start in range(0, count, CHUNK):
            some = range(start, min(start + CHUNK, count))
            images = np.stack(list(pool.map(read, some)))
            yield images, None if labels is None else labels[some.start : some.stop]


def fit(image: Image.Image, pixels: int, channels: int, crop: str = "centre") -> NDArray[np.uint8]:
    """Return an image as bytes [channels, pixels, pixels], or in its own size with `pixels` = 0.

    It is cropped to its centre square, or stretched with `crop` = "none"; sizes change by Pillow's bicubic filter,
    which averages where an image becomes smaller.
    """
    image = image.convert("L" if channels == 1 else "RGB")
    if pixels and image.size != (pixels, pixels):
        if crop == "centre":
            image = ImageOps.fit(image, (pixels, pixels), Image.Resampling.BICUBIC)
        else:
            image = image.resize((pixels, pixels), Image.Resampling.BICUBIC)
    values = np.asarray(image, np.uint8)
    return values[None] if channels == 1 else values.transpose(2, 0, 1)


def flip_some(x: Tensor, draws: Mapping[str, Tensor]) -> Tensor:
    """Return images x [n, c, h, w], each mirrored from left to right where its number is negative."""
    return torch.where(draws["flip"] > 0, x, x.flip(-1))


def take_rows(rows: Any, indices: Tensor) -> Tensor:
    """Return the rows at these indices as a tensor of its own."""
    return torch.from_numpy(np.ascontiguousarray(rows[indices.cpu().numpy()]))


def is_large(rows: Any) -> bool:
    """Return whether rows [n, *shape] are too large to be kept in memory."""
    return bool(math.prod(rows.shape) * rows.itemsize > LIMIT)


def make_source(
    sides: Sides, digest: str, *, classes: int = 0, flip: bool = False, shown: Shown = "held-out"
) -> Source:
    """Return the source of a split set; the reference is the held-out rows, or training rows, in a fixed mixed order.

    `flip` mirrors each training image with probability 1/2. A set of more than `LIMIT` bytes is streamed.
    """
    train, reference = sides.train, sides.train if shown == "train" else sides.held_out
    order = torch.from_numpy(np.random.RandomState(ORDER_SEED).permutation(len(reference.samples)))
    if flip and len(train.samples.shape) != 4:
        raise GanbenchError(f"flip = true is for images, and its samples have the shape {train.samples.shape[1:]}.")
    return Source(
        shape=tuple(map(int, train.samples.shape[1:])),
        size=len(train.samples),
        take=partial(take_rows, train.samples),
        reference=lambda n: take_rows(reference.samples, order[:n]),
        classes=classes,
        labels=partial(take_rows, train.labels) if classes and train.labels is not None else None,
        facts={"class_names": sides.names} if classes and sides.names else {},
        digest=digest,
        stream=is_large(train.samples),
        augment=flip_some if flip else None,
        draws={"flip": Draw("sign")} if flip else {},
    )
