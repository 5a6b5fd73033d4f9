"""The driver: run a suite and store its results. Only the driver writes to the store while a suite runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganbench.api.events import Calibrating, Event, Finished, Lost, Progress
from ganbench.api.records import Record, make_storable
from ganbench.api.trials import Batch
from ganbench.api.work import Work
from ganbench.errors import GanbenchError, bound_error, shorten
from ganbench.escaping import is_unicode
from ganbench.plan.plan import iterate_portions
from ganbench.plan.stages import Choices
from ganbench.results.choices import FACT, make_fact
from ganbench.results.files import forget_checkpoint, worker_log
from ganbench.results.history import EXECUTOR, SHARD
from ganbench.results.store import Store
from ganbench.runner.calibrate import calibrate, list_extractors, list_other_measurements
from ganbench.runner.checkpoints import forget_checkpoints, forget_leftovers
from ganbench.runner.environment import caution_disk, collect_facts
from ganbench.runner.execution import Executor, make_lost_records, open_events
from ganbench.runner.executors import apply_user_config, build_executor, choose_executor
from ganbench.runner.keeping import choose_keep
from ganbench.runner.offer_checks import ask_offers, refuse_broken_offers
from ganbench.runner.pace import measure_paces
from ganbench.runner.phases import PhaseTimer
from ganbench.runner.places import list_places, refuse_devices
from ganbench.runner.planning import load_and_plan
from ganbench.runner.remaining import find_remaining, select_for_run
from ganbench.runner.rules import refuse_trivial_rules, refuse_unanswerable_rules
from ganbench.runner.settings import Settings
from ganbench.runner.tuning import choose_configurations, list_choices
from ganbench.runner.used_plugins import keep_plugins, naming_plugins
from ganbench.runner.watchers import build_watchers, follow, tell_both
from ganbench.suite import loading
from ganbench.suite.suite import Suite

if TYPE_CHECKING:
    from ganbench.plan.plan import Plan, Todo
    from ganbench.registry.registry import Registry
    from ganbench.results.frames import Frames


@dataclass(frozen=True, kw_only=True)
class Session:
    """A planned suite and the work of this run.

    `executor` runs the batches. `todo` are the batches to train in this run; `later` is the number of trials left for
    another run. `aside` is where `fresh` moved an old database, None if it did not.
    """

    suite: Suite
    settings: Settings
    registry: Registry
    executor: Executor
    plan: Plan
    todo: Todo
    folder: Path
    aside: Path | None = None
    later: int = 0


RunEvent = Event | Calibrating
"""What a run reports: events of the executor, and baselines that are scored before training."""

Tell = Callable[[int, int], None]
"""A function that is called with how much is done, and how much there is."""

Watch = Callable[[Session, RunEvent], None]
"""A function that is called with every event of a run."""


def run(
    question: str | Path | Mapping[str, Any] | Suite,
    *,
    offers: Sequence[object] = (),
    watch: Watch | None = None,
    scale: str = "",
    **settings: Any,
) -> Frames:
    """Train the missing trials of a suite and return its results as frames.

    `question` is a suite's path, name, or content; `scale` is one of its scales. `offers` are plugins defined in Python
    (modules, objects, or functions marked with `hookimpl`); with them the default is to train in this process. `watch`
    is called with the session and every event. The other settings are those of `Settings`. Raises GanbenchError for
    errors that the user can correct.
    """
    if "out" in settings:
        raise GanbenchError("out is now results, as in ganbench.run(suite, results='folder').")
    if offers:
        settings = {"jobs": 0, **settings}
    chosen = apply_user_config(Settings(offers=tuple(offers), **settings))
    for session, event in run_events(read_suite(question, scale), chosen):
        if watch is not None and event is not None:
            watch(session, event)
    from ganbench.results.store import read

    return read(session.folder)


def read_suite(question: str | Path | Mapping[str, Any] | Suite, scale: str = "") -> Suite:
    """Return the suite that a path, a name, or a mapping stands for, in this scale; a `Suite` is returned as it is."""
    if isinstance(question, Suite):
        return question
    if isinstance(question, Mapping):
        return loading.parse(question, scale=scale)
    return loading.load(question, scale)


def results_folder(suite: Suite, settings: Settings) -> Path:
    """Return the results folder of a suite: the one in the settings, else results/<the suite's name>."""
    if not settings.results and suite.name in ("", ".", ".."):
        raise GanbenchError(
            f"{suite.where}: {suite.name!r} cannot be a folder's name. Rename the suite, or name a folder by --results."
        )
    folder = Path(settings.results) if settings.results else Path("results") / suite.name
    if not is_unicode(str(folder)):
        raise GanbenchError(
            f"{shorten(str(folder))}: the name of this folder is not UTF-8. Name another folder by --results."
        )
    return folder


