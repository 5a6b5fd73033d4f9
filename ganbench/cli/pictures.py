"""Commands that draw a results folder: figures, samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganbench.cli.arguments import OutOfFigures, Plugins, Results, results_folder
from ganbench.cli.printing import print_paths
from ganbench.cli.results import read_planned, restore_suite

if TYPE_CHECKING:
    from ganbench.report.figures import Picture


def figures(results: Results, out: OutOfFigures = None) -> None:
    """Draw success rates and scores as PNG files.

    Two figures for each success rule: its rates over all thresholds, and the scores of every trial.
    """
    from ganbench.report.figures import list_figures

    draw(list_figures(frames := read_planned(results), restore_suite(results, frames).success), results, out)


def samples(
    results: Results,
    of: Annotated[
        str, typer.Option("--of", metavar="KEY", help="Only this trial's: its key, or the start of it.")
    ] = "",
    out: OutOfFigures = None,
    plugin: Plugins = None,
) -> None:
    """Draw samples of the trained models as PNG files.

    Sheets with all methods side by side, each on one architecture; then a sheet for each method, from the best trial
    to the worst.
    """
    from ganbench import registry
    from ganbench.report.samples import list_paired, list_sheets, trial_sheet

    source = results_folder(results), read_planned(results), registry.load(files=plugin or ())
    draw([trial_sheet(*source, of)] if of else list_paired(*source) + list_sheets(*source), results, out)


def draw(pictures: Sequence[Picture], results: Path, out: Path | None) -> None:
    """Draw pictures into files and print their paths; after two seconds a progress bar appears."""
    from tqdm import tqdm

    from ganbench.report.figures import write_pictures
    from ganbench.results.files import figures_path

    if not pictures:
        typer.echo("nothing to draw: no success rule has scores yet.", err=True)
        return
    drawn = write_pictures(pictures, out or figures_path(results_folder(results)))
    print_paths(tqdm(drawn, "drawing", len(pictures), leave=False, disable=None, delay=2.0))
