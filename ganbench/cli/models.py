"""Commands that use trained models again: rerun, evaluate."""

from __future__ import annotations

from typing import Annotated

import typer

from ganbench.cli.arguments import Plugins, Results, results_folder
from ganbench.cli.printing import progress_bar
from ganbench.escaping import replace_unprintable


def rerun(
    results: Results,
    key: Annotated[str, typer.Argument(metavar="KEY", help="A trial's key, or the start of it.")],
    plugin: Plugins = None,
) -> None:
    """Train a recorded trial again, and compare it with its record.

    It trains in its recorded batch composition. Exit code 0 if it matches, 1 if not.
    """
    from ganbench import registry
    from ganbench.runner.rerun import rerun_trial

    plugins = registry.load(files=plugin or ())
    with progress_bar("training") as tell:
        comparison = rerun_trial(results_folder(results), key, plugins, tell)
    for line in comparison.lines:
        typer.echo(replace_unprintable(line))
    if comparison.verdict == "different":
        raise typer.Exit(1)


def evaluate(
    results: Results,
    metric: Annotated[str, typer.Option("--metric", metavar="NAME", help="A metric; `list metrics` names them.")],
    samples: Annotated[
        int | None, typer.Option("--samples", metavar="N", help="Samples of each model (default: as many as before).")
    ] = None,
    plugin: Plugins = None,
) -> None:
    """Score the stored generators by another metric or sample count.

    Nothing is trained; the tables show the old scores and the new ones.
    """
    from ganbench import registry
    from ganbench.runner.rescore import rescore_trials

    plugins = registry.load(files=plugin or ())
    with progress_bar("scoring") as tell:
        rescored = rescore_trials(results_folder(results), metric, plugins, samples, tell)
    for line in rescored.lines:
        typer.echo(replace_unprintable(line))
