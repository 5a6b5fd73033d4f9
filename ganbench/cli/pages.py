"""Commands that write pages: report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ganbench.cli.arguments import Plugins, results_folder
from ganbench.cli.printing import print_paths, progress_bar


def report(
    results: Annotated[list[Path], typer.Argument(metavar="RESULTS...", help="Results folders, one or more.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="The page (default: RESULTS/report.html).")
    ] = None,
    samples: Annotated[
        bool, typer.Option("--samples/--no-samples", help="Draw samples; this builds the networks in the results.")
    ] = True,
    plugin: Plugins = None,
) -> None:
    """Write results folders as one HTML page to send.

    The page needs no network: open it, send it, publish it.
    """
    from ganbench import registry
    from ganbench.page import write_page

    plugins = registry.load(files=plugin or ()) if samples else None
    folders = [results_folder(folder) for folder in results]
    with progress_bar("writing the page") as tell:
        written = write_page(folders, out or folders[0] / "report.html", plugins, tell)
    print_paths([written])
