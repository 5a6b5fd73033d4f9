"""The driver: from a suite to its results. It alone writes the store; clocks, failures and progress are here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganbench import registry, suite
from ganbench.api.events import Calibrating, Event, Finished, Lost, Progress
from ganbench.api.records import Record
from ganbench.api.trials import Batch
from ganbench.errors import GanbenchError
from ganbench.plan import selection
from ganbench.results.files import forget_checkpoint, list_checkpoints
from ganbench.results.store import Store
from ganbench.runner.calibrate import calibrate, refuse_trivial
from ganbench.runner.environment import collect_facts
from ganbench.runner.phases import PhaseTimer, available_cores
from ganbench.runner.settings import Settings
from ganbench.suite.suite import DEFAULTS, Suite

if TYPE_CHECKING:
    from ganbench.plan.plan import Plan, Todo
    from ganbench.registry.registry import Registry
    from ganbench.results.frames import Frames


@dataclass(frozen=True, kw_only=True)
class Session:
    """A suite, planned, with what is left of it to do; `later` counts trials that are left for another run."""

    suite: Suite
    settings: Settings
    registry: Registry
    plan: Plan
    todo: Todo
    folder: Path
    aside: Path | None = None
    later: int = 0


News = Event | Calibrating
Watch = Callable[[Session, News], None]


def run(
    question: str | Path | Mapping[str, Any] | Suite,
    *,
    offers: Sequence[object] = (),
    watch: Watch | None = None,
    **settings: Any,
) -> Frames:
    """Train what is missing of a suite and give its results as frames.

    `question` is a suite's path, name, or content; `offers` are plugins given in Python (modules, objects, or bare
    functions marked with `hookimpl`), which run in this process. The rest is as in `Settings`. Raises GanbenchError
    for whatever the user can mend.
    """
    if offers:
        settings = {"jobs": 0, **settings}
    chosen = Settings(offers=tuple(offers), **settings)
    for session, event in run_events(read_suite(question), chosen):
        if watch is not None and event is not None:
            watch(session, event)
    from ganbench.results.store import read

    return read(session.folder)


def read_suite(question: str | Path | Mapping[str, Any] | Suite) -> Suite:
    """Give the suite that a path, a name, or a mapping stands for."""
    if isinstance(question, Suite):
        return question
    return suite.parse(question) if isinstance(question, Mapping) else suite.load(question)


def results_folder(asked: Suite, settings: Settings) -> Path:
    """Give the results folder: the one asked for, else results/<the suite's name>."""
    if not settings.out and asked.name in ("", ".", ".."):
        raise GanbenchError(f"{asked.where}: {asked.name!r} can name no folder. Rename the suite, or give --out.")
    return Path(settings.out) if settings.out else Path("results") / asked.name


def make_plan(asked: Suite, settings: Settings) -> tuple[Registry, Plan]:
    """Load the plugins and plan the suite."""
    from ganbench import plan
    from ganbench.engine import device

    device.choose(settings.device)
    plugins = registry.load(files=settings.files, plugins=settings.offers)
    return plugins, plan.make(asked, plugins)


def missing(made: Plan, known: Mapping[str, tuple[str, str]], settings: Settings) -> Todo:
    """Take off what is stored."""
    from ganbench import plan

    if settings.keep_stale:
        now = {trial.key: trial.code for trial in made.trials}
        known = {key: (now.get(key, code), status) for key, (code, status) in known.items()}
    return plan.missing(made, known, settings.retry)


def select_now(todo: Todo, made: Plan, settings: Settings) -> tuple[Todo, int]:
    """Give what of the work that is left is done in this run, and how many trials are left for another."""
    chosen = selection.select(todo.batches, made, settings.only, settings.limit)
    left = sum(len(batch.trials) for batch in todo.batches) - sum(len(batch.trials) for batch in chosen)
    return replace(todo, batches=chosen), left


