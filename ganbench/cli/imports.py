"""The command that imports runs that were trained elsewhere."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from ganbench.escaping import replace_unprintable

Names = list[str] | None


def import_(
    runs: Annotated[
        Path,
        typer.Argument(
            metavar="RUNS",
            help="A CSV or Parquet file with the columns method, architecture, seed, dataset, metric, step, value.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="The results folder (default: results/<file>).")
    ] = None,
    success: Annotated[
        Names, typer.Option("--success", metavar="METRIC=T,..", help="What success is, as in fid=30,25. Repeatable.")
    ] = None,
    primary: Annotated[
        list[float] | None, typer.Option("--primary", metavar="T", help="The threshold that the tests use.")
    ] = None,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option("--compare", metavar="A B", help="Two methods to compare (default: the first with every other)."),
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option("--rules", metavar="FILE", help="Instead: a TOML file with [[success]], [[claim]], [outcomes]."),
    ] = None,
    higher: Annotated[Names, typer.Option("--higher", metavar="METRIC", help="More of it is better.")] = None,
    lower: Annotated[Names, typer.Option("--lower", metavar="METRIC", help="Less of it is better.")] = None,
    neutral: Annotated[Names, typer.Option("--neutral", metavar="METRIC", help="Neither is better.")] = None,
    question: Annotated[str, typer.Option("--question", metavar="TEXT", help="What the runs were trained for.")] = "",
) -> None:
    """Import runs that were trained elsewhere, from a CSV file.

    It has a row per value. Every command that reads results shows these runs as trials that were imported.
    """
    from ganbench.imports import Reading, import_runs

    reading = Reading(
        success=success or (),
        primary=primary or (),
        compare=[compare] if compare else (),
        question=question,
        rules=rules,
        higher=higher or (),
        lower=lower or (),
        neutral=neutral or (),
    )
    imported = import_runs(runs, out, reading)
    for line in imported.lines:
        typer.echo(replace_unprintable(line))
    folder = shlex.quote(str(imported.out))
    typer.echo(replace_unprintable(f"the tables: ganbench table {folder}; one page to send: ganbench report {folder}"))