def make_plan(
    suite: Suite, settings: Settings, tell: Tell = lambda done, total: None, choices: Choices | None = None
) -> tuple[Registry, Plan]:
    """Load the plugins and plan the suite; return the registry and the plan, with a caution on a network disk.

    `tell` is called as by `plan.make`; `choices` are the configurations that are reported.
    """
    refuse_devices(settings)
    folder = results_folder(suite, settings)
    remarks = caution_disk(folder)
    with naming_plugins(folder):
        plugins, plan = load_and_plan(suite, settings, tell, choices)
    return plugins, replace(plan, remarks=(*remarks, *plan.remarks))


def run_events(
    suite: Suite,
    settings: Settings,
    on_progress: Callable[[Progress], None] | None = None,
    timer: PhaseTimer | None = None,
    on_planning: Tell = lambda done, total: None,
) -> Iterator[tuple[Session, RunEvent | None]]:
    """Run a suite and yield every event after its records are stored.

    The first item has no event: the suite is planned, and nothing is done yet. A suite that tunes has two such items:
    when its configurations are planned, and when, from their results, its report is. Then the untrained baselines are
    scored under every protocol that is not stored, then the batches train, and then each method is timed alone. A
    dataset that cannot be built, or a success rule that a baseline passes, raises GanbenchError before anything of the
    run is stored or trained.

    A batch that trains in this process blocks this iterator, so its progress goes to `on_progress` instead. `timer`
    counts where the time goes. `on_planning` is called while the suite is planned, as by `plan.make`.
    """
    timer = timer or PhaseTimer()
    folder = results_folder(suite, settings)
    with timer.phase("plan"):
        plugins, plan = make_plan(suite, settings, on_planning)
        watchers, executor = build_watchers(settings.watchers, plugins), build_executor(settings, plugins)
    with Store(folder, fresh=settings.fresh, sound=settings.yes) as store:
        loading.refuse_imported(store.suite(), folder, "so no suite is run here. Name another folder by --results")
        choices = choose_configurations(plan.suite or suite, plan, store, settings)
        while True:
            if choices:
                with timer.phase("plan"):
                    plugins, plan = make_plan(suite, settings, on_planning, choices)
            remaining = find_remaining(plan, store.known(), settings)
            forget_leftovers(folder, plan)
            todo, later = select_for_run(remaining, plan, settings)
            session = Session(
                suite=plan.suite or suite,
                settings=settings,
                registry=plugins,
                executor=executor,
                plan=plan,
                todo=todo,
                folder=folder,
                aside=store.aside,
                later=later,
            )
            yield session, None
            with follow(watchers, session.suite, todo, folder, in_process=settings.in_process) as tell:
                progress = on_progress and tell_both(tell, on_progress)
                for item in train_and_store(session, store, remaining, progress, timer):
                    tell(item[1])
                    yield item
            settings = replace(settings, retry=())  # what failed again was trained again
            choices = choose_configurations(plan.suite or suite, plan, store, settings)
            if later or not choices:
                return


