"""Commands about a results folder: table, history, migrate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganbench.cli.arguments import Format, FormatOrSummary, Full, Out, Plugins, Results, renamed, results_folder
from ganbench.cli.printing import print_paths
from ganbench.cli.summary import print_summary, wants_summary
from ganbench.errors import GanbenchError
from ganbench.escaping import replace_unprintable

if TYPE_CHECKING:
    from ganbench.report import Table
    from ganbench.results.frames import Frames
    from ganbench.results.history import Run
    from ganbench.suite.suite import Suite


def table(
    results: Results,
    format: FormatOrSummary = None,
    full: Full = False,
    all: Annotated[bool, typer.Option("--all", help="Also trials that the newest plan no longer has.")] = False,
    out: Out = None,
    plugin: Plugins = None,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Instead: does each conclusion hold under other readings?")
    ] = False,
    by: Annotated[
        str, typer.Option("--by", metavar="FACTOR", help="Instead: success by a factor of the architecture.")
    ] = "",
    robustness: Annotated[bool, renamed("--robustness", "--sensitivity")] = False,
) -> None:
    """Print the tables of a results folder, or write them to files.

    On a terminal: the verdict in words, the few tables that one reads, and what to do next.
    """
    from ganbench.report import choose_writer, write_tables

    writer = choose_writer(format or "md", plugin or ())
    frames = read_planned(results, everything=all)
    if wants_summary(format) and out is None and not sensitivity and not by:
        print_summary(frames, results, restore_suite(results, frames), full=full)
        return
    tables = build_tables(frames, results, sensitivity, by)
    if out is None:
        typer.echo(writer.page(tables), nl=False)
    else:
        print_paths(write_tables(tables, writer, out))


def history(results: Results, format: Format = "md") -> None:
    """List the runs of a results folder, and what each one added."""
    from ganbench.report import choose_writer, history_table
    from ganbench.results.store import Store

    with Store(results_folder(results), readonly=True) as store:
        runs = refuse_unplanned(store.history(), results)
    typer.echo(choose_writer(format).page([history_table(runs)]), nl=False)


def migrate(results: Results, copy: Annotated[Path, typer.Argument(metavar="COPY", help="The new folder.")]) -> None:
    """Copy results of an earlier version into today's format.

    Such results can be read as they are, but not written to. The folder itself stays as it is.
    """
    from ganbench.results.migrations import migrate
    from ganbench.results.schema import SCHEMA

    version = migrate(results_folder(results), copy)
    typer.echo(replace_unprintable(f"{copy}: copied from schema version {version} to {SCHEMA}"))


def read_planned(results: Path, *, everything: bool = False) -> Frames:
    """Return the results of a folder; raise GanbenchError if no run has planned anything there."""
    from ganbench.results.store import read

    frames = read(results, everything=everything)
    refuse_unplanned(frames.runs, results)
    return frames


def refuse_unplanned(runs: Sequence[Run], results: Path) -> Sequence[Run]:
    """Return the runs; raise GanbenchError if there is none, as after a run that was killed before it trained."""
    if not runs:
        raise GanbenchError(f"{results}: nothing is planned here yet. `ganbench run SUITE` plans, then trains.")
    return runs


def restore_suite(results: Path, frames: Frames) -> Suite:
    """Return the suite that a results folder holds; an error in it names the folder."""
    from ganbench import suite

    try:
        return suite.restore(frames.suite)
    except GanbenchError as error:
        raise GanbenchError(f"{results}: {error}") from error


def build_tables(frames: Frames, results: Path, sensitivity: bool = False, by: str = "") -> list[Table]:
    """Return the tables of the results, of the sensitivity of their conclusions, or of success by a factor."""
    from ganbench.report import make_factor_tables, make_sensitivity_tables, make_tables

    if by and sensitivity:
        raise GanbenchError("--by and --sensitivity are two kinds of tables. Ask for one at a time.")
    if by:
        return make_factor_tables(frames, restore_suite(results, frames).success, by)
    make = make_sensitivity_tables if sensitivity else make_tables
    return make(frames, restore_suite(results, frames).success)
