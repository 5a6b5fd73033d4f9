"""Commands about a results folder: table, trials, history."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganbench.cli.arguments import (
    Format,
    FormatOrSummary,
    Full,
    Out,
    Plugins,
    Results,
    TableStyle,
    renamed,
    results_folder,
)
from ganbench.cli.printing import print_paths
from ganbench.cli.summary import print_summary, wants_summary
from ganbench.errors import GanbenchError

if TYPE_CHECKING:
    from ganbench.report import Table
    from ganbench.report.output import Writer
    from ganbench.results.frames import Frames
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
    style: Annotated[
        TableStyle | None, typer.Option("--style", help="With --format latex: the few tables of a paper, in 345 pt.")
    ] = None,
) -> None:
    """Print the tables of a results folder, or write them to files.

    On a terminal: the verdict in words, the few tables that one reads, and what to do next.
    """
    from ganbench.report import choose_writer, write_tables

    writer = choose_writer(format or "md", plugin or ())
    if style is not None:
        check_style(style, format or "md", writer.styles, "--sensitivity" * sensitivity or "--by" * bool(by))
    frames = read_planned(results, everything=all)
    if style or sensitivity or by or out is not None:
        tables = build_paper_tables(frames, results) if style else build_tables(frames, results, sensitivity, by)
        if out is None:
            typer.echo(writer.page(tables), nl=False)
        else:
            print_paths(write_tables(tables, writer, out))
    else:
        print_results(frames, results, writer, summary=wants_summary(format), full=full)


def history(results: Results, format: Format = "md") -> None:
    """List the runs of a results folder, and what each one added."""
    from ganbench.report import choose_writer, history_table
    from ganbench.results.history import refuse_unplanned
    from ganbench.results.store import Store

    with Store(results_folder(results), readonly=True) as store:
        runs = refuse_unplanned(store.history(), results)
    typer.echo(choose_writer(format).page([history_table(runs)]), nl=False)


def trials(
    results: Results,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Only these: method, seed, key, ..., or a factor (critic_depth=3)."),
    ] = None,
    diverged: Annotated[bool, typer.Option("--diverged", help="Only trials that diverged.")] = False,
    failed: Annotated[bool, typer.Option("--failed", help="Only trials that failed or timed out.")] = False,
    sort: Annotated[str, typer.Option(metavar="NAME", help="Sort by a column or a factor; scores: best first.")] = "",
    all: Annotated[bool, typer.Option("--all", help="Also trials that the newest plan no longer has.")] = False,
    format: FormatOrSummary = None,
    plugin: Plugins = None,
) -> None:
    """List the trials: key, architecture, outcomes, scores, error.

    Those on which configurations were tuned are among them.
    """
    from ganbench.report import choose_writer, make_trials_table

    writer = choose_writer(format or "md", plugin or ())
    frames = read_planned(results, everything=all).whole
    shown = make_trials_table(frames, str(results), only or (), diverged=diverged, failed=failed, sort=sort)
    if wants_summary(format):
        from ganbench.report.terminal import print_table

        print_table(shown)
    else:
        typer.echo(writer.page([shown]), nl=False)


def read_planned(results: Path, *, everything: bool = False) -> Frames:
    """Return the results of a folder; raise GanbenchError if no run has planned anything there."""
    from ganbench.results.history import refuse_unplanned
    from ganbench.results.store import read

    frames = read(results, everything=everything)
    refuse_unplanned(frames.runs, results)
    return frames


def restore_suite(results: Path, frames: Frames) -> Suite:
    """Return the suite that a results folder holds; an error in it names the folder."""
    from ganbench import suite

    try:
        return suite.restore(frames.suite)
    except GanbenchError as error:
        raise GanbenchError(f"{results}: {error}") from error


def print_results(frames: Frames, results: Path, writer: Writer, *, summary: bool, full: bool) -> None:
    """Print the results as a summary for a person, or their tables by a writer."""
    if summary:
        print_summary(frames, results, restore_suite(results, frames), full=full)
    else:
        typer.echo(writer.page(build_tables(frames, results)), nl=False)


def build_tables(frames: Frames, results: Path, sensitivity: bool = False, by: str = "") -> list[Table]:
    """Return the tables of the results, of the sensitivity of their conclusions, or of success by a factor."""
    from ganbench.report import make_factor_tables, make_sensitivity_tables, make_tables

    if by and sensitivity:
        raise GanbenchError("--by and --sensitivity are two kinds of tables. Ask for one at a time.")
    if by:
        return make_factor_tables(frames, restore_suite(results, frames).success, by)
    make = make_sensitivity_tables if sensitivity else make_tables
    return make(frames, restore_suite(results, frames).success)


def check_style(style: str, format: str, styles: Sequence[str], other: str) -> None:
    """Raise GanbenchError unless a style of print is one of the format's, without another kind of tables."""
    if style not in styles:
        raise GanbenchError(f"--style {style}: only with a format for print, such as --format latex, not {format!r}.")
    if other:
        raise GanbenchError(f"--style {style}: only without {other}. Leave one of the two out.")


def build_paper_tables(frames: Frames, results: Path) -> list[Table]:
    """Return the few tables of a paper."""
    from ganbench.report import make_paper_tables

    return make_paper_tables(frames, restore_suite(results, frames).success)