def train_and_store(
    session: Session, store: Store, remaining: Todo, on_progress: Callable[[Progress], None] | None, timer: PhaseTimer
) -> Iterator[tuple[Session, RunEvent]]:
    """Score the baselines, check the success rules, train and store the batches; yield the events as `run_events`."""
    from ganbench.evaluation.calibration import collect_protocols

    suite, plan, plugins, settings = session.suite, session.plan, session.registry, session.settings
    with timer.phase("calibrate"):
        protocols = collect_protocols(plan.batches, plugins)
    with (  # workers start while the baselines are scored
        execute(session, on_progress) as events,
        ask_offers(suite, session.todo.batches, plugins, settings) as answers,
    ):
        with closing(calibrate(suite, protocols, plugins, store, session.todo.batches, settings)) as prepared:
            for calibrating in timer.iterate("calibrate", prepared):
                yield session, calibrating
        with timer.phase("calibrate"):
            refuse_broken_offers(answers, settings.files)
        keys = {label: protocol.key for label, protocol in protocols.items()}
        baselines = {label: store.calibrations(key) for label, key in keys.items()}
        refuse_unanswerable_rules(suite, baselines)
        refuse_trivial_rules(suite, baselines)
        for label, sentence in list_other_measurements(plan.batches, baselines, store.measured()):
            yield session, Calibrating(label, caution=sentence)
        facts = collect_facts()
        with timer.phase("store"):
            used = keep_plugins(session.folder, suite, plan.batches, plugins)
            more = {"plugins": used, "extractors": list_extractors(plan.extractors, baselines)}
            more[EXECUTOR] = choose_executor(settings)
            if plan.choices:
                more[FACT] = make_fact(list_choices(plan.choices), suite.method_names)
            if settings.shard:
                more[SHARD] = settings.shard
            facts["run"] = store.begin_run(suite.text, plan.trials, {**facts, **more}, keys)
            forget_checkpoints(session.folder, plan, remaining)
        for event in timer.iterate("wait", events):
            timer.follow(event)
            if isinstance(event, Lost):
                event = Finished(event.batch, tuple(make_lost_records(event)), attempts=event.attempts)
            if isinstance(event, Finished):
                with timer.phase("store"):
                    store.append(add_facts(event, facts))
                for portion in iterate_portions(event.batch):
                    forget_checkpoint(session.folder, portion.key)
            yield session, event
    if not session.later:
        timed = measure_paces(plan.batches, plugins, store, settings, timer.workers)
        for calibrating in timer.iterate("calibrate", timed):
            yield session, calibrating
    forget_leftovers(session.folder, plan)


def add_facts(event: Finished, facts: Mapping[str, Any]) -> list[Record]:
    """Return the records of a batch as they are stored, with the facts of the run; a record's own facts override.

    A very long error is cut, since whatever a plugin raises comes here.
    """
    batch_facts = {**facts, "attempts": event.attempts}
    return [
        replace(record, error=bound_error(record.error), facts={**batch_facts, **record.facts})
        for record in map(make_storable, event.records)
    ]


@contextmanager
def execute(session: Session, on_progress: Callable[[Progress], None] | None = None) -> Iterator[Iterator[Event]]:
    """Start the executor on the session's batches; the context is its events, and leaving it stops the executor."""
    if not session.todo.batches:
        yield iter(())
        return
    from ganbench.runner.worker import run_batch

    settings, plugins = session.settings, session.registry
    if settings.offers and not settings.in_process:
        raise GanbenchError(
            "offers defined in Python cannot be sent to workers. Use jobs=0, or put them in a file and use files=[...]."
        )
    train = partial(
        run_batch,
        files=plugins.files,
        device=settings.device,
        plugins=plugins if settings.in_process else None,
        folder=str(session.folder.resolve()),
        every=settings.checkpoint,
        keep=choose_keep(session.suite, session.folder),
        profile=settings.profile,
    )
    work = Work(
        partial(run_with_progress, train, on_progress) if settings.in_process and on_progress else train,
        places=partial(list_places, device=settings.device, most=len(session.todo.batches)),
        device=settings.device,
        memory=session.suite.engine.memory_bytes,
        log=str(worker_log(session.folder)),
    )
    with open_events(session.executor, work, session.todo.batches) as events:
        yield events


def run_with_progress(
    work: Callable[[Batch, Callable[[int, int], None]], list[Record]],
    on_progress: Callable[[Progress], None],
    batch: Batch,
    _: Callable[[int, int], None],
) -> list[Record]:
    """Do the work of a batch and report its progress directly, not through the executor."""
    return work(batch, lambda step, steps: on_progress(Progress(batch, step, steps)))
