"""The rows of a table of runs, from a CSV or a Parquet file: the cells as texts, each with its line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from pathlib import Path

from ganbench.errors import GanbenchError, shorten, suggest
from ganbench.escaping import escape_unprintable

COLUMNS = ("method", "architecture", "seed", "dataset", "metric", "step", "value")
"""The columns that a table must have."""

OPTIONAL = ("status", "fresh")
"""The columns that a table may have."""

FACTOR = "architecture."
"""What the names of columns begin with that hold a factor of the architecture, as in `architecture.depth`."""

LONGEST_NAME = 100
"""Characters of a name, at most, as in a suite."""

SEPARATORS = {";": "semicolons", "\t": "tabs"}
"""Separators that are not a comma, as a message names them."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The rows [n] of a table of runs.

    `columns` maps the name of each column that is read to its cells [n], as texts without spaces around them; `lines`
    [n] are the lines of the rows in the file, or, of Parquet, their numbers from 1 on. `ignored` are the names of the
    other columns. `file` is the printable name of the file, `sha256` the hash of its content.
    """

    file: str
    sha256: str
    columns: Mapping[str, Sequence[str]]
    lines: Sequence[int]
    ignored: Sequence[str] = ()

    def refuse(self, place: int, reason: str) -> GanbenchError:
        """Return the error for the row at this place: file and line, then the reason."""
        return self.refuse_line(self.lines[place], reason)

    def refuse_line(self, line: int, reason: str) -> GanbenchError:
        """Return the error for a line of the file."""
        return GanbenchError(f"{self.file}:{line}: {reason}")


def read_rows(path: Path) -> Rows:
    """Return the rows of a CSV file, or of a Parquet file, which is one by the ending of its name.

    Raise GanbenchError, with the line, for a file that cannot be read, that has no rows or lacks a column, and for a
    row with too many or too few cells.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise GanbenchError(f"{path}: no such file. Name a CSV file with the columns {', '.join(COLUMNS)}.") from None
    except IsADirectoryError:
        raise GanbenchError(f"{path}: a folder. Name a CSV file.") from None
    except OSError as error:
        raise GanbenchError(f"{path}: cannot be read ({error.strerror}).") from None
    is_parquet = path.suffix.lower() in (".parquet", ".pq")
    header, rows = read_parquet(path, content) if is_parquet else read_csv(path, content)
    places = find_columns(path, header)
    columns: dict[str, list[str]] = {name: [] for name in places}
    lines: list[int] = []
    for line, row in rows:
        if len(row) != len(header):
            raise GanbenchError(f"{path}:{line}: {len(row)} cells, but the header has {len(header)} columns.")
        lines.append(line)
        for name, place in places.items():
            columns[name].append(row[place].strip())
    if not lines:
        raise GanbenchError(f"{path}: no rows under the header. Each row is one value of one run.")
    ignored = [name for name in header if name not in places]
    return Rows(
        file=escape_unprintable(path.name)[:LONGEST_NAME].strip(),
        sha256=sha256(content).hexdigest(),
        columns=columns,
        lines=lines,
        ignored=tuple(ignored),
    )


def read_csv(path: Path, content: bytes) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Return the header of a CSV file, and its rows with their lines; raise GanbenchError for what is no CSV."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise GanbenchError(f"{path}:{line}: not UTF-8 (byte {error.start}). Save it as UTF-8.") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)

    def iterate() -> Iterator[tuple[int, list[str]]]:
        try:
            for row in reader:
                if row:  # else a blank line
                    yield reader.line_num, row
        except csv.Error as error:
            raise GanbenchError(f"{path}:{reader.line_num}: not CSV: {error}.") from None

    rows = iterate()
    _, header = next(rows, (0, []))
    if not header:
        raise GanbenchError(f"{path}: empty. Its first line names the columns: {','.join(COLUMNS)}.")
    return [name.strip() for name in header], rows


def read_parquet(path: Path, content: bytes) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Return the columns of a Parquet file, and its rows with their numbers; raise GanbenchError without pyarrow."""
    try:
        import_module("pyarrow")
    except ImportError:
        raise GanbenchError(f"{path}: needs pyarrow. `pip install 'ganbench[parquet]'`, or write CSV.") from None
    import pandas as pd

    try:
        frame = pd.read_parquet(io.BytesIO(content), engine="pyarrow")
    except Exception as error:  # pyarrow raises errors of many kinds for a damaged file
        raise GanbenchError(f"{path}: not Parquet ({shorten(str(error))}).") from None
    texts = [
        ["" if missing else str(cell) for cell, missing in zip(column.tolist(), column.isna(), strict=True)]
        for column in (frame.iloc[:, place] for place in range(frame.shape[1]))
    ]
    return [str(name) for name in frame.columns], enumerate(map(list, zip(*texts, strict=True)), start=1)


def find_columns(path: Path, header: Sequence[str]) -> dict[str, int]:
    """Return the place of each column that is read; raise GanbenchError where one is missing or there twice."""
    wanted = [name for name in header if name in (*COLUMNS, *OPTIONAL) or is_factor(name)]
    if double := next((name for place, name in enumerate(wanted) if name in wanted[:place]), None):
        raise GanbenchError(f"{path}: two columns are called {double!r}. Rename or remove one of them.")
    if missing := [name for name in COLUMNS if name not in wanted]:
        others = [name for name in header if name not in wanted]
        hints = "".join(suggest(name, others) for name in missing)
        shown = ", ".join(map(shorten, header[:20]))
        for separator, words in SEPARATORS.items():
            if len(header) == 1 and separator in header[0]:
                hints = f" Its cells are separated by {words}. Write commas."
        raise GanbenchError(
            f"{path}: no column {', '.join(map(repr, missing))}.{hints} Its columns: {shown}. "
            f"Needed: {', '.join(COLUMNS)}."
        )
    return {name: header.index(name) for name in wanted}


def is_factor(name: str) -> bool:
    """Return whether a column holds a factor of the architecture."""
    return name.startswith(FACTOR) and len(name) > len(FACTOR)
