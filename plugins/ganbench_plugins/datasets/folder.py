"""A folder of pictures of any size and format, in one folder or in one subfolder for each class."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, Lt
from ganbench import GanbenchError, Offer, Source, hash_files, hookimpl
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ganbench_plugins.datasets.image_files import QUIET, Bar, Part, Shown, decode, find_path, fit, make_source, pack

UNSAFE = {"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG"}
"""Formats that Pillow hands to other programs, or cannot decode by itself."""
LARGEST = 100_000_000
"""Pixels of a picture from which on it is refused: a small file may hold a picture that fills the memory."""
FEWEST = 2


@cache
def list_formats() -> dict[str, str]:
    """Return the formats of pictures that are read, by the ending of their files."""
    Image.init()
    return {
        ending: form
        for ending, form in Image.registered_extensions().items()
        if form in Image.OPEN and form not in UNSAFE
    }


def list_pictures(folder: Path) -> list[str]:
    """Return the names of the pictures in a folder and its subfolders, by their endings, without hidden ones, sorted.

    A name is the path inside the folder, with slashes. Links are followed; raise GanbenchError for one to a folder that
    the link itself is in.
    """
    names, endings = [], set(list_formats())
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for link in (os.path.join(place, name) for name in folders if os.path.islink(os.path.join(place, name))):
            if Path(os.path.realpath(place)).is_relative_to(target := os.path.realpath(link)):
                raise GanbenchError(f"{link} is a link to {target}, which it is in itself: remove the link.")
        inside = Path(place).relative_to(folder).as_posix()
        some = [name for name in files if os.path.splitext(name)[1].lower() in endings and not name.startswith(".")]
        some = [
            name for name in some if os.path.isfile(os.path.join(place, name))
        ]  # no pipe, which would wait for ever
        names += some if inside == "." else [f"{inside}/{name}" for name in some]
    return sorted(names)


def list_classes(folder: Path, names: Sequence[str]) -> list[str]:
    """Return the class of each picture, its subfolder; all "" for pictures in one folder or one subfolder.

    Raise GanbenchError if some pictures are in subfolders and some are not.
    """
    classes = [name.partition("/")[0] if "/" in name else "" for name in names]
    if "" in classes and any(classes):
        raise GanbenchError(
            f"{folder} has pictures in subfolders, which are classes, and others outside of them, such as "
            f"{names[classes.index('')]}. Put all of them into subfolders, or all into one folder."
        )
    return classes if len(set(classes)) > 1 else [""] * len(classes)


def read_picture(file: Path, pixels: int, channels: int, crop: str) -> NDArray[np.uint8]:
    """Return a picture as bytes [channels, pixels, pixels], turned as its EXIF data say, on white where transparent.

    Of a moving picture, the first one counts. Raise GanbenchError, with its name, if it cannot be read.
    """
    try:
        with Image.open(file, formats=[*dict.fromkeys(list_formats().values())]) as opened:
            if opened.width * opened.height > LARGEST:
                raise ValueError(f"it has {opened.width} x {opened.height} pixels, more than {LARGEST:,}")
            return fit(flatten(ImageOps.exif_transpose(opened)), pixels, channels, crop)
    except Exception as error:  # Pillow's decoders raise errors of all kinds
        raise GanbenchError(
            f"{file} cannot be read as a picture: {error}. Repair it, or take it out of the folder."
        ) from error


def flatten(image: Image.Image) -> Image.Image:
    """Return a picture without transparency, on white, with 8 bits for each channel."""
    if image.mode.startswith("I"):  # 16 bits; Pillow would cut off all above 255
        return Image.fromarray((np.asarray(image).clip(0, 65535) >> 8).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("its numbers have no range: save it with 8 or 16 bits")
    if not image.has_transparency_data:
        return image
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)


@contextmanager
def ignoring_warnings() -> Iterator[None]:
    """Ignore Pillow's warnings of odd metadata, and of large pictures, which are refused by `LARGEST`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def hash_pictures(pictures: Sequence[Path]) -> list[str]:
    """Return the SHA-256 of each picture's file."""
    bar = Bar(pictures, desc="folder: reading files", unit="", delay=QUIET, leave=False)
    return [hashlib.sha256(picture.read_bytes()).hexdigest() for picture in bar]


def choose_held_out(hashes: Sequence[str], share: float) -> NDArray[np.bool_]:
    """Return which pictures are held out: this share of them, those whose content has the smallest hashes.

    So the split is fixed, it hardly moves when pictures are added, and copies of a picture are on the same side.
    """
    ordered = sorted(hashes)
    last = ordered[min(len(ordered) - 1, max(1, round(share * len(ordered)))) - 1]
    return np.array([each <= last for each in hashes])


def read_folder(
    folder: Path, names: Sequence[str], pixels: int, channels: int, crop: str, held_out: float
) -> tuple[Part, Part, Sequence[str]]:
    """Return the training part and the held-out part of the pictures, and the names of their classes."""
    pictures, own = [folder / name for name in names], list_classes(folder, names)
    classes = sorted(set(own))
    numbers = np.unique(own, return_inverse=True)[1].astype(np.int64)
    is_held_out = choose_held_out(hash_pictures(pictures), held_out)
    if is_held_out.all():
        raise GanbenchError(
            f"the {len(pictures)} pictures in {folder} are copies of one: there is nothing to hold out."
        )

    def read_side(side: NDArray[np.bool_]) -> Part:
        some = [picture for picture, chosen in zip(pictures, side, strict=True) if chosen]
        chunks = decode(len(some), lambda i: read_picture(some[i], pixels, channels, crop), numbers[side])
        return Part(chunks, len(some))

    return read_side(~is_held_out), read_side(is_held_out), classes if len(classes) > 1 else ()


def folder(
    path: str,
    pixels: Annotated[int, Ge(1), Le(1024)] = 64,
    crop: Literal["centre", "none"] = "centre",
    channels: Literal[1, 3] = 3,
    flip: bool = False,
    held_out: Annotated[float, Gt(0), Lt(1)] = 0.1,
    reference: Shown = "held-out",
) -> Source:
    """Return the source of the pictures in a folder, in one size: each subfolder is a class, if there are two or more.

    `path` is a folder, or the name of one in GANBENCH_DATA. The picture is cropped to its centre square, or stretched
    with `crop` = "none". A fixed share of the pictures is held out.
    """
    place = find_path(path, "put your pictures into a folder of this name there, or write the whole path of theirs.")
    if not place.is_dir():
        raise GanbenchError(f"path = {path!r} is a file: name the folder that it is in.")
    names = list_pictures(place)
    if len(names) < FEWEST:
        raise GanbenchError(
            f"{place} has {len(names)} pictures, and at least {FEWEST} are needed. Files with these endings are "
            f"pictures: {' '.join(sorted(list_formats()))}."
        )
    content = hash_files(*(place / name for name in names))
    digest = hashlib.sha256(json.dumps([names, content]).encode()).hexdigest()
    options = {"pixels": pixels, "crop": crop, "channels": channels, "held_out": held_out}
    with ignoring_warnings():
        sides = pack("folder", digest, options, lambda: read_folder(place, names, pixels, channels, crop, held_out))
    return make_source(sides, digest, classes=len(sides.names), flip=flip, shown=reference)


@hookimpl
def ganbench_datasets() -> Iterator[Offer]:
    """Yield a folder of pictures."""
    yield Offer("folder", folder, "Your own pictures, of any size and format.", metrics=("sliced-w1",))
