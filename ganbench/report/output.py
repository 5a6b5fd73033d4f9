"""Tables in any format, built in or from a plugin: as one text, or each as a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ganbench import registry
from ganbench.errors import GanbenchError, unknown_name
from ganbench.escaping import make_slug
from ganbench.report.writers import FORMATS
from ganbench.results.files import write_file
from ganbench.table import Table


@dataclass(frozen=True, kw_only=True)
class Writer:
    """A format of tables: `page` returns all of them as one text, `render` one of them for a file with `suffix`.

    `styles` are its styles of print.
    """

    suffix: str
    page: Callable[[Sequence[Table]], str]
    render: Callable[[Table], str | bytes]
    styles: tuple[str, ...] = ()


def choose_writer(format: str, files: Sequence[Path] = ()) -> Writer:
    """Return the writer of a format. Plugins, those in `files` too, are loaded only if the format is not built in.

    Raises GanbenchError with the nearest name if no plugin offers this format.
    """
    if format in FORMATS:
        page = FORMATS[format]
        return Writer(suffix=f".{format}", page=page, render=lambda table: page([table]))
    plugins = registry.load(files=files)
    if format not in plugins.names("reports"):
        raise unknown_name("format", format, [*FORMATS, *plugins.names("reports")])
    report = plugins.build("reports", format)

    def join_texts(tables: Sequence[Table]) -> str:
        texts = [report.render(table) for table in tables]
        if not all(isinstance(text, str) for text in texts):
            raise GanbenchError(f"format {format!r} is not a text format; write its files with --out DIR.")
        return "\n".join(texts)

    return Writer(suffix=report.suffix, page=join_texts, render=report.render, styles=tuple(report.styles))


def write_tables(tables: Sequence[Table], writer: Writer, folder: Path) -> list[Path]:
    """Write each table into a file named after its title; return the files."""
    files = [folder / (name + writer.suffix) for name in file_names([table.title for table in tables])]
    make_folder(folder)
    for path, table in zip(files, tables, strict=True):
        content = writer.render(table)
        write_file(path, content.encode() if isinstance(content, str) else content)
    return files


def file_names(titles: Sequence[str]) -> Iterator[str]:
    """Yield a safe, distinct file name for each title: scores-on-ring for "Scores on ring", ...-2 for a second one."""
    used: set[str] = set()
    for title in titles:
        name = first = make_slug(title.lower().replace(":", "").replace(" ", "-"))
        count = 1
        while name in used:
            count += 1
            name = f"{first}-{count}"
        used.add(name)
        yield name


def make_folder(folder: Path) -> None:
    """Create a folder and its parents; raise GanbenchError where the system refuses."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GanbenchError(
            f"{folder}: cannot be created ({error.strerror}). Choose another folder with --out."
        ) from error
