"""The command line: parse, call, print.

Exit codes: 0; 1 if trials failed, if the machine does not let a command go on (no worker starts, no memory is left), or
if the output cannot be written (`| head`); 2 for what the user can mend; 130 for Ctrl-C.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from ganbench.cli.comparison import compare
from ganbench.cli.creation import new
from ganbench.cli.folders import export, merge, migrate
from ganbench.cli.imports import import_
from ganbench.cli.limits import find_limit
from ganbench.cli.models import evaluate, rerun
from ganbench.cli.pages import report
from ganbench.cli.pictures import curves, figures, samples
from ganbench.cli.planning import plan
from ganbench.cli.plugins import check, doctor, list_, schema, show
from ganbench.cli.results import history, table, trials
from ganbench.cli.training import run, watch
from ganbench.cli.trying import try_
from ganbench.errors import GanbenchError, describe, find_reason
from ganbench.escaping import replace_unprintable

__all__ = ["app", "main"]

app = typer.Typer(
    name="ganbench",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
COMMANDS: tuple[Callable[..., None], ...] = (
    *(run, try_, plan, watch, table, report, compare, trials, history, figures, curves, samples),
    *(rerun, evaluate, export, import_, merge, migrate),
    *(list_, show, check, schema, doctor),
)

for command in COMMANDS:
    app.command(command.__name__.rstrip("_"))(command)
app.add_typer(new, name="new")


def print_version(wanted: bool) -> None:
    """Print the version and end, where it is wanted."""
    if wanted:
        from importlib.metadata import version

        typer.echo(f"ganbench {version('ganbench')}")
        raise typer.Exit


@app.callback(help="Does this loss, this critic constraint, this architecture really help? Train the grid and see.")
def options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=print_version, help="Print the version and exit.")
    ] = False,
) -> None:
    """Take the options that stand before every command."""


def main(words: list[str] | None = None) -> None:
    """Run the command line; turn what the user can mend, and what the machine lacks, into one message."""
    try:
        app(words, prog_name="ganbench")
    except GanbenchError as error:
        typer.echo(f"ganbench: {replace_unprintable(str(error), keep=chr(10))}", err=True)
        sys.exit(error.exit_code)
    except Exception as error:
        if not (limit := find_limit(error)):
            raise  # a bug, whose traceback is needed
        place = error.filename if isinstance(error, OSError) else ""
        reason = "" if place else f" ({find_reason(describe(error))})"
        where = f"{place}: " if place else ""
        typer.echo(f"ganbench: {replace_unprintable(f'{where}{limit}{reason}')}", err=True)
        sys.exit(2 if getattr(error, "errno", None) == errno.ENOSPC else 1)
