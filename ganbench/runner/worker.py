"""What a worker does with a batch: build it from its names, train it, judge it, and tell what came of it."""

from __future__ import annotations

import gc
import logging
import traceback
from collections.abc import Callable
from functools import lru_cache
from time import perf_counter
from typing import TYPE_CHECKING

from ganbench import registry
from ganbench.api.data import Source
from ganbench.api.metrics import Metric
from ganbench.api.records import Record, Score, Status
from ganbench.api.trials import Batch, Part, canonical_json
from ganbench.engine import checkpoint
from ganbench.engine import device as devices
from ganbench.engine.snapshot import Snapshot
from ganbench.engine.train import Training, prepare
from ganbench.errors import GanbenchError
from ganbench.evaluation import scoring
from ganbench.evaluation.best_snapshot import BestSnapshots
from ganbench.plan.plan import take_portion
from ganbench.registry.registry import Registry
from ganbench.runner import checkpoints
from ganbench.runner.checkpoints import Checkpoint, Kept, select_branch

if TYPE_CHECKING:
    import torch

ERROR_LINES = 12
"""Frames of a traceback that a failed record keeps, counted from where it was raised."""

FULL = ("DefaultCPUAllocator: can't allocate memory", "DefaultCPUAllocator: not enough memory")
"""What torch's allocator says on Linux, and elsewhere, in a plain RuntimeError."""

Report = Callable[[int, int], None]


@lru_cache(maxsize=4)
def load_plugins(files: tuple[str, ...]) -> Registry:
    """Load the plugins once per process."""
    return registry.load(files=files)


def run_batch(
    batch: Batch,
    report: Report,
    *,
    files: tuple[str, ...] = (),
    device: str = "auto",
    plugins: Registry | None = None,
    folder: str | None = None,
    every: float = checkpoints.EVERY,
) -> list[Record]:
    """Train and judge a batch; give one record for each trial, whatever happened.

    `plugins` is the registry of this process (offers given in Python); without it the worker loads its own. An
    exception in training makes failed records that keep the scores measured until then. In a results `folder` a long
    batch is kept every so many seconds, and goes on from there. A batch that takes more memory than there is, is
    trained in two halves, each as a batch of its own.
    """
    known = plugins or load_plugins(files)
    job = Job(batch, known, devices.configure(device), folder, every)
    try:
        job.run(report)
    except Exception as error:
        job.error, full = describe_error(error), is_out_of_memory(error)
    else:
        full = False
    if not full or len(batch.trials) == 1:
        return job.records()
    logging.getLogger("ganbench").warning("%s: out of memory; it goes on in two halves", batch.label)
    del job
    gc.collect()
    devices.free_cached_memory()
    half = len(batch.trials) // 2
    parts = [take_portion(batch, trials) for trials in (batch.trials[:half], batch.trials[half:])]
    return [each for part in parts for each in run_batch(part, report, device=device, plugins=known)]


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether an exception says that memory ran out: Python's own, CUDA's, or that of torch's CPU allocator."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in FULL)


def describe_error(error: Exception) -> str:
    """Give what a record keeps of an exception: the message alone if it was meant for the user."""
    if isinstance(error, GanbenchError):
        return str(error)
    return "".join(traceback.format_exception(error, limit=-ERROR_LINES)).strip()


