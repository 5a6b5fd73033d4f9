"""The command that compares results folders, or methods within one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganbench.cli.arguments import FormatOrSummary, Full, Out, Plugins
from ganbench.cli.printing import print_paths, progress_bar
from ganbench.cli.summary import wants_summary

if TYPE_CHECKING:
    from ganbench.report import Comparison


def compare(
    results: Annotated[list[Path], typer.Argument(metavar="RESULTS", help="Two or more results folders, or one.")],
    methods: Annotated[
        tuple[str, str] | None,
        typer.Option("--methods", metavar="A B", help="Compare two methods: of one folder, or one of each of two."),
    ] = None,
    format: FormatOrSummary = None,
    full: Full = False,
    out: Out = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Write the comparison as one HTML page.")
    ] = None,
    plugin: Plugins = None,
) -> None:
    """Compare results folders, or two methods of one, cell by cell.

    What differs between the sides comes first. With more than two folders, the first is compared with every other.
    """
    from ganbench.report import choose_writer, compare, render, write_tables

    writer = choose_writer(format or "md", plugin or ())
    comparison = compare(*results, methods=methods)
    if out is not None:
        print_paths(write_tables(comparison.tables, writer, out))
    if report is not None:
        write_comparison(comparison, report)
    if out or report:
        return
    if wants_summary(format):
        if full:
            typer.echo(render(comparison.tables, "md"))
        print_comparison(comparison, full=full)
    else:
        typer.echo(writer.page(comparison.tables), nl=False)


def write_comparison(comparison: Comparison, file: Path) -> None:
    """Write a comparison as a page into a file, and print its path."""
    from ganbench.page import write_page

    with progress_bar("writing the page") as tell:
        written = write_page(comparison, file, progress=tell)
    print_paths([written])


def print_comparison(comparison: Comparison, *, full: bool) -> None:
    """Print the verdicts on a comparison, what differs between its sides, and the summary tables."""
    from rich.console import Console

    from ganbench.report.sides import list_import_notes
    from ganbench.report.terminal import print_summaries, show_differences, show_verdicts, write_text
    from ganbench.report.words import plural

    console = Console()
    title = f"{' against '.join(comparison.sides)}: {plural(comparison.matched, 'matched cell')}"
    for note in list_import_notes(comparison.opened):
        console.print(write_text(note, "yellow"), "", sep="\n")
    show_verdicts(console, comparison.verdicts, title, full=full)
    show_differences(console, comparison.tables[0])
    if not full:
        print_summaries(console, comparison.frames, comparison.rules)
