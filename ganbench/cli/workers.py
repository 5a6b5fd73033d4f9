"""What a command does for the workers that it will start: it makes the template that they are copies of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ganbench.cli.interrupts import Stopped, raise_on_signals
from ganbench.escaping import replace_unprintable

if TYPE_CHECKING:
    from ganbench.runner.settings import Settings
    from ganbench.suite.suite import Suite

_owned = False


def own_process() -> None:
    """Note that this process is the command line and nothing else, so that a command may change all of it."""
    global _owned
    _owned = True


def prepare_workers(suite: Suite, settings: Settings) -> None:
    """Print that the suite is planned; then make the template of the workers, where that is possible."""
    from ganbench.runner.template import limit_threads, make_template, wants_template

    counting = ", counting the FLOPs of every architecture and method" * (suite.budget.unit == "flops")
    typer.echo(replace_unprintable(f"planning {suite.where}{counting} ..."), err=True)
    if not _owned or not wants_template(settings):
        return
    try:
        with raise_on_signals():
            limit_threads()
            make_template()
    except Stopped as stopped:
        raise typer.Exit(stopped.code) from None
