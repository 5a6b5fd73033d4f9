"""Estimates of the time and disk a suite still takes: from the folder's records, else from short trial runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean
from time import perf_counter
from typing import TYPE_CHECKING

from ganbench.api.records import TRAINED
from ganbench.api.trials import Batch
from ganbench.errors import GanbenchError
from ganbench.progress.eta import Forecast, Observation, WorkItem, make_work_item, make_work_items
from ganbench.progress.status import format_bytes, format_flops, format_seconds
from ganbench.results.files import list_networks
from ganbench.statistics.outcome_table import stored_suite
from ganbench.suite.tables import KeepTable

if TYPE_CHECKING:
    from ganbench.api.data import Source
    from ganbench.registry.registry import Registry
    from ganbench.results.frames import Frames

TRY_SECONDS = 3.0
"""Seconds for which a method without records is tried on each dataset."""

TRY_SAMPLES = 2000
"""Samples on which a snapshot is scored when a method is tried; the time of more is taken to be in proportion."""

WARM = 60
"""Generator steps that are not timed: a long batch first records its step and then replays it faster."""

ROW_BYTES = 45_000
"""Bytes of a trial in the database, roughly: about 200 points of nine signals, its scores, its plan."""

KEEP = KeepTable()

ShowProgress = Callable[[int, int], None]
"""Called with the number of batches that are counted, or of tries that are done, and with the number of all."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Seconds (on so many workers) and bytes of disk for the batches that are still to be trained.

    They come from `recorded` records of the folder and from short trial runs of `tried` pairs of dataset and method.
    """

    trials: int
    seconds: float
    disk: float
    workers: int
    recorded: int
    tried: int
    flops: Mapping[str, float] = field(default_factory=dict)

    @property
    def work(self) -> str:
        """The floating-point operations of all trials and of each method on one line; "" where none were counted."""
        return describe_work(self.flops)

    @property
    def line(self) -> str:
        """The estimate and its sources on one line."""
        sources = [f"{self.recorded} records of this folder"] * bool(self.recorded)
        sources += [f"a short trial of {self.tried} methods on their datasets"] * bool(self.tried)
        workers = f"{self.workers} workers" if self.workers > 1 else "one worker"
        if not self.trials:
            return "estimate: nothing is left to train"
        return (
            f"estimate: {format_seconds(self.seconds)} on {workers}, {format_bytes(round(self.disk))} of disk for "
            f"{self.trials} trials, from {' and '.join(sources)}"
        )


def describe_work(flops: Mapping[str, float]) -> str:
    """Return the operations of all methods and of each one on a line; "" for none."""
    methods = ", ".join(f"{method} {format_flops(count)}" for method, count in flops.items())
    return f"work: {format_flops(sum(flops.values()))} ({methods})" if methods else ""


@dataclass(frozen=True)
class TimedBatch:
    """The seconds a whole batch should take, by a short trial run, and the bytes of each member's generator."""

    seconds: float
    network: int


