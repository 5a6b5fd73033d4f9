"""Commands that draw a results folder: figures, curves, samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganbench.cli.arguments import (
    FigureFormats,
    FigureLook,
    FigureStyle,
    OutOfFigures,
    Plugins,
    Results,
    results_folder,
)
from ganbench.cli.printing import print_paths, progress_bar
from ganbench.cli.results import read_planned, restore_suite
from ganbench.errors import GanbenchError
from ganbench.escaping import replace_unprintable

if TYPE_CHECKING:
    import pandas as pd

    from ganbench.report.plots import Picture, Plot


def figures(
    results: Results, format: FigureFormats = None, style: FigureLook = FigureStyle.screen, out: OutOfFigures = None
) -> None:
    """Draw success rates, scores and the suite's figures as files.

    Two figures for each success rule: its rates over all thresholds, and the scores of every trial. For each dataset,
    scores over steps and seconds; where methods vary options, the expected best and the landscape of each. Each
    [[figure]] of the suite. The data of the last three are CSV files beside them.
    """
    from ganbench.report.figures import plan_figures
    from ganbench.report.suite_figures import list_figures, plan_suite_figures
    from ganbench.report.time_figures import list_time_data, plan_time_figures
    from ganbench.report.tuning_figures import list_tuning_data, plan_tuning_figures
    from ganbench.results.files import figures_path

    plots = [*plan_figures(frames := read_planned(results), restore_suite(results, frames).success)]
    plots += [*plan_time_figures(frames), *plan_tuning_figures(frames), *plan_suite_figures(frames)]
    draw_plots(plots, format, style, results, out)
    folder = out or figures_path(results_folder(results))
    declared = {figure.name: data for figure, data in list_figures(frames)}
    print_paths(write_data({**list_time_data(frames), **list_tuning_data(frames), **declared}, folder))


def curves(
    results: Results,
    key: Annotated[str, typer.Argument(metavar="[KEY]", help="One trial: its key, or the start of it.")] = "",
    states: Annotated[
        bool, typer.Option("--states", help="Also terms, outputs of the critic, and the state of plugins.")
    ] = False,
    format: FigureFormats = None,
    style: FigureLook = FigureStyle.screen,
    out: OutOfFigures = None,
) -> None:
    """Draw scores, losses, gradient and weight norms over the steps.

    For each dataset the median and quartiles of every method; with KEY one trial, where its outcomes began, and its
    best snapshot.
    """
    from ganbench.report.course_figures import plan_courses, plan_trial
    from ganbench.results.store import Store

    if not key:
        plots = list(plan_courses(read_planned(results), states))
    else:
        with Store(results_folder(results), readonly=True) as store:
            full_key = store.detail(key)["key"]
        plots = [plan_trial(read_planned(results, everything=True).whole, full_key, states)]
    draw_plots(plots, format, style, results, out)


def samples(
    results: Results,
    of: Annotated[
        str, typer.Option("--of", metavar="KEY", help="Only this trial's: its key, or the start of it.")
    ] = "",
    over_time: Annotated[
        bool, typer.Option("--over-time", help="The samples at each snapshot, where the suite kept them.")
    ] = False,
    interpolate: Annotated[
        bool, typer.Option("--interpolate", help="Rows of images from one latent to another.")
    ] = False,
    codes: Annotated[
        bool, typer.Option("--codes", help="A row for each label, each class of a code, and each code that is swept.")
    ] = False,
    nearest: Annotated[
        bool, typer.Option("--nearest", help="Images beside the nearest ones of the training set.")
    ] = False,
    real: Annotated[bool, typer.Option("--real", help="Real data beside the samples of each sheet.")] = False,
    out: OutOfFigures = None,
    plugin: Plugins = None,
) -> None:
    """Draw samples of the trained models as PNG files.

    Sheets with all methods side by side, each on one architecture; then a sheet for each method, from the best trial
    to the worst. With --interpolate, --codes, --nearest or --over-time, sheets of the median trial of each method
    instead.
    """
    from ganbench import registry
    from ganbench.report.sample_codes import list_codes
    from ganbench.report.sample_relations import list_interpolations, list_nearest
    from ganbench.report.samples import list_paired, list_sheets, trial_sheet
    from ganbench.report.samples_over_time import list_over_time

    if (over_time, interpolate, codes, nearest, real).count(True) > 1:
        raise GanbenchError(
            "--over-time, --interpolate, --codes, --nearest and --real: each is another sheet. Give one of them."
        )
    frames = read_planned(results)
    source = results_folder(results), frames.whole if of else frames, registry.load(files=plugin or ())
    if over_time:
        draw(list_over_time(*source, of), results, out)
    elif interpolate:
        draw(list_interpolations(*source, of), results, out)
    elif codes:
        draw(list_codes(*source, of), results, out)
    elif nearest:
        with progress_bar("searching", delay=2.0) as tell:
            draw(list_nearest(*source, of, tell), results, out)
    elif of:
        draw([trial_sheet(*source, of, real)], results, out)
    else:
        draw(list_paired(*source) + list_sheets(*source, real), results, out)


def write_data(tables: Mapping[str, pd.DataFrame], folder: Path) -> Iterator[Path]:
    """Write the data of figures as CSV files and yield their paths."""
    from ganbench.report.output import file_names
    from ganbench.results.export import write_csv
    from ganbench.results.files import write_file

    for name, data in zip(file_names(list(tables)), tables.values(), strict=True):
        write_file(folder / f"{name}.csv", write_csv(data))
        yield folder / f"{name}.csv"


def draw_plots(
    plots: Sequence[Plot], formats: Sequence[str] | None, style: str, results: Path, out: Path | None
) -> None:
    """Draw plots into files of these formats (PNG without any), and print why others are not drawn."""
    from ganbench.report.plots import list_absent, list_pictures
    from ganbench.report.style import LOOKS

    for line in list_absent(plots):
        typer.echo(replace_unprintable(line), err=True)
    if pictures := list_pictures(plots, formats or ("png",), LOOKS[style]):
        draw(pictures, results, out)
    elif not plots:
        typer.echo(
            "nothing to draw: the suite has no success rule and no figure. `ganbench curves` draws courses.", err=True
        )


def draw(pictures: Sequence[Picture], results: Path, out: Path | None) -> None:
    """Draw pictures into files and print their paths; after two seconds a progress bar appears."""
    from tqdm import tqdm

    from ganbench.report.plots import write_pictures
    from ganbench.results.files import figures_path

    if not pictures:
        typer.echo("nothing to draw: no success rule has scores yet.", err=True)
        return
    drawn = write_pictures(pictures, out or figures_path(results_folder(results)))
    print_paths(tqdm(drawn, "drawing", len(pictures), leave=False, disable=None, delay=2.0))
