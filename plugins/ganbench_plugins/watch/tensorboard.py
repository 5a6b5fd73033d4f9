"""TensorBoard: a run for each trial with its scores and signals, and one for the progress of each batch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

from ganbench import Batch, Event, Finished, NotInstalled, Offer, Progress, Record, Watched, Watcher, hookimpl


@dataclass(frozen=True)
class Logs:
    """The folder of the logs, and the writers of the batches that train now, by key."""

    folder: Path
    progress: dict[str, Any] = field(default_factory=dict)


def build() -> Watcher:
    """Return the watcher; TensorBoard itself is imported when the run begins, beside the training."""
    if find_spec("tensorboard") is None:
        raise NotInstalled("it needs the package tensorboard: pip install 'ganbench[tensorboard]'")
    return Watcher(open=open_logs, on_event=write_event, close=close_logs)


def open_logs(run: Watched) -> Logs:
    """Return the logs of a run, with the text of its suite."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(run.folder / "suite")) as writer:
        indented = "\n".join(f"    {line}" for line in run.suite.splitlines())  # a block of code in Markdown
        writer.add_text("suite", indented)
    return Logs(run.folder)


def write_event(logs: Logs, event: Event | Any) -> None:
    """Write the progress of a batch, or all that is known of its trials when it has ended."""
    if isinstance(event, Progress):
        key = event.batch.key
        if key not in logs.progress:
            logs.progress[key] = open_writer(logs.folder / "progress" / name_batch(event.batch))
        add_values(logs.progress[key], event.step, {"progress": event.step / max(1, event.steps)})
        logs.progress[key].flush()
    elif isinstance(event, Finished):
        if event.batch.key in logs.progress:
            logs.progress.pop(event.batch.key).close()
        for record in event.records:
            write_record(logs.folder, record)


def close_logs(logs: Logs) -> None:
    """Close the writers of batches that did not end."""
    for writer in logs.progress.values():
        writer.close()


def write_record(folder: Path, record: Record) -> None:
    """Write the scores and signals of a trial, all values of a step in one event of the file."""
    trial = record.trial
    parts = [*(trial.labels[kind] for kind in ("dataset", "method", "architecture")), f"seed-{trial.seed}"]
    steps: dict[int, dict[str, float]] = {}
    for score in record.scores:
        steps.setdefault(score.step, {})["fresh/" * score.fresh + f"scores/{score.name}"] = float(score.value)
    for name, series in record.signals.items():
        for step, value in zip(*series, strict=True):
            steps.setdefault(step, {})[f"signals/{name}"] = float(value)
    writer = open_writer(folder.joinpath(*map(make_part, parts)))
    for step in sorted(steps):
        add_values(writer, step, steps[step])
    failed = {"status/diverged": record.diverged_at >= 0, "status/failed": record.status in ("failed", "timed-out")}
    add_values(writer, max(chain([0], steps)), {name: float(value) for name, value in failed.items()})
    writer.close()


def open_writer(folder: Path) -> Any:
    """Return a writer of a new file in a folder; TensorBoard joins the files of a folder."""
    from torch.utils.tensorboard.writer import FileWriter

    return FileWriter(str(folder))


def add_values(writer: Any, step: int, values: Mapping[str, float]) -> None:
    """Write the values of a step, by their tags, as one event: a tenth of the time of an event for each value."""
    from tensorboard.compat.proto.summary_pb2 import Summary

    writer.add_summary(Summary(value=[Summary.Value(tag=tag, simple_value=x) for tag, x in values.items()]), step)


def name_batch(batch: Batch) -> str:
    """Return a name for a batch as part of a path."""
    return f"{make_part(batch.label)}-{batch.key[:8]}"


def make_part(text: str) -> str:
    """Return a third party's text as one part of a path."""
    return re.sub(r"[^A-Za-z0-9_+=-]+", "-", text)[:60] or "-"


@hookimpl
def ganbench_watch() -> Iterator[Offer]:
    yield Offer("tensorboard", build, "Scores, losses and norms of each trial: `tensorboard --logdir RESULTS/watch`.")
