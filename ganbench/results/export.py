"""The frames of a results folder as files for other programs: CSV or Parquet, one for each frame."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from ganbench.errors import GanbenchError, unknown_name
from ganbench.results.files import write_file

if TYPE_CHECKING:
    import pandas as pd

    from ganbench.results.frames import Frames

FORMATS = ("csv", "parquet")
DTYPES = "dtypes.json"
"""The file beside CSV files that has the type of every column, by file and column."""

FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""Beginnings of a text that a spreadsheet may take for a formula."""


def list_frames(frames: Frames) -> dict[str, pd.DataFrame]:
    """Return every frame by the name of its file; `runs` has a row per run, its facts as JSON."""
    import pandas as pd

    names = ("trials", "scores", "signals", "profiles", "calibration", "architectures", "methods", "rules")
    runs = [{**vars(run), "facts": json.dumps(dict(run.facts))} for run in frames.runs]
    return {name: getattr(frames, name) for name in names} | {"runs": pd.DataFrame(runs)}


def export(
    frames: Frames, folder: Path, format: str = "csv", more: Mapping[str, pd.DataFrame] = MappingProxyType({})
) -> Iterator[Path]:
    """Write every frame of a results folder into a file of its own, and yield the files as they are written.

    `more` are further frames, by the name of their file.

    Texts are written as they are, whatever they begin with: the files are for programs, not for spreadsheets. Of CSV,
    numbers are in full, a missing value or an empty text is an empty cell, and `dtypes.json` has the types of all
    columns. Parquet keeps everything exactly. Raise GanbenchError for another format, and without pyarrow for Parquet.
    """
    if format not in FORMATS:
        raise unknown_name("format", format, FORMATS)
    if format == "parquet":
        try:
            import_module("pyarrow")
        except ImportError:
            raise GanbenchError("parquet: needs pyarrow. `pip install 'ganbench[parquet]'`, or use csv.") from None
    files = {**list_frames(frames), **more}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GanbenchError(f"{folder}: cannot be made ({error.strerror}). Choose another folder.") from error
    for name, frame in files.items():
        path = folder / f"{name}.{format}"
        write_file(path, write_csv(frame) if format == "csv" else write_parquet(frame))
        yield path
    if format == "csv":
        types = {name: dict(frame.dtypes.astype("str")) for name, frame in files.items()}
        write_file(folder / DTYPES, (json.dumps(types, indent=1) + "\n").encode())
        yield folder / DTYPES


def write_csv(frame: pd.DataFrame) -> bytes:
    """Return a frame as CSV in UTF-8: every text in quotation marks, floats with all their digits."""
    text = io.StringIO()
    frame.to_csv(text, index=False, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    return text.getvalue().encode("utf-8", "backslashreplace")


def write_parquet(frame: pd.DataFrame) -> bytes:
    """Return a frame as Parquet."""
    content = io.BytesIO()
    frame.to_parquet(content, engine="pyarrow", index=False)
    return content.getvalue()


def count_formulas(frames: Frames) -> int:
    """Return how many texts in the frames a spreadsheet may take for a formula."""
    texts = (
        frame[column] for frame in list_frames(frames).values() for column in frame.select_dtypes(["object", "str"])
    )
    return sum(int(column.dropna().astype("str").str.startswith(FORMULAS).sum()) for column in texts)
