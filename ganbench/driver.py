"""The driver: from a suite to its results. It alone writes the store; clocks, failures and progress are here."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib import metadata
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganbench import registry, selection, suite
from ganbench.checkpoints import EVERY
from ganbench.clock import Clock
from ganbench.errors import GanbenchError, unknown
from ganbench.folder import forget_checkpoint
from ganbench.store import Store
from ganbench.suite import DEFAULTS, Suite
from ganbench.trials import Batch, Calibrating, Calibration, Event, Finished, Lost, Progress, Record

if TYPE_CHECKING:
    from ganbench.calibration import Protocol
    from ganbench.frames import Frames
    from ganbench.plan import Plan, Todo
    from ganbench.registry import Registry

REPORTED = ("ganbench", "torch", "torch-fidelity", "numpy", "scipy", "pandas", "scikit-learn")
"""Distributions whose versions every run's facts name."""


MOST_JOBS = 1024
RETRIED = ("failed", "timeout")
"""Statuses that may be trained again."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to run, never what: none of it is in a trial's key.

    `out` is the results folder itself (default: results/<suite>). `jobs` workers, 0 for this process, None for one
    per core. `timeout` seconds a batch. `retry` names statuses to train again. `keep_stale` leaves records of changed
    code as they are. `fresh` renames a database that cannot be used, and starts another; with `yes` also a sound one.
    `checkpoint` seconds of work of a batch are kept at its next snapshot (inf: never).
    `only` (as in "method=wgan-gp") and `limit` narrow what is trained now, never the plan. Raises GanbenchError for
    what makes no sense.
    """

    out: str | Path | None = None
    device: str = "auto"
    jobs: int | None = None
    timeout: float | None = None
    files: tuple[str, ...] = ()
    offers: tuple[object, ...] = ()
    retry: tuple[str, ...] = ()
    keep_stale: bool = False
    fresh: bool = False
    yes: bool = False
    only: tuple[str, ...] = ()
    limit: int | None = None
    checkpoint: float = EVERY

    def __post_init__(self) -> None:
        """Refuse what no run could keep to."""
        if self.jobs is not None and not 0 <= self.jobs <= MOST_JOBS:
            raise GanbenchError(
                f"--jobs = {self.jobs}: give 0 for this process, up to {MOST_JOBS} workers, or leave it out."
            )
        if self.timeout is not None and not 0 < self.timeout < inf:
            raise GanbenchError(f"--timeout = {self.timeout:g}: give seconds above 0, or leave it out.")
        if not self.checkpoint >= 0:
            raise GanbenchError(f"checkpoint = {self.checkpoint:g}: give seconds, 0 or more.")
        if self.timeout is not None and self.jobs == 0:
            raise GanbenchError(f"--timeout = {self.timeout:g}: this process cannot stop itself. Use --jobs 1 or more.")
        for status in self.retry:
            if status not in RETRIED:
                raise unknown("status", status, RETRIED, "--retry")
        if self.fresh and self.only:
            raise GanbenchError("--fresh starts everything anew, --only would leave the rest out. Give one of them.")
        selection.check(self.only, self.limit)


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
    for session, event in follow(as_suite(question), chosen):
        if watch is not None and event is not None:
            watch(session, event)
    from ganbench.store import read

    return read(session.folder)


def as_suite(question: str | Path | Mapping[str, Any] | Suite) -> Suite:
    """Give the suite that a path, a name, or a mapping stands for."""
    if isinstance(question, Suite):
        return question
    return suite.parse(question) if isinstance(question, Mapping) else suite.load(question)


def folder_of(asked: Suite, settings: Settings) -> Path:
    """Give the results folder: the one asked for, else results/<the suite's name>."""
    if not settings.out and asked.name in ("", ".", ".."):
        raise GanbenchError(f"{asked.where}: {asked.name!r} can name no folder. Rename the suite, or give --out.")
    return Path(settings.out) if settings.out else Path("results") / asked.name


def plan_of(asked: Suite, settings: Settings) -> tuple[Registry, Plan]:
    """Load the plugins and plan the suite."""
    from ganbench import plan
    from ganbench.engine import device

    device.choose(settings.device)
    plugins = registry.load(files=settings.files, plugins=settings.offers)
    return plugins, plan.make(asked, plugins)


def left_of(made: Plan, known: Mapping[str, tuple[str, str]], settings: Settings) -> Todo:
    """Take off what is stored."""
    from ganbench import plan

    if settings.keep_stale:
        now = {trial.key: trial.code for trial in made.trials}
        known = {key: (now.get(key, code), status) for key, (code, status) in known.items()}
    return plan.missing(made, known, settings.retry)


def now_of(todo: Todo, made: Plan, settings: Settings) -> tuple[Todo, int]:
    """Give what of the work that is left is done in this run, and how many trials are left for another."""
    chosen = selection.select(todo.batches, made, settings.only, settings.limit)
    left = sum(len(batch.trials) for batch in todo.batches) - sum(len(batch.trials) for batch in chosen)
    return replace(todo, batches=chosen), left


