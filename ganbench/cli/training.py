"""Commands that train, or look at a training: run, plan, watch."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganbench.api.records import UNTRAINED
from ganbench.cli.arguments import Device, Format, Out, Plugins, Results, SuiteName
from ganbench.cli.printing import progress_bar
from ganbench.cli.results import build_tables
from ganbench.errors import GanbenchError
from ganbench.escaping import printable
from ganbench.runner.phases import PhaseTimer, available_cores, process_age

if TYPE_CHECKING:
    from ganbench.runner.settings import Settings
    from ganbench.suite.suite import Suite


def run(
    suite: SuiteName,
    out: Out = None,
    device: Annotated[Device, typer.Option(help="Where to train; auto takes CUDA where there is one.")] = Device.auto,
    jobs: Annotated[int | None, typer.Option(metavar="N", min=0, help="Workers; 0: in this process.")] = None,
    timeout: Annotated[float | None, typer.Option(metavar="SECONDS", help="The longest a batch may take.")] = None,
    checkpoint: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Keep a batch at the next snapshot after so long.")
    ] = None,
    plugin: Plugins = None,
    retry: Annotated[str, typer.Option(metavar="STATUS,..", help="Train these again: failed, timed-out.")] = "",
    keep_stale: Annotated[bool, typer.Option(help="Keep records whose code has changed, marked as stale.")] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="TRAIT=VALUE", help="Train these now: method, dataset, architecture, seed or key."),
    ] = None,
    limit: Annotated[int | None, typer.Option(metavar="N", help="Train at most so many trials now.")] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Keep what is there aside, and train everything anew.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether sound results go aside.")] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Say where the time went, after the tables.")] = False,
    format: Format = "md",
) -> None:
    """Train what is missing of a suite, then print its tables."""
    from ganbench.report import choose_writer
    from ganbench.results.store import read
    from ganbench.runner.driver import read_suite, results_folder

    clock = PhaseTimer(process_age())
    chosen = make_settings(
        out=out,
        device=device.value,
        jobs=jobs,
        timeout=timeout,
        checkpoint=checkpoint,
        files=plugin,
        retry=retry,
        keep_stale=keep_stale,
        only=tuple(only or ()),
        limit=limit,
        fresh=fresh,
        yes=yes,
    )
    asked, how = read_suite(suite), choose_writer(format, plugin or ())
    folder = results_folder(asked, chosen)
    if fresh and not yes:
        chosen = replace(chosen, yes=confirm(folder))
    workers = train_with_display(asked, chosen, clock)
    clock.enter("tables")
    frames = read(folder)
    typer.echo(how.page(build_tables(frames, folder)), nl=False)
    for line in clock.lines(workers) if profile else ():
        typer.echo(line, err=True)
    if bad := int(frames.trials["status"].isin(UNTRAINED).sum()):
        typer.echo(f"{bad} trials failed; --retry failed,timed-out trains them again.", err=True)
        raise typer.Exit(1)


def train_with_display(asked: Suite, chosen: Settings, clock: PhaseTimer) -> int:
    """Train what is missing, shown on the screen; give the number of workers that did (0: this process)."""
    from ganbench.cli.interrupts import Stopped, raise_on_signals
    from ganbench.progress.live import LiveDisplay
    from ganbench.runner.driver import count_workers, results_folder, run_events

    workers = 0
    clock.enter("other")
    try:
        with raise_on_signals(), LiveDisplay() as screen:
            screen.print_line(f"planning {asked.where} ...")
            for session, event in run_events(asked, chosen, screen.on_progress, clock):
                workers = count_workers(session)
                screen.on_plan(session) if event is None else screen.on_event(session, event)
    except Stopped as stopped:
        kept = printable(str(results_folder(asked, chosen)))
        typer.echo(f"stopped; what is done is kept in {kept}. The same command goes on from there.", err=True)
        raise typer.Exit(stopped.code) from None
    return workers


def plan(
    suite: SuiteName,
    out: Out = None,
    plugin: Plugins = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Say what it takes, by past records or a few seconds' trial.")
    ] = False,
    jobs: Annotated[int | None, typer.Option(metavar="N", min=0, help="Workers, for the estimate.")] = None,
) -> None:
    """Say what a run would train, without training anything."""
    from ganbench.results.store import Store
    from ganbench.runner.driver import make_plan, missing, read_suite, results_folder

    asked, chosen = read_suite(suite), make_settings(out=out, files=plugin)
    plugins, made = make_plan(asked, chosen)
    folder = results_folder(asked, chosen)
    for sentence in made.warnings:
        typer.echo(printable(sentence), err=True)
    known, frames = {}, None
    if (folder / "results.sqlite").exists():
        with Store(folder, readonly=True) as store:
            known, frames = store.known(), store.frames(signals=False)
    todo = missing(made, known, chosen)
    left = sum(len(batch.trials) for batch in todo.batches)
    typer.echo(printable(asked.question))
    for batch in todo.batches:
        trial = batch.trials[0]
        about = f"{trial.budget.generator_steps} generator steps, batch {trial.budget.batch_size}, {batch.mode}"
        typer.echo(printable(f"{trial.key[:8]}  {batch.label}: {about}"))
    counts = f"{len(made.trials)} trials in {len(made.batches)} batches; {left} to train"
    typer.echo(printable(f"{counts}, {len(todo.stale)} of them stale, {len(made.trials) - left} stored in {folder}"))
    if estimate:
        from ganbench.progress import estimate_cost

        with progress_bar("trying") as tell:
            workers = available_cores() if jobs is None else jobs
            found = estimate_cost(todo.batches, frames, folder, plugins, workers, tell)
        typer.echo(printable(found.line))


def watch(
    results: Results,
    once: Annotated[bool, typer.Option("--once", help="Look once, instead of until the run is complete.")] = False,
) -> None:
    """Watch a run from another terminal: how far it is, who succeeds, what runs now. Writes nothing."""
    from rich.console import Console

    from ganbench.progress.watch import watch_run

    try:
        watch_run(results, Console(), once=once)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def confirm(folder: Path) -> bool:
    """Ask whether sound results may be put aside; GanbenchError where nobody can be asked, or they may not."""
    from ganbench.results.recovery import is_sound

    if not is_sound(folder / "results.sqlite") or not sys.stdin.isatty():
        return False  # opening the store then says what is amiss, and names --yes
    question = f"{printable(str(folder))} holds sound results. Keep them under another name, and train everything anew?"
    if not typer.confirm(question, err=True):
        raise GanbenchError("nothing was changed.")
    return True


def make_settings(*, files: list[Path] | None = None, retry: str = "", **rest: Any) -> Settings:
    """Make the driver's settings of the command line's; what was not given stays at its default."""
    from ganbench.runner.settings import Settings

    given = {name: value for name, value in rest.items() if value is not None}
    statuses = tuple(each.strip() for each in retry.split(",") if each.strip())
    return Settings(files=tuple(str(path) for path in files or ()), retry=statuses, **given)
