"""Commands that train, or look at a training: run, watch."""

from __future__ import annotations

import sys
from contextlib import nullcontext, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganbench.api.records import UNTRAINED
from ganbench.cli.arguments import (
    Checkpoint,
    Device,
    Executor,
    ExecutorOptions,
    FormatOrSummary,
    Fresh,
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
from ganbench.cli.results import print_results
from ganbench.cli.summary import wants_summary
from ganbench.cli.workers import prepare_workers
from ganbench.errors import GanbenchError
from ganbench.escaping import replace_unprintable
from ganbench.runner.phases import PhaseTimer, process_age

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganbench.results.frames import Frames
    from ganbench.runner.settings import Settings
    from ganbench.suite.suite import Suite


def run(
    suite: SuiteName,
    results: ResultsOf = None,
    scale: Scale = "",
    device: Device = "auto",
    executor: Executor = "",
    executor_option: ExecutorOptions = None,
    jobs: Annotated[int | None, typer.Option(metavar="N", min=0, help="Workers; 0: train in this process.")] = None,
    timeout: Annotated[float | None, typer.Option(metavar="SECONDS", help="The longest a batch may take.")] = None,
    checkpoint: Checkpoint = None,
    plugin: Plugins = None,
    retry: Annotated[str, typer.Option(metavar="STATUS,..", help="Train these again: failed, timed-out.")] = "",
    keep_stale: Annotated[bool, typer.Option(help="Keep records whose code has changed; mark them as stale.")] = False,
    shard: Shard = "",
    only: Only = None,
    limit: Annotated[int | None, typer.Option(metavar="N", help="Train at most so many trials now.")] = None,
    watch: Trackers = None,
    fresh: Fresh = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before --fresh puts sound results aside.")] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Print where the time went, after the tables.")] = False,
    format: FormatOrSummary = None,
    full: Full = False,
    out: OutOfRun = None,
) -> None:
    """Train what is missing of a suite, then print its tables.

    On a terminal: the verdict in words, the few tables that one reads, and what to do next.
    """
    from ganbench.runner.executors import apply_user_config, read_options
    from ganbench.suite.loading import load

    timer = PhaseTimer(process_age())
    settings = make_settings(
        results=results,
        device=device,
        executor=executor,
        executor_options=read_options(executor_option or ()),
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
    settings = apply_user_config(settings)
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
    train_with_display(suite, settings, timer)
    frames = read(folder)
    print_results(frames, folder, writer, summary=wants_summary(format), full=full)
    return frames, list_profile(settings, timer)


def exit_with_failures(frames: Frames) -> None:
    """Print how many trials failed and exit with 1, if any did."""
    if bad := int(frames.all_trials["status"].isin(UNTRAINED).sum()):
        typer.echo(f"{bad} trials failed; --retry failed,timed-out trains them again.", err=True)
        raise typer.Exit(1)


def list_profile(settings: Settings, timer: PhaseTimer) -> list[str]:
    """Return the lines that say where the time of a run with these settings went."""
    return timer.lines(0 if settings.in_process else timer.workers)


def train_with_display(suite: Suite, settings: Settings, timer: PhaseTimer) -> None:
    """Train what is missing with a live display; the timer is then in the phase of the tables, which come next."""
    from ganbench.cli.interrupts import Stopped, raise_on_signals
    from ganbench.progress.live import LiveDisplay
    from ganbench.runner.driver import results_folder, run_events

    timer.enter("other")
    try:
        # what a watcher prints in its thread must not come between the tables
        printing = redirect_stdout(sys.stderr) if settings.watchers else nullcontext()
        with raise_on_signals(), printing, LiveDisplay() as display:
            for session, event in run_events(suite, settings, display.on_progress, timer, display.on_planning):
                display.on_plan(session) if event is None else display.on_event(session, event)
    except Stopped as stopped:
        folder = replace_unprintable(str(results_folder(suite, settings)))
        typer.echo(f"stopped; what is done is kept in {folder}. The same command goes on from there.", err=True)
        for line in list_profile(settings, timer) if settings.profile else ():
            typer.echo(line, err=True)
        raise typer.Exit(stopped.code) from None
    timer.enter("tables")


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
