"""Rows of a file: points or images in a NumPy array or a table, with a fixed part held out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Gt, Lt
from ganbench import GanbenchError, Offer, Source, hash_files, hookimpl
from numpy.typing import NDArray

from ganbench_plugins.datasets.image_files import Rows, Shown, Sides, find_cache, find_path, is_large, make_source

SPLIT_SEED = 517_040_031
"""Seed of the choice of the held-out rows; any constant would do."""
PIECE, LARGE = 1 << 24, 1 << 27
"""Numbers that are looked at together, and those from which on it is noted in the cache that they are finite."""


def load_array(file: Path, key: str = "") -> Any:
    """Return the array of a .npy file, as a memory map, or one of the arrays of an .npz file.

    Raise GanbenchError for an unknown key, and for an array of objects, whose content is pickled code.
    """
    try:
        if file.suffix.lower() == ".npy":
            with file.open("rb") as stream:
                np.lib.format.read_magic(stream)
            return np.load(file, mmap_mode="r", allow_pickle=False)
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            key = key or (arrays.files[0] if len(arrays.files) == 1 else "")
            if key in arrays.files:
                return arrays[key]
            known = ", ".join(map(repr, arrays.files))
    except Exception as error:  # NumPy's readers raise errors of all kinds
        raise GanbenchError(f"{file} cannot be read as an array of numbers: {error}") from error
    raise GanbenchError(f"{file} has the arrays {known}: choose one, key = ...; it is {key!r}.")


def load_table(file: Path, labels: str) -> tuple[NDArray[np.float32], Any]:
    """Return the numbers of a table's columns [n, d], without the column of the labels, and that column."""
    import pandas as pd

    try:
        table = pd.read_csv(file)
    except (OSError, ValueError) as error:
        raise GanbenchError(f"{file} cannot be read as a table: {error}") from error
    if labels and labels not in table:
        raise GanbenchError(f"{file} has no column {labels!r} for labels. It has: {', '.join(map(str, table))}.")
    column = table.pop(labels).to_numpy() if labels else None
    for name, values in table.items():
        if not pd.api.types.is_numeric_dtype(values):
            raise GanbenchError(
                f"{file}: the column {name!r} is not of numbers, such as {values.iloc[0]!r} in its first row. Leave it "
                "out, or name it as labels."
            )
    return table.to_numpy(np.float32), column


def load_rows(file: Path, key: str, labels: str) -> tuple[Any, Any]:
    """Return the samples of a file, and their labels or None."""
    ending = file.suffix.lower()
    if ending == ".csv":
        if key:
            raise GanbenchError(f"key = {key!r} is for .npz files, and {file.name} is a table.")
        return load_table(file, labels)
    if ending not in (".npy", ".npz"):
        raise GanbenchError(f"{file}: its ending is not .npy, .npz or .csv.")
    if not labels:
        return load_array(file, key), None
    return load_array(file, key), load_array(file, labels) if ending == ".npz" else load_array(find_path(labels))


def arrange(rows: Any, file: Path, channels_last: bool) -> Any:
    """Return rows as bytes or float32 [n, ...], images as [n, c, h, w]; a large memory map stays one.

    Raise GanbenchError for what is no list of samples.
    """
    if rows.dtype.kind not in "uif" or rows.ndim < 2 or len(rows) < 2:
        raise GanbenchError(
            f"{file}: its array is {rows.dtype} {list(rows.shape)}. Samples are two or more rows of numbers, [n, d] or "
            "[n, c, h, w]."
        )
    if rows.ndim == 4 and not channels_last and rows.shape[3] in (1, 3) and rows.shape[1] not in (1, 3):
        raise GanbenchError(
            f"{file}: samples of {list(rows.shape[1:])} seem to have their channels last, and images are [n, c, h, w]: "
            "set channels_last = true."
        )
    if rows.ndim == 3:  # grey images without an axis of channels
        rows = rows[:, None]
    elif rows.ndim == 4 and channels_last:
        rows = rows.transpose(0, 3, 1, 2)
    if not is_large(rows):
        rows = np.array(rows)  # a map of a file that is written again ends the process
    keeps = rows.dtype in (np.uint8, np.float32) or (isinstance(rows, np.memmap) and rows.dtype.kind == "f")
    return rows if keeps else rows.astype(np.float32)


