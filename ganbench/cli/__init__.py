"""The door: parse, call, print. Exit codes: 0, 1 if trials failed, 2 for what the user can mend, 130 for Ctrl-C."""

from __future__ import annotations

import errno
import sys

import typer

from ganbench.cli.models import evaluate, rerun
from ganbench.cli.plugins import check, doctor, list_, schema, show
from ganbench.cli.results import figures, history, samples, table
from ganbench.cli.training import plan, run, watch
from ganbench.errors import GanbenchError
from ganbench.escaping import printable

app = typer.Typer(
    name="ganbench",
    help="Does this loss, this critic constraint, this architecture really help? Train the grid and see.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

for command in (
    run,
    plan,
    list_,
    show,
    table,
    history,
    schema,
    figures,
    samples,
    rerun,
    evaluate,
    watch,
    check,
    doctor,
):
    app.command(command.__name__.rstrip("_"))(command)


def main(words: list[str] | None = None) -> None:
    """Run the command line; turn what the user can mend into one message and exit code 2."""
    try:
        app(words, prog_name="ganbench")
    except GanbenchError as error:
        typer.echo(f"ganbench: {printable(str(error), keep=chr(10))}", err=True)
        sys.exit(2)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        where = f"{printable(str(error.filename))}: " if error.filename else ""
        typer.echo(f"ganbench: {where}no space is left to write to. Make room, and give the command again.", err=True)
        sys.exit(2)
