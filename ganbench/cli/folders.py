"""Commands that make one folder of others: migrate, merge, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ganbench.cli.arguments import Results, results_folder
from ganbench.cli.printing import print_paths
from ganbench.escaping import replace_unprintable


def migrate(results: Results, copy: Annotated[Path, typer.Argument(metavar="COPY", help="The new folder.")]) -> None:
    """Copy results of an earlier version into today's format.

    Such results can be read as they are, but not written to. The folder itself stays as it is.
    """
    from ganbench.results.migrations import migrate
    from ganbench.results.schema import SCHEMA

    version = migrate(results_folder(results), copy)
    typer.echo(replace_unprintable(f"{copy}: copied from schema version {version} to {SCHEMA}"))


def merge(
    results: Annotated[list[Path], typer.Argument(metavar="RESULTS...", help="Two or more results folders.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The new folder.")],
    prefer: Annotated[
        str,
        typer.Option(
            "--prefer",
            metavar="RESULTS",
            help="Of records that differ, keep this folder's, or those of the `newest` run.",
        ),
    ] = "",
) -> None:
    """Merge results folders into a new one.

    Trials are the same where their keys are; equal records are kept once. The folders themselves stay as they are.
    """
    from ganbench.results.merge import merge

    for line in merge([results_folder(folder) for folder in results], out, prefer).lines:
        typer.echo(replace_unprintable(line))


def export(
    results: Results,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder for the files.")],
    format: Annotated[str, typer.Option(metavar="NAME", help="csv or parquet.")] = "csv",
    all: Annotated[bool, typer.Option("--all", help="Also trials that the newest plan no longer has.")] = False,
) -> None:
    """Write trials, scores and all else as CSV or Parquet.

    One file each, as pandas reads it. Texts are written as they are, also those that a spreadsheet takes for formulas.
    """
    from dataclasses import asdict

    import pandas as pd

    from ganbench.report.claim_tables import read_claims
    from ganbench.report.suite_figures import list_figures
    from ganbench.results.export import count_formulas, export
    from ganbench.results.store import read
    from ganbench.statistics.claims import claims_frame

    frames = read(results, everything=all)
    more = {"claims": claims_frame(claims)} if (claims := read_claims(frames)) else {}
    if frames.choices:
        more["choices"] = pd.DataFrame(map(asdict, frames.choices))
    if drawn := [data for _, data in list_figures(frames)]:
        more["figures"] = pd.concat(drawn, ignore_index=True)
    print_paths(export(frames.whole, folder, format, more))
    if format == "csv" and (count := count_formulas(frames.whole)):
        typer.echo(
            f"caution: {count} texts begin as formulas do. For a spreadsheet, use `ganbench table --format csv`.",
            err=True,
        )
