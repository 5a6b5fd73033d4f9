"""The arguments that several commands share."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ganbench.errors import GanbenchError


class FigureFormat(StrEnum):
    """The formats of figures."""

    png = "png"
    svg = "svg"
    pdf = "pdf"


class FigureStyle(StrEnum):
    """The styles of figures."""

    screen = "screen"
    paper = "paper"


class TableStyle(StrEnum):
    """The styles of tables for print."""

    paper = "paper"


def complete_suites(start: str) -> Iterator[str]:
    """Yield the suites that a name may be completed to: TOML files of this folder, and suites by name."""
    from ganbench.suite import list_suites

    here = (str(path) for path in Path().glob("*.toml"))
    yield from (name for name in sorted({*here, *list_suites()}) if name.startswith(start))


def complete_kinds(start: str) -> Iterator[str]:
    """Yield the kinds of offers that a word may be completed to."""
    from ganbench.api import KINDS

    yield from (kind for kind in KINDS if kind.startswith(start))


def complete_executors(start: str) -> Iterator[str]:
    """Yield the executors that a word may be completed to."""
    from ganbench import registry

    yield from (name for name in registry.load().names("executors") if name.startswith(start))


def complete_formats(start: str) -> Iterator[str]:
    """Yield the built-in formats of tables that a word may be completed to."""
    from ganbench.report import FORMATS

    yield from (name for name in FORMATS if name.startswith(start))


def renamed(old: str, new: str) -> Any:
    """Return a hidden option `old` that answers with the new name."""

    def refuse(value: Any) -> Any:
        if value:
            raise GanbenchError(f"{old} is now {new}.")
        return value

    return typer.Option(old, hidden=True, callback=refuse)


SuiteName = Annotated[
    str,
    typer.Argument(
        metavar="SUITE", help="A suite's TOML file, or the name of a shipped suite.", autocompletion=complete_suites
    ),
]
Scale = Annotated[
    str, typer.Option("--scale", metavar="NAME", help="One of the suite's own scales, as in [scale.paper].")
]
Results = Annotated[Path, typer.Argument(metavar="RESULTS", help="A results folder.")]
ResultsOf = Annotated[
    Path | None, typer.Option("--results", metavar="DIR", help="The results folder (default: results/<suite>).")
]
OutOfRun = Annotated[Path | None, renamed("--out", "--results")]
Plugins = Annotated[list[Path] | None, typer.Option("--plugin", metavar="FILE", help="Load a plugin from a file.")]
Device = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Where to train: auto, cpu, cuda, cuda:1, or several as cuda:0,1. auto takes CUDA where there is one.",
    ),
]
Executor = Annotated[
    str,
    typer.Option(metavar="NAME", help="What runs the batches: `list executors`.", autocompletion=complete_executors),
]
ExecutorOptions = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=VALUE", help="An option of the executor, as in TOML: `show NAME`. Repeatable."),
]
Checkpoint = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", help="The shortest time between two checkpoints of a batch."),
]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="Keep the old results under another name, and train everything anew.")
]
Only = Annotated[
    list[str] | None,
    typer.Option(metavar="TRAIT=VALUE", help="Train only these now: method, dataset, architecture, seed or key."),
]
Shard = Annotated[
    str,
    typer.Option(
        metavar="I/N", help="Train the I-th of N shards, into a folder of its own; `ganbench merge` joins the folders."
    ),
]
Trackers = Annotated[
    list[str] | None,
    typer.Option("--watch", metavar="NAME", help="Write to a tracker too: `list watch`. NAME.KEY=VALUE: an option."),
]
Format = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="How to write the tables: md, csv, json, latex, ...", autocompletion=complete_formats
    ),
]
FormatOrSummary = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="NAME",
        help="How to write the tables: md, csv, json, latex, ... (default: a summary on a terminal, else md).",
        autocompletion=complete_formats,
    ),
]
Full = Annotated[bool, typer.Option("--full", help="On a terminal: every table as Markdown, then every verdict.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Write files into this folder.")]
OutOfFigures = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Write files into this folder (default: RESULTS/figures).")
]

FigureFormats = Annotated[
    list[FigureFormat] | None,
    typer.Option("--format", help="The format of the files; may be given several times (default: png)."),
]
FigureLook = Annotated[FigureStyle, typer.Option("--style", help="For a screen, or for one column of a paper.")]


def results_folder(results: Path) -> Path:
    """Return the results folder, where the database in it was named too."""
    return results.parent if results.is_file() else results