def estimate_cost(
    batches: Sequence[Batch],
    frames: Frames | None,
    folder: Path,
    plugins: Registry,
    workers: int,
    show_progress: ShowProgress = lambda done, total: None,
    device: str = "auto",
    keep: KeepTable = KEEP,
    show_work: Callable[[str], None] = lambda line: None,
) -> Estimate:
    """Return an estimate of the time and disk that these batches take on so many workers, on a device.

    `keep` says which generators each trial leaves, and how precise they are. `show_work` is called with `Estimate.work`
    before anything is tried.

    Pairs of dataset and method without finished records of this device in the folder are tried: the first batch of each
    trains for a few seconds and is evaluated once. Raises GanbenchError if a batch cannot be built or fails at once.
    """
    from ganbench.engine import device as devices

    flops = count_work(batches, plugins, show_progress=show_progress)
    show_work(describe_work(flops))
    observations, networks = read_past_costs(frames, folder, devices.choose(device).type)
    recorded_pairs = {(each.item.dataset, each.item.method) for each in observations}
    recorded = len(observations)
    untried: dict[tuple[str, str], Batch] = {}
    for batch in batches:
        item = make_work_item(batch)
        if (item.dataset, item.method) not in recorded_pairs:
            untried.setdefault((item.dataset, item.method), batch)
    for done, batch in enumerate(untried.values()):
        show_progress(done, len(untried))
        timed = time_batch(batch, plugins, device)
        observations.append(Observation(replace(make_work_item(batch), traits={}), 1.0, timed.seconds))
        networks.append(timed.network // (2 if keep.precision == "float16" else 1))
    show_progress(len(untried), len(untried))
    trials = sum(len(batch.trials) for batch in batches)
    kept = [count_kept(keep, len(trial.budget.snapshots)) for batch in batches for trial in batch.trials]
    forecast = Forecast(make_work_items(batches), max(1, workers))
    forecast.finished = observations
    return Estimate(
        trials=trials,
        seconds=forecast.seconds_left(0.0) or 0.0,
        disk=trials * ROW_BYTES + sum(kept) * (mean(networks) if networks else 0),
        workers=max(1, min(workers, len(batches))),
        recorded=recorded,
        tried=len(untried),
        flops=flops,
    )


def count_work(
    batches: Sequence[Batch],
    plugins: Registry,
    sources: Mapping[str, Source] | None = None,
    show_progress: ShowProgress = lambda done, total: None,
) -> dict[str, float]:
    """Return the floating-point operations of each method's trials, counted on networks without numbers.

    `sources` has the datasets by their labels; without it they are built. Methods whose operations cannot be counted,
    because of many lazy terms for instance, are left out.
    """
    from ganbench.plan.costs import CostCounter

    if sources is None:
        parts = {batch.trials[0].labels["dataset"]: batch.trials[0].dataset for batch in batches}
        sources = {label: plugins.build("datasets", part.name, part.options) for label, part in parts.items()}
    counter, flops, uncounted = CostCounter(plugins, sources), dict[str, float](), set[str]()
    for done, batch in enumerate(batches):
        show_progress(done, len(batches))
        counts = Counter(trial.declared_method for trial in batch.trials)
        for method, trials in counts.items():
            try:
                flops[method] = flops.get(method, 0.0) + trials * counter.count_trial(batch.trials[0])
            except GanbenchError:
                uncounted.add(method)
    return {method: count for method, count in flops.items() if method not in uncounted}


def count_kept(keep: KeepTable, snapshots: int) -> int:
    """Return how many generators a trial with so many snapshots leaves, at most."""
    return {"none": 0, "final": 1, "best": min(2, snapshots), "snapshots": snapshots}[keep.generators]


def read_past_costs(frames: Frames | None, folder: Path, device: str) -> tuple[list[Observation], list[int]]:
    """Return what the records of a device ("cpu", "cuda") took in seconds, and the sizes of all generators in bytes."""
    if frames is None:
        return [], []
    trained = frames.trials["status"].isin(TRAINED) & ~frames.trials["stale"]
    trials = frames.trials[trained & (frames.trials["device"] == device)]
    columns = ("dataset", "method", "seconds_train", "seconds_evaluate", "critic_updates", "generator_updates")
    suite = stored_suite(frames)
    observations: list[Observation] = []
    for dataset, method, train, evaluate, critic, generator in zip(*(trials[name] for name in columns), strict=True):
        seconds, updates = float(train) + float(evaluate), float(critic) + float(generator)
        if seconds > 0 and updates > 0:
            declared = suite.declared_name(method) if suite is not None else method
            observations.append(Observation(WorkItem(dataset, declared, updates), 1.0, seconds))
    return observations, [file.stat().st_size for file in list_networks(folder)]


class TimedEnough(Exception):
    """Raised within a training, to end it once it has been timed for long enough."""


def time_batch(batch: Batch, plugins: Registry, device: str = "auto") -> TimedBatch:
    """Return what a whole batch should take on a device: train it for a few seconds and score one snapshot.

    At the end of a training the best snapshots are scored again; here they are taken to be two.
    """
    from ganbench.engine import device as devices
    from ganbench.runner.worker import Job

    budget = batch.trials[0].budget
    steps = budget.generator_steps
    early = replace(budget, snapshots=(1, steps) if steps > 1 else (1,))
    samples = min(batch.measurement.samples, TRY_SAMPLES)
    short = replace(
        batch,
        trials=tuple(replace(trial, budget=early) for trial in batch.trials),
        measurement=replace(batch.measurement, samples=samples),
    )
    place = devices.configure(device)
    training, scorer = Job(short, plugins, place).build()
    began, scoring_seconds, network = perf_counter(), 0.0, 0
    warm = (0, began)  # the generator step and the time from which steps are timed
    last = warm

    def read_clock() -> float:
        devices.synchronize(place)
        return perf_counter()

    def report(step: int, _: int) -> None:
        nonlocal warm, last
        last = (step, read_clock())
        if step == min(WARM, steps // 2):
            warm = last
        if step > WARM and last[1] - began > TRY_SECONDS:
            raise TimedEnough

    try:
        for snapshot in training.run(report):
            if not network:
                scorer.score_snapshot(snapshot)  # the first time is longer: it also prepares the reference
                scoring_began = read_clock()
                scorer.score_snapshot(snapshot)
                scoring_seconds = (read_clock() - scoring_began) * batch.measurement.samples / samples
                network = len(snapshot.generator_file(0))
                began = read_clock()
                warm = (last[0], began) if steps > 1 else warm
    except TimedEnough:
        pass
    step_seconds = (last[1] - warm[1]) / max(1, last[0] - warm[0])
    return TimedBatch(step_seconds * steps + scoring_seconds * (len(budget.snapshots) + 2), network)
