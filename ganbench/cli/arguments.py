"""The arguments that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Device(StrEnum):
    """Where to train."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


SuiteName = Annotated[str, typer.Argument(metavar="SUITE", help="A suite's TOML file, or the name of a shipped suite.")]
Results = Annotated[Path, typer.Argument(metavar="RESULTS", help="A results folder.")]
Plugins = Annotated[list[Path] | None, typer.Option("--plugin", metavar="FILE", help="Load a plugin from a file.")]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="The results folder (default: results/<suite>).")]
Format = Annotated[str, typer.Option(metavar="NAME", help="How to write the tables: md, csv, json, latex, ...")]
Pictures = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="The folder (default: RESULTS/figures).")]
Folder = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Write files into this folder.")]


def results_folder(results: Path) -> Path:
    """Give the results folder, of the database in it too."""
    return results.parent if results.is_file() else results
