"""Before training: the contract rules that training relies on, asked of every offer that is not our own.

They run where the batches will: in a worker, since an offer may exit, hang or change the libraries of its process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from ganbench.api.events import Event, Finished
from ganbench.api.models import Ask
from ganbench.api.offers import Use
from ganbench.api.records import Record
from ganbench.api.trials import Batch, Part, Trial, digest
from ganbench.api.work import Work
from ganbench.errors import GanbenchError
from ganbench.runner.execution import open_events
from ganbench.runner.isolation import ProcessChanged, isolated
from ganbench.suite import locations
from ganbench.suite.suite import Suite
from ganbench.suite.tables import DEFAULTS

if TYPE_CHECKING:
    from ganbench.registry.plugin_files import PluginFile
    from ganbench.registry.registry import Registry
    from ganbench.runner.settings import Settings

SECONDS = 60.0
"""The longest that the rules may take for the offers of one batch; then they have no answer."""


class Question(NamedTuple):
    """The use of an offer that the rules are asked about, and the place in the suite that a message begins with."""

    kind: str
    part: Part
    place: str


Questions = Mapping[str, Sequence[Question]]
"""The questions by the key of the batch that they are about."""


def list_uses(batch: Batch, trial: Trial) -> Iterator[tuple[str, Part]]:
    """Yield the kind and the part of what a trial of a batch uses.

    Its dataset is left out, and optimizers are in it only where seeds could mix.
    """
    recipe = trial.recipe
    yield "losses", recipe.loss
    yield from (("constraints", part) for part in recipe.constraints)
    yield from (("inputs", part) for part in recipe.inputs)
    yield "dynamics", recipe.dynamics
    if len(batch.trials) > 1:
        yield from (("optimizers", part) for part in (recipe.critic_optimizer, recipe.generator_optimizer))
    yield "architectures", trial.architecture
    yield from (("metrics", part) for part in batch.measurement.metrics)


def collect_questions(suite: Suite, batches: Sequence[Batch], plugins: Registry) -> dict[str, list[Question]]:
    """Return what to ask: about each use of a third party's offer once, on the first batch that has it.

    An offer with other options is another use, and so is an architecture with another spec or for another dataset.
    """
    asked: set[str] = set()
    questions: dict[str, list[Question]] = {}
    for batch in batches:
        for trial, (kind, part) in [(first, use) for first in batch.firsts for use in list_uses(batch, first)]:
            if not plugins.get(kind, part.name).is_foreign:
                continue
            key = digest([kind, part.name, part.options, trial.shared_hash if kind == "architectures" else ""])
            if key not in asked:
                asked.add(key)
                place = locate_part(suite, kind, part, trial.labels["method"])
                questions.setdefault(batch.key, []).append(Question(kind, part, place))
    return questions


def locate_part(suite: Suite, kind: str, part: Part, method: str) -> str:
    """Return the place in the suite where a part is used, or the method that uses it."""
    if kind == "architectures":
        return locations.locate(suite, "architectures")
    use = Use(part.name, weight=1.0 if part.weight is None else part.weight, every=part.every, options=part.options)
    return locations.locate_use(suite, kind, use, "" if kind == "metrics" else method)


def answer(
    batch: Batch,
    _: Callable[[int, int], None],
    *,
    questions: Questions,
    files: tuple[PluginFile, ...] = (),
    plugins: Registry | None = None,
) -> list[Record]:
    """Return a failed record, with the message as its error, for each rule that an offer of this batch breaks.

    `plugins` is the registry of this process, for offers defined in Python; without it the worker loads its own.
    """
    from ganbench.engine.shared_state import SharedState
    from ganbench.evaluation.calibration import single_thread
    from ganbench.runner.worker import load_plugins
    from ganbench.testing.contracts import find_breaches
    from ganbench.testing.rule import Subject

    plugins, trial = plugins or load_plugins(files), batch.trials[0]
    messages: list[str] = []
    for kind, part, place in questions[batch.key]:
        offered = plugins.get(kind, part.name)
        try:
            with single_thread(), isolated(SharedState(), [offered]):
                known = {"specs": [trial.spec], "ask": make_ask(trial, plugins)} if kind == "architectures" else {}
                breaches = find_breaches(Subject(offered, plugins, dict(part.options)), **known)
        except ProcessChanged:  # its trials fail by the name of what it changes
            continue
        messages += (f"{place}: {message}" for message in breaches)
    return [Record(trial=trial, status="failed", error=message) for message in messages]


def make_ask(trial: Trial, plugins: Registry) -> Ask:
    """Return what a trial requires of its architecture."""
    import torch

    from ganbench.engine.program import assemble
    from ganbench.engine.scalars import ScheduledScalars

    program = assemble(trial.recipe, plugins, ScheduledScalars(torch.device("cpu"), torch.float32))
    source = plugins.build("datasets", trial.dataset.name, trial.dataset.options)
    return program.build_ask(source, trial.recipe.critic_norm)


@contextmanager
def ask_offers(
    suite: Suite, batches: Sequence[Batch], plugins: Registry, settings: Settings
) -> Iterator[Iterator[Event]]:
    """Start to ask the rules of the offers of these batches; the context is the events of the executor that does.

    An offer for which the rules end without an answer, such as one that hangs or kills its worker, breaks none: its
    trials say what is wrong.
    """
    questions = collect_questions(suite, batches, plugins)
    if not questions:
        yield iter(())
        return
    here = settings.in_process
    work = partial(answer, questions=questions, files=plugins.files, plugins=plugins if here else None)
    name = DEFAULTS["executor here"] if here else DEFAULTS["executor"]
    options = {} if here else {"jobs": 1, "timeout": min(SECONDS, settings.timeout or SECONDS)}
    executor = plugins.build("executors", name, options)
    asked = [batch for batch in batches if batch.key in questions]
    with open_events(executor, Work(work, divisible=False), asked) as events:
        yield events


def refuse_broken_offers(events: Iterable[Event], files: Sequence[str]) -> None:
    """Raise GanbenchError with every message that these events bring; `files` are the plugin files of the run."""
    messages = [record.error for event in events if isinstance(event, Finished) for record in event.records]
    if messages:
        check = f" All rules: ganbench check {' '.join(files)}" if files else ""
        raise GanbenchError("\n".join([*messages, f"Nothing has trained.{check}"]))
