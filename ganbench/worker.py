"""What a worker does with a batch: build it from its names, train it, judge it, and tell what came of it."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import lru_cache
from time import perf_counter
from typing import TYPE_CHECKING

from ganbench import evaluate, registry
from ganbench.engine import device as devices
from ganbench.engine.train import Snapshot, prepare
from ganbench.errors import GanbenchError
from ganbench.judge import Judge
from ganbench.records import Metric, Source
from ganbench.registry import Registry
from ganbench.trials import Batch, Part, Record, Score, canonical

if TYPE_CHECKING:
    import torch

ERROR_LINES = 12
"""Frames of a traceback that a failed record keeps, counted from where it was raised."""

Report = Callable[[int, int], None]


@lru_cache(maxsize=4)
def installed(files: tuple[str, ...]) -> Registry:
    """Load the plugins once per process."""
    return registry.load(files=files)


def run_batch(
    batch: Batch,
    report: Report,
    *,
    files: tuple[str, ...] = (),
    device: str = "auto",
    plugins: Registry | None = None,
) -> list[Record]:
    """Train and judge a batch; give one record for each trial, whatever happened.

    `plugins` is the registry of this process (offers given in Python); without it the worker loads its own. An
    exception in training makes failed records that keep the scores measured until then.
    """
    job = Job(batch, plugins or installed(files), devices.settle(device))
    try:
        job.run(report)
    except Exception as error:
        job.error = message(error)
    return job.records()


def message(error: Exception) -> str:
    """Give what a record keeps of an exception: the message alone if it was meant for the user."""
    if isinstance(error, GanbenchError):
        return str(error)
    return "".join(traceback.format_exception(error, limit=-ERROR_LINES)).strip()


class Job:
    """A batch in the making: its scores, clocks and final generators so far."""

    def __init__(self, batch: Batch, plugins: Registry, device: torch.device) -> None:
        self.batch, self.plugins, self.device = batch, plugins, device
        self.scores: list[list[Score]] = [[] for _ in batch.trials]
        self.seconds = {"train": 0.0, "evaluate": 0.0}
        self.last: Snapshot | None = None
        self.optimizers: dict[str, str] = {}
        self.error = ""

    def run(self, report: Report) -> None:
        """Train to the end, judging every snapshot; training and judging have clocks of their own."""
        began = perf_counter()
        training = prepare(self.batch, self.plugins, self.device)
        metrics = [(part, self._metric(part)) for part in self.batch.measurement.metrics]
        reference = reference_of(self.plugins, self.batch.trials[0].dataset, training.source, self.batch)
        judge = Judge(training, self.batch.measurement.samples, metrics, reference)
        for snapshot in training.run(report):
            devices.synchronize(self.device)
            self.seconds["train"] += perf_counter() - began
            began = perf_counter()
            for own, found in zip(self.scores, judge.scores(snapshot), strict=True):
                own += found
            self.last = snapshot
            self.seconds["evaluate"] += perf_counter() - began
            began = perf_counter()
        for member, again in judge.fresh():
            self.scores[member] += again
        self.seconds["evaluate"] += perf_counter() - began

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
                status="failed" if self.error else "ok",
                error=self.error,
                died=last.died[i] if last else -1,
                scores=tuple(self.scores[i]),
                signals={n: (at, values[i].tolist()) for n, (at, values) in last.signals.items()} if last else {},
                seconds={name: spent / members for name, spent in self.seconds.items()},
                updates=last.updates if last else {},
                composition=composition,
                generator=b"" if self.error or last is None else last.generator_file(i),
            )
            for i, trial in enumerate(self.batch.trials)
        ]


_references: dict[str, evaluate.Reference] = {}


def reference_of(plugins: Registry, dataset: Part, source: Source, batch: Batch) -> evaluate.Reference:
    """Give the real samples that a dataset is judged by, made once per process: their features take a while."""
    key = canonical([id(plugins), dataset.name, dict(dataset.options), batch.measurement.samples])
    if key not in _references:
        _references[key] = evaluate.Reference(source, batch.measurement.samples)
    return _references[key]