class Job:
    """A batch in the making: its scores, clocks and final generators so far."""

    def __init__(
        self,
        batch: Batch,
        plugins: Registry,
        device: torch.device,
        folder: str | None = None,
        every: float = checkpoints.EVERY,
    ) -> None:
        self.batch, self.plugins, self.device = batch, plugins, device
        self.checkpoint = Checkpoint(folder, batch, devices.describe(device), every)
        self.scores: list[list[Score]] = [[] for _ in batch.trials]
        self.seconds = {"train": 0.0, "evaluate": 0.0}
        self.last: Snapshot | None = None
        self.resumed: dict[str, int] = {}
        self.error = ""

    def run(self, report: Report) -> None:
        """Train to the end, judging every snapshot; training and judging have clocks of their own."""
        began = perf_counter()
        training, judge = self.begin()
        for snapshot in training.run(report):
            devices.synchronize(self.device)
            self.seconds["train"] += perf_counter() - began
            began = perf_counter()
            for own, found in zip(self.scores, judge.score_snapshot(snapshot), strict=True):
                own += found
            self.last = snapshot
            self.seconds["evaluate"] += perf_counter() - began
            began = perf_counter()
            if not snapshot.final:
                self.checkpoint.keep(lambda: self.state(training, judge))
        for member, again in judge.fresh_scores():
            self.scores[member] += again
        self.seconds["evaluate"] += perf_counter() - began

    def begin(self) -> tuple[Training, BestSnapshots]:
        """Build the training and its judge: at the start, or where the checkpoint of this very work was made."""
        kept = self.checkpoint.read()
        training, judge = self.built()
        if kept is not None:
            try:
                self.restore(training, judge, kept)
            except (LookupError, ValueError, TypeError, RuntimeError) as error:
                self.checkpoint.ignore(f"not of this training ({error})")
                training, judge = self.built()
        return training, judge

    def built(self) -> tuple[Training, BestSnapshots]:
        """Build the training and its judge from the batch's names."""
        training = prepare(self.batch, self.plugins, self.device)
        metrics = [(part, self._metric(part)) for part in self.batch.measurement.metrics]
        reference = load_reference(self.plugins, self.batch.trials[0].dataset, training.source, self.batch)
        return training, BestSnapshots(training, self.batch.measurement.samples, metrics, reference)

    def state(self, training: Training, judge: BestSnapshots) -> Kept:
        """Give all that a checkpoint keeps."""
        tensors: dict[str, torch.Tensor] = {}
        numbers: dict[str, object] = {"seconds": self.seconds}
        for name, (own, plain) in {"training": checkpoint.save_state(training), "judge": judge.save_state()}.items():
            tensors |= {f"{name}/{leaf}": tensor for leaf, tensor in own.items()}
            numbers[name] = plain
        return tensors, numbers

    def restore(self, training: Training, judge: BestSnapshots, kept: Kept) -> None:
        """Set a training, its judge and this job to what a checkpoint kept."""
        tensors, numbers = kept
        checkpoint.restore_state(training, select_branch(tensors, "training"), numbers["training"])
        judge.restore_state(select_branch(tensors, "judge"), numbers["judge"])
        assert training.now is not None
        self.last = training.take_snapshot(training.now.done, training.now.game)
        self.scores = [[score for found in judge.seen for score in found[i]] for i in range(len(self.scores))]
        self.seconds = dict(numbers["seconds"])
        self.resumed = {"resumed": training.now.done}

    def _metric(self, part: Part) -> Metric:
        return self.plugins.build("metrics", part.name, part.options)

    def records(self) -> list[Record]:
        """Give one record for each trial."""
        members, last = len(self.batch.trials), self.last
        composition = {
            "members": [trial.seed for trial in self.batch.trials],
            "mode": self.batch.mode,
            **devices.describe(self.device),
        }
        return [
            Record(
                trial=trial,
                status=self._status(i),
                error=self.error,
                diverged_at=last.diverged_at[i] if last else -1,
                scores=tuple(self.scores[i]),
                signals={n: (at, values[i].tolist()) for n, (at, values) in last.signals.items()} if last else {},
                seconds={name: spent / members for name, spent in self.seconds.items()},
                updates=last.updates if last else {},
                composition=composition,
                facts=self.resumed,
                generator=b"" if self.error or last is None else last.generator_file(i),
            )
            for i, trial in enumerate(self.batch.trials)
        ]

    def _status(self, member: int) -> Status:
        if self.error:
            return "failed"
        return "diverged" if self.last is not None and self.last.diverged_at[member] >= 0 else "completed"


_references: dict[str, scoring.Reference] = {}


def load_reference(plugins: Registry, dataset: Part, source: Source, batch: Batch) -> scoring.Reference:
    """Give the real samples that a dataset is judged by, made once per process: their features take a while."""
    key = canonical_json([id(plugins), dataset.name, dict(dataset.options), batch.measurement.samples])
    if key not in _references:
        _references[key] = scoring.Reference(source, batch.measurement.samples)
    return _references[key]
