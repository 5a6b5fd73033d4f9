"""The command that looks at what a run would train: plan."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from ganbench.cli.arguments import Device, OutOfRun, Plugins, ResultsOf, Scale, SuiteName
from ganbench.cli.printing import progress_bar
from ganbench.cli.training import make_settings
from ganbench.errors import GanbenchError, NotInstalled
from ganbench.escaping import replace_unprintable
from ganbench.runner.places import count_jobs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ganbench.plan.plan import Plan, Todo
    from ganbench.plan.stages import Choices
    from ganbench.registry.registry import Registry
    from ganbench.runner.settings import Settings
    from ganbench.suite.suite import Suite


def plan(
    suite: SuiteName,
    results: ResultsOf = None,
    scale: Scale = "",
    plugin: Plugins = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Estimate operations, disk, and time from past records or a trial.")
    ] = False,
    jobs: Annotated[int | None, typer.Option(metavar="N", min=0, help="Workers, for the estimate.")] = None,
    device: Device = "auto",
    out: OutOfRun = None,
) -> None:
    """Print what a run would train, without training it."""
    from ganbench.results.files import database_path
    from ganbench.results.store import Store
    from ganbench.runner.driver import read_suite, results_folder
    from ganbench.runner.remaining import find_remaining
    from ganbench.runner.rules import preview_rules

    asked_suite, settings = read_suite(suite, scale), make_settings(results=results, files=plugin, device=device)
    try:
        with progress_bar("planning") as tell:
            plugins, whole, sentence = plan_with_report(asked_suite, settings, tell)
    except GanbenchError as error:
        if estimate and NotInstalled.behind(error):
            print_work(count_without_files(asked_suite, settings))
        raise
    asked_suite = whole.suite or asked_suite
    folder = results_folder(asked_suite, settings)
    for warning in whole.warnings:
        typer.echo(replace_unprintable(warning), err=True)
    stored, frames, preview = {}, None, partial(preview_rules, asked_suite, whole.batches, plugins)
    if database_path(folder).exists():
        with Store(folder, readonly=True) as store:
            stored, frames = store.known(), store.frames(signals=False, apart=False)
            previews = list(preview(store.calibrations))
    else:
        previews = list(preview(lambda protocol: []))
    for line in previews:
        typer.echo(replace_unprintable(line), err=True)
    todo = find_remaining(whole, stored, settings)
    print_plan(asked_suite, whole, todo, folder)
    if sentence:
        typer.echo(replace_unprintable(sentence))
    if scales := ", ".join(asked_suite.scale):
        typer.echo(replace_unprintable(f"other scales of this suite: {scales} (--scale NAME)"))
    if estimate:
        from ganbench.progress import estimate_cost

        with progress_bar("estimating") as tell:
            workers = count_jobs(jobs, device)
            keep = asked_suite.keep
            cost = estimate_cost(todo.batches, frames, folder, plugins, workers, tell, device, keep, print_work)
        typer.echo(replace_unprintable(cost.line))


def plan_with_report(suite: Suite, settings: Settings, tell: Callable[[int, int], None]) -> tuple[Registry, Plan, str]:
    """Return the registry and the plan of a suite, with what is reported of it, and a sentence on that.

    While the configurations are still to be chosen, the first one of each method stands in for it.
    """
    from ganbench.plan.stages import REPORT, choose_first
    from ganbench.results.files import database_path
    from ganbench.results.store import Store
    from ganbench.runner.driver import make_plan, results_folder
    from ganbench.runner.tuning import choose_configurations

    plugins, whole = make_plan(suite, settings, tell)
    if not whole.undecided:
        return plugins, whole, ""
    used, folder = whole.suite or suite, results_folder(suite, settings)
    choices: Choices = {}
    if database_path(folder).exists():
        with Store(folder, readonly=True) as store:
            choices = choose_configurations(used, whole, store, settings)
    plugins, whole = make_plan(suite, settings, tell, choices or choose_first(used))
    count = sum(trial.labels["stage"] == REPORT for trial in whole.trials)
    if not choices:
        return plugins, whole, f"{count} of them report the configurations that the others will have chosen"
    listed = ", ".join(f"{label} on {dataset}" for (dataset, _), label in choices.items())
    return plugins, whole, f"{count} of them report the chosen configurations: {listed}"


def count_without_files(suite: Suite, settings: Settings) -> str:
    """Return what a suite costs in operations, where files of its datasets or extractors are not on this machine."""
    from ganbench.plan import outline
    from ganbench.progress.estimate import count_work, describe_work
    from ganbench.runner.planning import load_plugins

    plugins = load_plugins(settings)
    with progress_bar("planning") as tell:
        batches, sources = outline(suite, plugins, tell)
    with progress_bar("counting") as tell:
        return describe_work(count_work(batches, plugins, sources, tell))


def print_work(line: str) -> None:
    """Print what a plan costs in operations, unless none were counted."""
    if line:
        typer.echo(replace_unprintable(line))


def print_plan(suite: Suite, whole: Plan, todo: Todo, folder: Path) -> None:
    """Print the question, the methods, the extractors, the batches that are still to be trained, and the counts."""
    from ganbench.report.extractors import describe_features

    features = (f"{label}: {describe_features(fact)}" for label, fact in whole.extractors.items())
    for line in (suite.question, *whole.methods.values(), *features):
        typer.echo(replace_unprintable(line))
    for batch in todo.batches:
        trial = batch.trials[0]
        about = f"{trial.budget.generator_steps} generator steps, batch {trial.budget.batch_size}, {batch.mode}"
        typer.echo(replace_unprintable(f"{trial.key[:8]}  {batch.label}: {about}"))
    remaining = sum(len(batch.trials) for batch in todo.batches)
    counts = f"{len(whole.trials)} trials in {len(whole.batches)} batches; {remaining} to train"
    stored = len(whole.trials) - remaining
    typer.echo(replace_unprintable(f"{counts}, {len(todo.stale)} of them stale, {stored} stored in {folder}"))
