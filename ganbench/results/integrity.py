"""Guards against a third party's results folder: it is read as data, never as code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from ganbench.api.records import TRAINED, UNTRAINED
from ganbench.errors import GanbenchError, shorten
from ganbench.results.schema import METADATA

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

FILES = ("results.sqlite", "results.sqlite-journal", "suite.toml", ".lock", ".holder")
FOLDERS = ("networks", "checkpoints", "plugins", "log")
OURS = (*FILES, *FOLDERS)
"""The names in a results folder under which a run writes."""

WRITE_AHEAD = b"\x02\x02"
"""Bytes 18 and 19 of a database in write-ahead mode (sqlite.org/fileformat2.html, section 1.3.3)."""

WORDS = {"key", "dataset", "architecture", "method", "status", "error", "code", "mode", "device", "name", "direction"}
WORDS |= {"measurement", "sampler"}
CHOICES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "status": frozenset({*TRAINED, *UNTRAINED, "missing"}),
        "direction": frozenset({"higher", "lower", "neutral"}),
    }
)
KEY = re.compile("[0-9a-f]{64}")
"""The key of a trial or a batch: only such a text becomes a file name."""

OBJECTS = "SELECT type, name, coalesce(sql, '') FROM sqlite_master"
"""The query for everything that a database holds: its type, its name, and the text that made it."""

NOT_OURS = "Open it with the program that made it, or choose another folder for ganbench."


def refuse_links(folder: Path) -> None:
    """Raise GanbenchError for a link through which a run would write outside its folder."""
    for name in OURS:
        if (folder / name).is_symlink():
            raise GanbenchError(
                f"{folder / name}: a link, and a run writes only into its own folder. Remove the link, or "
                "choose another folder."
            )


def refuse_write_ahead(file: Path) -> None:
    """Raise GanbenchError for a database in write-ahead mode: even reading it would create files beside it."""
    try:
        with file.open("rb") as content:
            header = content.read(20)
    except OSError as error:
        raise GanbenchError(f"{file}: cannot be read ({error.strerror}). Check its permissions.") from error
    if header.startswith(b"SQLite format 3") and header[18:20] == WRITE_AHEAD:
        raise GanbenchError(
            f"{file}: in write-ahead mode, which ganbench never uses: reading it would write beside it. "
            "Make a copy and set PRAGMA journal_mode = DELETE in it."
        )


def refuse_active(rows: Iterable[Sequence[Any]], file: Path) -> None:
    """Raise GanbenchError for a trigger, a view or a virtual table: parts of a database that act by themselves.

    `rows` are the answer to `OBJECTS`.
    """
    for kind, name, text in rows:
        virtual = kind == "table" and text.lstrip().upper().startswith("CREATE VIRTUAL")
        if kind in ("trigger", "view") or virtual:
            what = "virtual table" if virtual else kind
            raise GanbenchError(f"{file}: holds a {what} {shorten(name)}, which ganbench never makes. {NOT_OURS}")


def refuse_foreign(connection: Connection, file: Path) -> None:
    """Raise GanbenchError unless the database has ganbench's tables and columns, and nothing that acts by itself."""
    rows = connection.exec_driver_sql(OBJECTS).all()
    refuse_active(rows, file)
    tables = {name for kind, name, _ in rows if kind == "table"}
    for table in METADATA.sorted_tables:
        if table.name not in tables:
            raise GanbenchError(f"{file}: no table {table.name!r}, so ganbench did not write it. {NOT_OURS}")
        found = {row[1] for row in connection.exec_driver_sql(f'PRAGMA table_info("{table.name}")')}
        if gone := sorted(set(table.columns.keys()) - found):
            raise GanbenchError(
                f"{file}: table {table.name!r} has no column {gone[0]!r}, so ganbench did not write it. {NOT_OURS}"
            )


def refuse_odd_cells(frames: Frames, file: Path) -> None:
    """Raise GanbenchError for cells that ganbench never writes: of the wrong type, or not one of the known values.

    Texts may hold anything: whoever shows them escapes them.
    """
    from pandas.api.types import infer_dtype

    for name in ("trials", "scores", "signals", "calibration"):
        frame = getattr(frames, name)
        for column in frame.columns if len(frame) else ():
            kind = infer_dtype(frame[column], skipna=False)
            if (column in WORDS and kind != "string") or (
                column not in WORDS and frame[column].dtype.kind not in "biuf"
            ):
                raise GanbenchError(f"{file}: {column} in {name} has cells of the wrong type ({kind}). {NOT_OURS}")
        for column, allowed in CHOICES.items():
            odd = sorted(set(frame[column].unique()) - allowed) if column in frame.columns else []
            if odd:
                raise GanbenchError(f"{file}: {column} in {name} is {shorten(odd[0])}. {NOT_OURS}")
    for key in frames.trials["key"].unique():
        if not KEY.fullmatch(key):
            raise GanbenchError(f"{file}: {shorten(key)} is no trial's key: 64 hexadecimal digits. {NOT_OURS}")
    if not isinstance(frames.suite, str):
        raise GanbenchError(f"{file}: the stored suite is not a text. {NOT_OURS}")


@contextmanager
def explaining_bad_cells(file: Path) -> Iterator[None]:
    """Turn errors that cells of the wrong type or texts that are not JSON cause into a GanbenchError with the file."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError) as error:
        reason = shorten(f"{type(error).__name__}: {error}")
        raise GanbenchError(f"{file}: holds what ganbench never writes ({reason}). {NOT_OURS}") from error