def run_events(
    asked: Suite, settings: Settings, tell: Callable[[Progress], None] | None = None, clock: PhaseTimer | None = None
) -> Iterator[tuple[Session, News | None]]:
    """Run a suite, telling every event after it is stored. The first item has no event: planned, nothing done yet.

    A batch that trains in this process cannot be told of by what it interrupts: `tell` hears its progress at once.
    `clock` counts where the time goes.

    Then come untrained samplers that were never scored by this protocol. A dataset that cannot be had, and a success
    rule that one of the samplers passes, are a GanbenchError before anything of the run is stored or trained.
    """
    from ganbench.evaluation.calibration import collect_protocols

    folder, clock = results_folder(asked, settings), clock or PhaseTimer()
    with clock.phase("plan"):
        plugins, made = make_plan(asked, settings)
    with Store(folder, fresh=settings.fresh, sound=settings.yes) as store:
        left = missing(made, store.known(), settings)
        todo, later = select_now(left, made, settings)
        session = Session(
            suite=asked,
            settings=settings,
            registry=plugins,
            plan=made,
            todo=todo,
            folder=folder,
            aside=store.aside,
            later=later,
        )
        yield session, None
        with clock.phase("calibrate"):
            judged = collect_protocols(made.batches, plugins)
        with execute(session, tell) as told:  # workers start while the samplers are scored
            with closing(calibrate(asked, judged, plugins, store)) as scored:
                for news in clock.each("calibrate", scored):
                    yield session, news
            refuse_trivial(asked, {label: store.calibrations(each.key) for label, each in judged.items()})
            here = collect_facts()
            with clock.phase("store"):
                keys = {name: each.key for name, each in judged.items()}
                here["run"] = store.begin_run(asked.text, made.trials, here, keys)
                forget_checkpoints(folder, made, left)
            for event in clock.each("wait", told):
                if isinstance(event, Lost):
                    event = Finished(event.batch, tuple(records_of_lost(event)), attempts=event.attempts)
                if isinstance(event, Finished):
                    own = {**here, "attempts": event.attempts}
                    clock.work(event.records)
                    with clock.phase("store"):
                        store.append([replace(each, facts={**own, **each.facts}) for each in event.records])
                    forget_checkpoint(folder, event.batch.key)
                yield session, event


def forget_checkpoints(folder: Path, made: Plan, left: Todo) -> None:
    """Remove checkpoints of batches that are stored whole: a kill came between the two. Those of no batch here stay."""
    if kept := list_checkpoints(folder):
        for key in (kept & {batch.key for batch in made.batches}) - {batch.key for batch in left.batches}:
            forget_checkpoint(folder, key)


@contextmanager
def execute(session: Session, tell: Callable[[Progress], None] | None = None) -> Iterator[Iterator[Event]]:
    """Hand what is left to the executor, which gives what happens; whatever ends this ends it too."""
    if not session.todo.batches:
        yield iter(())
        return
    from ganbench.runner.worker import run_batch

    settings, plugins = session.settings, session.registry
    here = settings.jobs == 0
    name = DEFAULTS["executor here" if here else "executor"]
    options: dict[str, Any] = {} if here else {"log": str(session.folder / "log"), "jobs": count_workers(session)}
    if not here and settings.timeout is not None:
        options["timeout"] = settings.timeout
    if settings.offers and not here:
        raise GanbenchError("offers given in Python cannot travel to workers: use jobs=0, or files=[...] for a file.")
    work = partial(
        run_batch,
        files=settings.files,
        device=settings.device,
        plugins=plugins if here else None,
        folder=str(session.folder),
        every=settings.checkpoint,
    )
    execute = plugins.build("executors", name, plugins.options("executors", name, options))
    told = iter(execute(partial(run_telling, work, tell) if here and tell else work, session.todo.batches))
    try:
        yield told
    finally:
        if (close := getattr(told, "close", None)) is not None:
            close()


def count_workers(session: Session) -> int:
    """Give the number of workers that a run starts: as many as asked for, or cores, but none that finds no work."""
    jobs = available_cores() if session.settings.jobs is None else session.settings.jobs
    return min(jobs, len(session.todo.batches))


def run_telling(
    work: Callable[[Batch, Callable[[int, int], None]], list[Record]],
    tell: Callable[[Progress], None],
    batch: Batch,
    _: Callable[[int, int], None],
) -> list[Record]:
    """Do the work of a batch, telling its progress directly and not through the executor."""
    return work(batch, lambda step, steps: tell(Progress(batch, step, steps)))


def records_of_lost(event: Lost) -> list[Record]:
    """Give the records of a batch that came to no end."""
    return [Record(trial=trial, status=event.status, error=event.error) for trial in event.batch.trials]
