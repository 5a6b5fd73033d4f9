"""Commands that read a results folder: table, history, figures, samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganbench.cli.arguments import Folder, Format, Pictures, Plugins, Results, results_folder
from ganbench.cli.printing import print_paths
from ganbench.errors import GanbenchError

if TYPE_CHECKING:
    from ganbench.report import Table
    from ganbench.report.figures import Picture
    from ganbench.results.frames import Frames
    from ganbench.suite.suite import Suite


def table(
    results: Results,
    format: Format = "md",
    all: Annotated[bool, typer.Option("--all", help="Also trials that the newest plan no longer asks for.")] = False,
    out: Folder = None,
    plugin: Plugins = None,
    robustness: Annotated[bool, typer.Option("--robustness", help="In their place: is every verdict robust?")] = False,
) -> None:
    """Print the tables of a results folder, or write each into a file."""
    from ganbench.report import choose_writer, write_tables
    from ganbench.results.store import read

    how = choose_writer(format, plugin or ())
    tables = build_tables(read(results, everything=all), results, robustness)
    if out is None:
        typer.echo(how.page(tables), nl=False)
    else:
        print_paths(write_tables(tables, how, out))


def history(results: Results, format: Format = "md") -> None:
    """Tell the runs of a results folder: when, what each planned and trained, and what changed between them."""
    from ganbench.report import choose_writer, history_table
    from ganbench.results.store import Store

    with Store(results_folder(results), readonly=True) as store:
        known = store.history()
    typer.echo(choose_writer(format).page([history_table(known)]), nl=False)


def figures(results: Results, out: Pictures = None) -> None:
    """Draw each success rule's rates over all thresholds, and where the scores lie, as PNG."""
    from ganbench.report.figures import list_figures
    from ganbench.results.store import read

    draw(list_figures(frames := read(results), restore_suite(results, frames).success), results, out)


def samples(
    results: Results,
    of: Annotated[str, typer.Option("--of", metavar="KEY", help="One trial's, by its key or the key's start.")] = "",
    out: Pictures = None,
    plugin: Plugins = None,
) -> None:
    """Draw what the trained models make as PNG: a sheet for each method, from the best trial to the worst."""
    from ganbench import registry
    from ganbench.report.samples import list_sheets, trial_sheet
    from ganbench.results.store import read

    known = results_folder(results), read(results), registry.load(files=plugin or ())
    draw([trial_sheet(*known, of)] if of else list_sheets(*known), results, out)


def restore_suite(results: Path, frames: Frames) -> Suite:
    """Give the suite that a results folder holds; a complaint about it names the folder."""
    from ganbench import suite

    try:
        return suite.restore(frames.suite)
    except GanbenchError as error:
        raise GanbenchError(f"{results}: {error}") from error


def build_tables(frames: Frames, results: Path, robustness: bool = False) -> list[Table]:
    """Make what the results say about the suite's question, or of how robust their verdicts are."""
    from ganbench.report import make_sensitivity_tables, make_tables

    make = make_sensitivity_tables if robustness else make_tables
    return make(frames, restore_suite(results, frames).success)


def draw(pictures: Sequence[Picture], results: Path, out: Path | None) -> None:
    """Draw pictures into files and name them; what takes more than two seconds shows how far it is."""
    from tqdm import tqdm

    from ganbench.report.figures import write_pictures

    if not pictures:
        typer.echo("nothing to draw: no success rule has scores yet.", err=True)
        return
    drawn = write_pictures(pictures, out or results_folder(results) / "figures")
    print_paths(tqdm(drawn, "drawing", len(pictures), leave=False, disable=None, delay=2.0))