def require_finite(rows: Any, file: Path, digest: str) -> None:
    """Raise GanbenchError, with its place, for a number that is not finite; large files are looked at once."""
    note = find_cache() / f"{digest}.finite"
    if rows.dtype == np.uint8 or note.exists():
        return
    step = max(1, PIECE // max(1, rows[0].size))
    for start in range(0, len(rows), step):
        bad = ~np.isfinite(rows[start : start + step])
        if bad.any():
            row, *place = (int(each) for each in np.argwhere(bad)[0])
            value = float(rows[(start + row, *place)])
            raise GanbenchError(
                f"{file}: the number of row {start + row} at {place} is {value} (counted from 0). Leave such rows out, "
                "or repair them."
            )
    if rows.size > LARGE:
        try:
            note.parent.mkdir(parents=True, exist_ok=True)
            note.touch()
        except OSError:  # without the note the next build looks again
            pass


def number_labels(labels: Any, count: int, file: Path) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    """Return labels as integers from 0 on, and their names; whole numbers or texts, one for each row."""
    if labels is None:
        return None, ()
    labels = np.asarray(labels)
    if labels.dtype.kind == "f" and np.isfinite(labels).all() and (labels == labels.round()).all():
        labels = labels.astype(np.int64)
    if labels.dtype.kind == "O" and all(isinstance(label, str) for label in labels):
        labels = labels.astype(str)
    if labels.shape != (count,) or labels.dtype.kind not in "iubU":
        raise GanbenchError(
            f"{file}: its labels are {labels.dtype} {list(labels.shape)}. They must be whole numbers or texts, one for "
            f"each of the {count} rows."
        )
    names, numbers = np.unique(labels, return_inverse=True)
    if 2 * len(names) > count:
        raise GanbenchError(f"{file}: {len(names)} different labels for {count} rows are no classes.")
    return numbers.astype(np.int64), tuple(map(str, names))


class Chosen:
    """Some rows of an array, which is not copied for them; float64 becomes float32 when it is read."""

    def __init__(self, rows: Any, places: NDArray[np.int64]) -> None:
        self.rows, self.places = rows, places
        self.shape, self.itemsize = (len(places), *rows.shape[1:]), rows.dtype.itemsize

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, indices: Any) -> NDArray[Any]:
        some = self.rows[self.places[indices]]
        return np.asarray(some if some.dtype == np.uint8 else some.astype(np.float32))


def array(
    path: str,
    key: str = "",
    labels: str = "",
    channels_last: bool = False,
    flip: bool = False,
    held_out: Annotated[float, Gt(0), Lt(1)] = 0.1,
    reference: Shown = "held-out",
) -> Source:
    """Return the source of the rows of a .npy, .npz or .csv file: points [n, d], or images [n, c, h, w].

    `path` is a file here or in GANBENCH_DATA, and `key` the array in an .npz file. `labels` is a key of it, a column of
    a table, or a .npy file. Bytes are scaled to [-1, 1]; other numbers are used as they are. A fixed share of the rows
    is held out.
    """
    file = find_path(path)
    beside = [find_path(labels)] if labels and file.suffix.lower() == ".npy" else []
    digest = hash_files(file, *beside)
    rows, given = load_rows(file, key, labels)
    rows = arrange(rows, file, channels_last)
    require_finite(rows, file, digest)
    numbers, names = number_labels(given, len(rows), file)
    order = np.random.RandomState(SPLIT_SEED).permutation(len(rows))
    held = min(len(rows) - 1, max(1, round(held_out * len(rows))))
    train, rest = (
        Rows(Chosen(rows, places), None if numbers is None else numbers[places])
        for places in (np.sort(order[held:]), np.sort(order[:held]))
    )
    return make_source(Sides(train, rest, names), digest, classes=len(names), flip=flip, shown=reference)


@hookimpl
def ganbench_datasets() -> Iterator[Offer]:
    """Yield the rows of a file."""
    yield Offer("array", array, "Your own points or images, from a NumPy file or a table.", metrics=("sliced-w1",))
