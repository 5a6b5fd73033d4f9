"""After training: the seconds of each method alone, so that scores can be compared over time."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ganbench.api.events import Calibrating
from ganbench.api.shared_program import shared_program
from ganbench.api.trials import Batch, digest
from ganbench.errors import GanbenchError, describe, find_reason
from ganbench.plan.stages import is_tuning
from ganbench.results.store import Store
from ganbench.runner.apart import Tell, iterate_apart
from ganbench.runner.isolation import isolated, list_batch_offers
from ganbench.runner.places import choose_own_device, count_jobs
from ganbench.runner.settings import Settings
from ganbench.statistics.paces import read_paces

if TYPE_CHECKING:
    import torch

    from ganbench.api.data import Source
    from ganbench.registry.plugin_files import PluginFile
    from ganbench.registry.registry import Registry
    from ganbench.results.history import Run

SHARE = 0.02
"""The share of a suite's time that its methods may be timed for."""

LEAST_SECONDS = 0.3
"""The seconds for which a method is timed, at least; a suite that is too short for them has no axis of time."""

MOST_SECONDS = 3.0
"""The seconds for which a method is timed, at most."""


@dataclass(frozen=True, kw_only=True)
class Timed:
    """What a training takes alone: the seconds until each of its snapshots, by generator step, and the device."""

    hash: str
    seconds: Mapping[int, float]
    device: Mapping[str, Any]


def hash_training(batch: Batch) -> str:
    """Return the hash of what a batch of one method trains and of its code, without its seeds."""
    trial = batch.trials[0]
    return digest([{name: part for name, part in trial.content.items() if name != "seed"}, trial.code])


def hash_program(batch: Batch, plugins: Registry) -> str:
    """Return the hash of the program of a batch, without its data: what takes as long on data of one shape."""
    program = shared_program(batch.trials[0], plugins.scalar_defaults)
    return digest({name: part for name, part in program.items() if name != "dataset"})


def choose_batches(batches: Sequence[Batch]) -> list[Batch]:
    """Return the first trial of each method on each dataset, a batch of its own: those of the first architecture.

    The trials that configurations are tuned on are left out: figures are about those that are reported.
    """
    first: dict[tuple[str, str], Batch] = {}
    for batch in batches:
        for trial in (each for each in batch.firsts if not is_tuning(each)):
            key = trial.labels["dataset"], trial.labels["method"]
            first.setdefault(key, batch.take((trial,)))
    return list(first.values())


def is_timed(batches: Sequence[Batch], runs: Sequence[Run]) -> bool:
    """Return whether one run has timed all the batches: only what one run has timed can be compared."""
    wanted = {hash_training(batch) for batch in batches}
    return any(wanted <= {pace.hash for pace in read_paces(run)} for run in runs)


def measure_paces(
    batches: Sequence[Batch], plugins: Registry, store: Store, settings: Settings, workers: int
) -> Iterator[Calibrating]:
    """Time each method alone on one thread, on each dataset, and store that as the fact `pace` of the newest run.

    Yields an event before each is timed. It takes `SHARE` of the suite's time, as its records have it, on so many
    workers (0: those that this machine would have). Nothing is done
    where it is stored already, for that code, or where the suite is too short for it; a training that fails is left
    out. Where offers of others are in use, and there are workers, it happens in a process of its own.
    """
    chosen = choose_batches(batches)
    if not chosen or is_timed(chosen, store.history()):
        return
    device = choose_own_device(settings)
    workers = workers or min(count_jobs(settings.jobs, device), len(batches))
    seconds = SHARE * store.seconds_spent() / max(1, workers)
    if seconds < LEAST_SECONDS * len({hash_program(batch, plugins) for batch in chosen}):
        return
    work = partial(time_batches, chosen, seconds=seconds, device=device)
    offers = [offered for batch in chosen for offered in list_batch_offers(batch, plugins)]
    files = list(dict.fromkeys(offered.origin for offered in offers if offered.is_foreign))
    if settings.in_process or not files:
        items = work(lambda doing: None, plugins=plugins)
    else:
        items = iterate_apart(partial(work, files=plugins.files), files, settings.timeout)
    timed: dict[str, Timed] = {}
    with closing(items):
        try:
            for item in items:
                if isinstance(item, Calibrating):
                    yield item
                else:
                    timed[item.hash] = item
        except GanbenchError as error:
            label = chosen[0].trials[0].labels["dataset"]
            yield Calibrating(label, caution=f"its methods could not all be timed: {find_reason(str(error))}")
    if timed:
        store.add_fact("pace", make_fact(chosen, timed))