def follow(
    asked: Suite, settings: Settings, tell: Callable[[Progress], None] | None = None, clock: Clock | None = None
) -> Iterator[tuple[Session, News | None]]:
    """Run a suite, telling every event after it is stored. The first item has no event: planned, nothing done yet.

    A batch that trains in this process cannot be told of by what it interrupts: `tell` hears its progress at once.
    `clock` counts where the time goes.

    Then come untrained samplers that were never scored by this protocol; a success rule that one of them passes is a
    GanbenchError before anything of the run is stored or trained.
    """
    from ganbench.calibration import protocols

    folder, clock = folder_of(asked, settings), clock or Clock()
    with clock.phase("plan"):
        plugins, made = plan_of(asked, settings)
    with Store(folder, fresh=settings.fresh, sound=settings.yes) as store:
        todo, later = now_of(left_of(made, store.known(), settings), made, settings)
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
            judged = protocols(made.batches, plugins)
        with executing(session, tell) as told:  # workers start while the samplers are scored
            with closing(calibrated(judged, plugins, store)) as scored:
                for news in clock.each("calibrate", scored):
                    yield session, news
            refuse_trivial(asked, {label: store.calibrations(each.key) for label, each in judged.items()})
            here = facts()
            with clock.phase("store"):
                keys = {name: each.key for name, each in judged.items()}
                here["run"] = store.begin_run(asked.text, made.trials, here, keys)
            for event in clock.each("wait", told):
                if isinstance(event, Lost):
                    event = Finished(event.batch, tuple(lost(event)), event.attempts)
                if isinstance(event, Finished):
                    own = {**here, "attempts": event.attempts}
                    clock.work(event.records)
                    with clock.phase("store"):
                        store.append([replace(each, facts={**own, **each.facts}) for each in event.records])
                    forget_checkpoint(folder, event.batch.key)
                yield session, event


def calibrated(judged: Mapping[str, Protocol], plugins: Registry, store: Store) -> Generator[Calibrating, None, None]:
    """Score the untrained samplers of every protocol that is not stored yet, telling each before its turn.

    A dataset that cannot be built, or not be drawn from, is told with its error: its trials will fail with the same.
    """
    from ganbench.calibration import Bench, one_thread

    with one_thread():
        for label, protocol in judged.items():
            if store.calibrations(protocol.key):
                continue
            rows: list[Calibration] = []
            try:
                bench = Bench(protocol, plugins)
                for sampler in bench.samplers:
                    yield Calibrating(label, sampler.name)
                    rows += bench.scores(sampler)
            except Exception as error:
                yield Calibrating(label, error=str(error) or type(error).__name__)
            else:
                store.calibrate(protocol.key, rows)


def refuse_trivial(asked: Suite, rows: Mapping[str, Sequence[Calibration]]) -> None:
    """Raise GanbenchError for the first success rule that an untrained sampler passes, unless that is allowed."""
    from ganbench.trivial import passed, refusal

    for rule in asked.success:
        passes = [] if rule.allow_trivial else passed(rule, rows.get(rule.dataset, ()))
        if passes:
            raise GanbenchError(f"{asked.where}: [[success]] for {rule.dataset!r}: {refusal(rule, passes)}")


@contextmanager
def executing(session: Session, tell: Callable[[Progress], None] | None = None) -> Iterator[Iterator[Event]]:
    """Hand what is left to the executor, which gives what happens; whatever ends this ends it too."""
    from ganbench.worker import run_batch

    if not session.todo.batches:
        yield iter(())
        return
    settings, plugins = session.settings, session.registry
    here = settings.jobs == 0
    name = DEFAULTS["executor here" if here else "executor"]
    options: dict[str, Any] = {} if here else {"log": str(session.folder / "log")}
    if not here and settings.jobs is not None:
        options["jobs"] = settings.jobs
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
    told = iter(execute(partial(aloud, work, tell) if here and tell else work, session.todo.batches))
    try:
        yield told
    finally:
        if (close := getattr(told, "close", None)) is not None:
            close()


def aloud(
    work: Callable[[Batch, Callable[[int, int], None]], list[Record]],
    tell: Callable[[Progress], None],
    batch: Batch,
    _: Callable[[int, int], None],
) -> list[Record]:
    """Do the work of a batch, telling its progress directly and not through the executor."""
    return work(batch, lambda step, steps: tell(Progress(batch, step, steps)))


def lost(event: Lost) -> list[Record]:
    """Give the records of a batch that came to no end."""
    return [Record(trial=trial, status=event.status, error=event.error) for trial in event.batch.trials]


def facts() -> dict[str, Any]:
    """Give what a run keeps of the machine: nothing that names a person or a path."""
    versions = {}
    for name in REPORTED:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "absent"
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "versions": versions,
    }
