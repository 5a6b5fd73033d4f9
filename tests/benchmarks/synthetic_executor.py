"""An executor that trains nothing: it answers each batch with records as a training stores them.

It is a plugin file. The driver, its store and its tables do with these records all that they do with real ones, so a
run shows what a driver takes for each batch and trial.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ganbench import Batch, Event, Finished, Offer, Record, Started, Work, hookimpl
from ganbench.results.incoming import write_incoming

from tests.support.large_results import make_record

SOURCES = {f"{kind}/some-offer-of-this-kind": 64 * "a" for kind in ("losses", "datasets", "architectures", "dynamics")}
FACTS = {"kernels": ["critic", "generator"], "sources": SOURCES}
"""The facts of a record, as long as those of a worker."""
SECONDS = {"train": 1e-6, "evaluate": 1e-6}
"""The seconds of a record: so few that the run times no method at its end."""


def make_records(batch: Batch, points: int, generator: int, folder: str = "") -> list[Record]:
    """Return a record for each trial: signals of `points` values, and `generator` bytes of a final generator (0: none).

    With a results `folder`, its file is written there, as a worker of this machine does; else the record has the bytes.
    """
    rng = np.random.default_rng(int(batch.key[:12], 16))
    records = []
    for trial in batch.trials:
        record = make_record(trial, batch, points, ("sliced-w1",), rng)
        kept: dict[str, Any] = {}
        content, final = rng.bytes(generator), trial.budget.generator_steps
        if content and folder:
            kept = {"written": {final: write_incoming(Path(folder), trial.key, content)}}
        elif content:
            kept = {"generator": content}
        records.append(replace(record, seconds=SECONDS, facts=FACTS, **kept))
    return records


def build(points: int = 201, generator: int = 22_000, folder: str = "") -> Callable[..., Iterator[Event]]:
    """Return `run`, which yields the events of each batch, in order."""

    def run(work: Work, batches: Iterable[Batch]) -> Iterator[Event]:
        for batch in batches:
            yield Started(batch)
            yield Finished(batch, tuple(make_records(batch, points, generator, folder)))

    return run


@hookimpl
def ganbench_executors() -> Iterable[Offer]:
    yield Offer("synthetic", build, "Records that no training made, to measure the driver.")