def make_fact(batches: Sequence[Batch], timed: Mapping[str, Timed]) -> dict[str, Any]:
    """Return the fact `pace` of a run: the device, and of each training its names, snapshots and their seconds."""
    trainings = [
        {
            **{name: batch.trials[0].labels[name] for name in ("dataset", "method", "architecture")},
            "hash": key,
            "steps": list(timed[key].seconds),
            "seconds": list(timed[key].seconds.values()),
        }
        for batch in batches
        if (key := hash_training(batch)) in timed
    ]
    return {**next(iter(timed.values())).device, "trainings": trainings}


def time_batches(
    batches: Sequence[Batch],
    tell: Tell,
    *,
    seconds: float,
    device: str,
    plugins: Registry | None = None,
    files: tuple[PluginFile, ...] = (),
) -> Generator[Calibrating | Timed, None, None]:
    """Yield an event and then the pace of each batch of one trial, timed on one thread: all for so many seconds.

    Trainings that differ only in data of one shape are timed once. Nothing is yielded where the time is too short.
    """
    from ganbench.engine import device as devices
    from ganbench.evaluation.calibration import single_thread
    from ganbench.runner.worker import load_plugins

    tell("timing the methods: loading the plugins")
    plugins = plugins or load_plugins(files)
    with single_thread():
        place = devices.configure(device)
        groups = group_by_shape(batches, plugins)
        each = min(MOST_SECONDS, seconds / len(groups))
        for group, source in groups if each >= LEAST_SECONDS else ():
            labels = group[0].trials[0].labels
            tell(f"timing {labels['method']}")
            yield Calibrating(labels["dataset"], method=labels["method"])
            try:
                found = time_batch(group[0], plugins, place, source, each)
            except Exception as error:
                sentence = f"{labels['method']} could not be timed: {find_reason(describe(error))}"
                yield Calibrating(labels["dataset"], caution=sentence)
            else:
                facts = devices.describe(place)
                yield from (Timed(hash=hash_training(batch), seconds=found, device=facts) for batch in group)


def group_by_shape(batches: Sequence[Batch], plugins: Registry) -> list[tuple[list[Batch], Source]]:
    """Return the batches that train as long on data of one shape, each group with the dataset of its first batch."""
    sources: dict[str, Source] = {}
    groups: dict[tuple[str, tuple[int, ...]], tuple[list[Batch], Source]] = {}
    for batch in batches:
        part, label = batch.trials[0].dataset, batch.trials[0].labels["dataset"]
        if label not in sources:
            sources[label] = plugins.build("datasets", part.name, part.options)
        source = sources[label]
        groups.setdefault((hash_program(batch, plugins), tuple(source.shape)), ([], source))[0].append(batch)
    return list(groups.values())


def time_batch(
    batch: Batch, plugins: Registry, device: torch.device, source: Source, seconds: float
) -> dict[int, float]:
    """Return the seconds of a batch's training until each snapshot, from so many seconds of it."""
    from ganbench.engine.pace import find_pace
    from ganbench.engine.shared_state import SharedState
    from ganbench.engine.train import prepare

    with isolated(SharedState(), list_batch_offers(batch, plugins)):
        return find_pace(prepare(batch, plugins, device, source=source), seconds)
