"""Commands that train, or look at a training: run, plan, watch."""

from __future__ import annotations

import sys
from contextlib import nullcontext, redirect_stdout
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganbench.api.records import UNTRAINED
from ganbench.cli.arguments import (
    Device,
    FormatOrSummary,
    Full,
    Only,
    OutOfRun,
    Plugins,
    Results,
    ResultsOf,
    Scale,
    Shard,
    SuiteName,
    Trackers,
)
from ganbench.cli.printing import progress_bar
from ganbench.cli.results import print_results
from ganbench.cli.summary import wants_summary
from ganbench.cli.workers import prepare_workers
from ganbench.errors import GanbenchError, NotInstalled
from ganbench.escaping import replace_unprintable
from ganbench.runner.phases import PhaseTimer, process_age
from ganbench.runner.places import count_jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ganbench.plan.plan import Plan, Todo
    from ganbench.plan.stages import Choices
    from ganbench.registry.registry import Registry
    from ganbench.results.frames import Frames
    from ganbench.runner.settings import Settings
    from ganbench.suite.suite import Suite


def run(
    suite: SuiteName,
    results: ResultsOf = None,
    scale: Scale = "",
    device: Device = "auto",
    jobs: Annotated[int | None, typer.Option(metavar="N", min=0, help="Workers; 0: train in this process.")] = None,
    timeout: Annotated[float | None, typer.Option(metavar="SECONDS", help="The longest a batch may take.")] = None,
    checkpoint: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="The shortest time between two checkpoints of a batch."),
    ] = None,
    plugin: Plugins = None,
    retry: Annotated[str, typer.Option(metavar="STATUS,..", help="Train these again: failed, timed-out.")] = "",
    keep_stale: Annotated[bool, typer.Option(help="Keep records whose code has changed; mark them as stale.")] = False,
    shard: Shard = "",
    only: Only = None,
    limit: Annotated[int | None, typer.Option(metavar="N", help="Train at most so many trials now.")] = None,
    watch: Trackers = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Keep the old results under another name, and train everything anew.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before --fresh puts sound results aside.")] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Print where the time went, after the tables.")] = False,
    format: FormatOrSummary = None,
    full: Full = False,
    out: OutOfRun = None,
) -> None:
    """Train what is missing of a suite, then print its tables.

    On a terminal: the verdict in words, the few tables that one reads, and what to do next.
    """
    from ganbench.suite.loading import load

    timer = PhaseTimer(process_age())
    settings = make_settings(
        results=results,
        device=device,
        jobs=jobs,
        timeout=timeout,
        checkpoint=checkpoint,
        files=plugin,
        retry=retry,
        keep_stale=keep_stale,
        shard=shard,
        only=tuple(only or ()),
        limit=limit,
        fresh=fresh,
        yes=yes,
        watchers=tuple(watch or ()),
        profile=profile,
    )
    asked_suite = load(suite, scale)
    prepare_workers(asked_suite, settings)  # first, as what follows imports libraries that start threads
    frames, lines = run_and_print(asked_suite, settings, format, plugin or (), full, timer)
    for line in lines if profile else ():
        typer.echo(line, err=True)
    exit_with_failures(frames)


def run_and_print(
    suite: Suite, settings: Settings, format: str | None, files: Sequence[Path], full: bool, timer: PhaseTimer
) -> tuple[Frames, list[str]]:
    """Run a suite and print its tables; return its results, and the lines that say where the time went."""
    from ganbench.report import choose_writer
    from ganbench.results.store import read
    from ganbench.runner.driver import results_folder

    folder, writer = results_folder(suite, settings), choose_writer(format or "md", files)
    if settings.fresh and not settings.yes:
        settings = replace(settings, yes=confirm(folder))
    workers = train_with_display(suite, settings, timer)
    frames = read(folder)
    print_results(frames, folder, writer, summary=wants_summary(format), full=full)
    return frames, timer.lines(workers)


def exit_with_failures(frames: Frames) -> None:
    """Print how many trials failed and exit with 1, if any did."""
    if bad := int(frames.all_trials["status"].isin(UNTRAINED).sum()):
        typer.echo(f"{bad} trials failed; --retry failed,timed-out trains them again.", err=True)
        raise typer.Exit(1)


def train_with_display(suite: Suite, settings: Settings, timer: PhaseTimer) -> int:
    """Train what is missing with a live display; return the number of workers (0: this process).

    The timer is in the phase of the tables then, which come next.
    """
    from ganbench.cli.interrupts import Stopped, raise_on_signals
    from ganbench.progress.live import LiveDisplay
    from ganbench.runner.driver import count_workers, results_folder, run_events

    workers = 0
    timer.enter("other")
    try:
        # what a watcher prints in its thread must not come between the tables
        printing = redirect_stdout(sys.stderr) if settings.watchers else nullcontext()
        with raise_on_signals(), printing, LiveDisplay() as display:
            for session, event in run_events(suite, settings, display.on_progress, timer, display.on_planning):
                workers = count_workers(session)
                display.on_plan(session) if event is None else display.on_event(session, event)
    except Stopped as stopped:
        folder = replace_unprintable(str(results_folder(suite, settings)))
        typer.echo(f"stopped; what is done is kept in {folder}. The same command goes on from there.", err=True)
        for line in timer.lines(workers) if settings.profile else ():
            typer.echo(line, err=True)
        raise typer.Exit(stopped.code) from None
    timer.enter("tables")
    return workers


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


def watch(
    results: Results,
    once: Annotated[bool, typer.Option("--once", help="Look once, not until the run is complete.")] = False,
) -> None:
    """Show the progress of a run from another terminal.

    How far it is, which methods succeed, and what runs now. Writes nothing.
    """
    from rich.console import Console

    from ganbench.progress.watch import watch_run

    try:
        watch_run(results, Console(), once=once)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def confirm(folder: Path) -> bool:
    """Return whether sound results may be put aside, as the person at the terminal answers.

    False where there is no terminal; GanbenchError where the answer is no.
    """
    from ganbench.results.files import database_path
    from ganbench.results.recovery import is_sound

    if not is_sound(database_path(folder)) or not sys.stdin.isatty():
        return False  # opening the store then raises an error that names --yes
    shown = replace_unprintable(str(folder))
    question = f"{shown} holds sound results. Keep them under another name, and train everything anew?"
    if not typer.confirm(question, err=True):
        raise GanbenchError("nothing was changed.")
    return True


def make_settings(*, files: list[Path] | None = None, retry: str = "", **rest: Any) -> Settings:
    """Return the settings of a run from the command line; what was not given keeps its default."""
    from ganbench.runner.settings import Settings

    values = {name: value for name, value in rest.items() if value is not None}
    statuses = tuple(status.strip() for status in retry.split(",") if status.strip())
    return Settings(files=tuple(str(path) for path in files or ()), retry=statuses, **values)
