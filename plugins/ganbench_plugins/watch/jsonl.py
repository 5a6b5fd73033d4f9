"""Events as lines of JSON, for scripts that follow a run."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, TextIO

from ganbench import Event, Finished, Lost, Offer, Progress, Record, Watched, Watcher, hookimpl


def build() -> Watcher:
    """Return the watcher: it adds lines to `events.jsonl` and flushes after each event."""
    return Watcher(open=open_file, on_event=write_event, close=close_file)


def open_file(run: Watched) -> TextIO:
    """Return the file, with a line that a run begins."""
    file = (run.folder / "events.jsonl").open("a", encoding="utf-8")
    trials = sum(len(batch.trials) for batch in run.batches)
    write_line(file, event="run", suite=run.name, batches=len(run.batches), trials=trials)
    return file


def write_event(file: TextIO, event: Event | Any) -> None:
    """Write the lines of an event: one for each trial at the end of its batch, else one."""
    if isinstance(event, Finished):
        for record in event.records:
            write_line(file, event="trial", batch=event.batch.key, **describe_record(record))
    elif isinstance(event, Progress):
        write_line(file, event="progress", batch=event.batch.key, step=event.step, steps=event.steps)
    elif hasattr(event, "batch"):
        trials = [trial.key for trial in event.batch.trials]
        error = {"error": event.error} if isinstance(event, Lost) else {}
        write_line(file, event=type(event).__name__.lower(), batch=event.batch.key, trials=trials, **error)
    else:
        write_line(file, event="calibrating", **vars(event))
    file.flush()


def close_file(file: TextIO) -> None:
    """Write that the run has ended, and close the file."""
    write_line(file, event="end")
    file.close()


def describe_record(record: Record) -> dict[str, Any]:
    """Return a record as plain data, without its generator."""
    return {
        "key": record.trial.key,
        **record.trial.labels,
        "seed": record.trial.seed,
        "status": record.status,
        "error": record.error,
        "diverged_at": record.diverged_at,
        "seconds": dict(record.seconds),
        "updates": dict(record.updates),
        "scores": [vars(score) for score in record.scores],
        "signals": {name: {"steps": steps, "values": values} for name, (steps, values) in record.signals.items()},
    }


def write_line(file: TextIO, **values: Any) -> None:
    """Write one line of strict JSON, with the time."""
    line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **values}
    file.write(json.dumps(make_plain(line), allow_nan=False) + "\n")


def make_plain(value: Any) -> Any:
    """Return a value as JSON can hold it: NaN is null, infinities are "inf" and "-inf"."""
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    if isinstance(value, dict):
        return {name: make_plain(item) for name, item in value.items()}
    return [make_plain(item) for item in value] if isinstance(value, list | tuple) else value


@hookimpl
def ganbench_watch() -> Iterator[Offer]:
    yield Offer("jsonl", build, "A line of JSON for each event, in events.jsonl.")
