"""What is left of a suite, in time and disk: from the folder's own records, and from trying what it has none of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from time import perf_counter
from typing import TYPE_CHECKING

from ganbench.api.records import TRAINED
from ganbench.api.trials import Batch
from ganbench.progress.eta import Forecast, WorkItem, work_item, work_items
from ganbench.progress.status import format_bytes, format_seconds

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry
    from ganbench.results.frames import Frames

TRY_SECONDS = 3.0
"""How long each method is tried on each dataset."""

WARM = 60
"""Generator steps that are not timed: a long batch records its step first, and replays it faster."""

ROW_BYTES = 30_000
"""What a trial takes in the database, about: some 200 points of half a dozen signals, its scores, its plan."""

Tell = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Seconds on so many workers, and bytes, of the batches that are left; `recorded` and `tried` say from what."""

    trials: int
    seconds: float
    disk: float
    workers: int
    recorded: int
    tried: int

    @property
    def line(self) -> str:
        """Say it all."""
        sources = [f"{self.recorded} records of this folder"] * bool(self.recorded)
        sources += [f"a short trial of {self.tried} methods on their datasets"] * bool(self.tried)
        crew = f"{self.workers} workers" if self.workers > 1 else "one worker"
        if not self.trials:
            return "estimate: nothing is left to train"
        return (
            f"estimate: {format_seconds(self.seconds)} on {crew}, {format_bytes(round(self.disk))} of disk for "
            f"{self.trials} trials, from {' and '.join(sources)}"
        )


@dataclass(frozen=True)
class TimedBatch:
    """What a batch should take in all, by a short trial: its seconds, and the bytes of each member's generator."""

    seconds: float
    network: int


def estimate_cost(
    left: Sequence[Batch],
    frames: Frames | None,
    folder: Path,
    plugins: Registry,
    workers: int,
    tell: Tell = lambda done, whole: None,
) -> Estimate:
    """Estimate what the batches that are left take.

    Pairs of dataset and method that the folder has no finished records of are tried: the first batch of each, a few
    seconds of its training and one evaluation. Raises GanbenchError where one cannot be built or fails at once.
    """
    lessons, networks = read_past_costs(frames, folder)
    known = {(piece.dataset, piece.method) for piece, *_ in lessons}
    recorded = len(lessons)
    new: dict[tuple[str, str], Batch] = {}
    for batch in left:
        piece = work_item(batch)
        if (piece.dataset, piece.method) not in known:
            new.setdefault((piece.dataset, piece.method), batch)
    for done, batch in enumerate(new.values()):
        tell(done, len(new))
        found = time_batch(batch, plugins)
        lessons.append((replace(work_item(batch), traits={}), 1.0, found.seconds))
        networks.append(found.network)
    tell(len(new), len(new))
    trials = sum(len(batch.trials) for batch in left)
    forecast = Forecast(work_items(left), max(1, workers))
    forecast.known = lessons
    return Estimate(
        trials=trials,
        seconds=forecast.left(0.0) or 0.0,
        disk=trials * (ROW_BYTES + (mean(networks) if networks else 0)),
        workers=max(1, min(workers, len(left))),
        recorded=recorded,
        tried=len(new),
    )


def read_past_costs(frames: Frames | None, folder: Path) -> tuple[list[tuple[WorkItem, float, float]], list[int]]:
    """Give what the records of a folder took, and the sizes of its generators."""
    if frames is None:
        return [], []
    trials = frames.trials[frames.trials["status"].isin(TRAINED) & ~frames.trials["stale"]]
    columns = ("dataset", "method", "seconds_train", "seconds_evaluate", "critic_updates", "generator_updates")
    lessons: list[tuple[WorkItem, float, float]] = []
    for dataset, method, train, evaluate, critic, generator in zip(*(trials[name] for name in columns), strict=True):
        seconds, updates = float(train) + float(evaluate), float(critic) + float(generator)
        if seconds > 0 and updates > 0:
            lessons.append((WorkItem(dataset, method, updates), 1.0, seconds))
    return lessons, [file.stat().st_size for file in (folder / "networks").glob("*.safetensors")]


class TimedEnough(Exception):
    """Raised within a training that has been timed for long enough."""


def time_batch(batch: Batch, plugins: Registry) -> TimedBatch:
    """Train a batch for a few seconds, judge it once, and give what all of it should take.

    The best snapshots are judged again in the end, here taken to be two.
    """
    from ganbench.engine import device as devices
    from ganbench.runner.worker import Job

    budget = batch.trials[0].budget
    steps = budget.generator_steps
    early = replace(budget, snapshots=(1, steps) if steps > 1 else (1,))
    short = replace(batch, trials=tuple(replace(trial, budget=early) for trial in batch.trials))
    training, judge = Job(short, plugins, devices.configure()).built()
    began, judging, network = perf_counter(), 0.0, 0
    warm = (0, began)
    last = warm

    def report(step: int, _: int) -> None:
        nonlocal warm, last
        last = (step, perf_counter())
        if step == min(WARM, steps // 2):
            warm = last
        if step > WARM and last[1] - began > TRY_SECONDS:
            raise TimedEnough

    try:
        for snapshot in training.run(report):
            if not network:
                judge.score_snapshot(snapshot)  # the first also looks at the reference, once for all
                judged = perf_counter()
                judge.score_snapshot(snapshot)
                judging = perf_counter() - judged
                network = len(snapshot.generator_file(0))
                began = perf_counter()
                warm = (last[0], began) if steps > 1 else warm
    except TimedEnough:
        pass
    pace = (last[1] - warm[1]) / max(1, last[0] - warm[0])
    return TimedBatch(pace * steps + judging * (len(budget.snapshots) + 2), network)
