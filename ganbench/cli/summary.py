"""What a person at a terminal sees of results: the verdict, the few tables that one reads, and what to do next."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ganbench.api.records import UNTRAINED
from ganbench.api.trials import IMPORTED

if TYPE_CHECKING:
    from ganbench.results.frames import Frames
    from ganbench.suite.suite import Suite


def wants_summary(format: str | None) -> bool:
    """Return whether results are shown as a summary: no format was asked for, and a person reads the output."""
    return format is None and sys.stdout.isatty()


def print_summary(frames: Frames, results: Path, suite: Suite, *, full: bool = False) -> None:
    """Print the verdict, the summary tables, what was tuned, where the results lie and what to do next.

    With `full`, every table comes first, as Markdown, and the verdict speaks of every comparison.
    """
    from rich.console import Console

    from ganbench.report import make_tables, render
    from ganbench.report.terminal import print_claims, print_summaries, print_tuning, print_verdicts, write_text

    console = Console()
    if full:
        typer.echo(render(make_tables(frames, suite.success), "md"))
    print_verdicts(console, frames, suite.success, suite.question, full=full)
    if not full:
        print_summaries(console, frames, suite.success)
    print_tuning(console, frames)
    print_claims(console, frames)
    tuned = f", {len(frames.tuning.trials)} of them for tuning" if frames.tuning is not None else ""
    console.print(write_text(f"{len(frames.all_trials)} trials{tuned}, in {results}"), soft_wrap=True)
    for line in list_next_steps(frames, results, full=full, rules=bool(suite.success)):
        console.print(write_text(f"  {line}", "dim"), soft_wrap=True)


def list_next_steps(frames: Frames, results: Path, *, full: bool, rules: bool) -> Iterator[str]:
    """Yield what can be done next with these results, each with its command; `rules`: the suite has success rules."""
    from ganbench.results.history import read_shard

    folder = shlex.quote(str(results))
    status = frames.all_trials["status"]
    failed = ",".join(name for name in UNTRAINED if (status == name).any())
    missing, shard = bool((status == "missing").any()), read_shard(frames.runs)
    own = f" --shard {shard}" if shard else ""
    if (frames.all_trials["mode"] == IMPORTED).any():  # of a merged folder, too, the suite is not run
        missing, failed = False, ""
    steps = {
        "join all shards": f"merge {folder} OTHERS... --out MERGED" if missing and shard else "",
        "train what is missing": f"run SUITE --results {folder}" if missing and not shard else "",
        "train again what failed": f"run SUITE{own} --results {folder} --retry {failed}" if failed else "",
        "every table": "" if full else f"table {folder} --full",
        "other readings": f"table {folder} --sensitivity" if rules else "",
        "one page to send": f"report {folder}",
        "pictures": f"figures {folder}" if rules else "",
    }
    width = max(len(purpose) for purpose, command in steps.items() if command)
    yield from (f"{purpose:{width}}  ganbench {command}" for purpose, command in steps.items() if command)
