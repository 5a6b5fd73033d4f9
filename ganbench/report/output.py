"""Tables in any format, built in or offered by a plugin: as one text, or as a file each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ganbench import registry
from ganbench.errors import GanbenchError, unknown
from ganbench.escaping import slug
from ganbench.report.table import Table
from ganbench.report.writers import FORMATS
from ganbench.results.files import write_file


@dataclass(frozen=True, kw_only=True)
class Writer:
    """How tables are written: `page` gives all of them as one text, `render` one of them for a file with `suffix`."""

    suffix: str
    page: Callable[[Sequence[Table]], str]
    render: Callable[[Table], str | bytes]


def choose_writer(format: str, files: Sequence[Path] = ()) -> Writer:
    """Give the writer of this name. The plugins (and these `files`) are loaded only for what is not built in.

    Raises GanbenchError with the nearest name for a format that nobody offers.
    """
    if format in FORMATS:
        page = FORMATS[format]
        return Writer(suffix=f".{format}", page=page, render=lambda table: page([table]))
    plugins = registry.load(files=files)
    if format not in plugins.names("reports"):
        raise unknown("format", format, [*FORMATS, *plugins.names("reports")])
    report = plugins.build("reports", format)

    def joined(tables: Sequence[Table]) -> str:
        parts = [report.render(table) for table in tables]
        if not all(isinstance(part, str) for part in parts):
            raise GanbenchError(f"format {format!r} is no text: write its files with --out DIR.")
        return "\n".join(parts)

    return Writer(suffix=report.suffix, page=joined, render=report.render)


def write_tables(tables: Sequence[Table], how: Writer, folder: Path) -> list[Path]:
    """Write each table into a file of its own, named for its title; give the files."""
    made = [folder / (name + how.suffix) for name in file_names([table.title for table in tables])]
    make_folder(folder)
    for path, table in zip(made, tables, strict=True):
        content = how.render(table)
        write_file(path, content.encode() if isinstance(content, str) else content)
    return made


def file_names(titles: Sequence[str]) -> Iterator[str]:
    """Give each title a name that is safe and its own: "Scores on ring" is scores-on-ring, a second one ...-2."""
    taken: set[str] = set()
    for title in titles:
        name = first = slug(title.lower().replace(":", "").replace(" ", "-"))
        count = 1
        while name in taken:
            count += 1
            name = f"{first}-{count}"
        taken.add(name)
        yield name


def make_folder(folder: Path) -> None:
    """Make a folder; GanbenchError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GanbenchError(f"{folder}: cannot be made ({error.strerror}). Choose another with --out.") from error
