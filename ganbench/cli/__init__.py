"""The command line: parse, call, print.

Exit codes: 0; 1 if trials failed; 2 for what the user can mend; 130 for Ctrl-C.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from ganbench.cli.models import evaluate, rerun
from ganbench.cli.plugins import check, doctor, list_, schema, show
from ganbench.cli.results import figures, history, migrate, samples, table
from ganbench.cli.training import plan, run, watch
from ganbench.errors import GanbenchError
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
    *(run, plan, watch, table, history, figures, samples, rerun, evaluate, migrate),
    *(list_, show, check, schema, doctor),
)

for command in COMMANDS:
    app.command(command.__name__.rstrip("_"))(command)


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
    """Run the command line; turn what the user can mend into one message and exit code 2."""
    try:
        app(words, prog_name="ganbench")
    except GanbenchError as error:
        typer.echo(f"ganbench: {replace_unprintable(str(error), keep=chr(10))}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        where = f"{replace_unprintable(str(error.filename))}: " if error.filename else ""
        typer.echo(f"ganbench: {where}no space is left to write to. Make room, and run the command again.", err=True)
        sys.exit(2)
