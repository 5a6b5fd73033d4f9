"""MLflow: an experiment for each suite, and in it a run for each trial."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from time import time
from typing import Any

from ganbench import Event, Finished, NotInstalled, Offer, Record, Watched, Watcher, hookimpl

POINTS = 50
"""Points of each signal, at most: evenly chosen with the first and the last, since MLflow takes long for each."""

AT_ONCE = 1000
"""Metrics in one call, at most: the limit of MLflow's interface."""

LONGEST = 500
"""Characters of a tag or a parameter, at most: the limit of MLflow's older servers."""


def build(uri: str = "", experiment: str = "") -> Watcher:
    """Return the watcher of an experiment, by default named as the suite.

    `uri` is the tracking server; by default that of MLFLOW_TRACKING_URI, else the folder RESULTS/watch/mlflow.
    """
    if find_spec("mlflow") is None:
        raise NotInstalled("it needs the package mlflow: pip install 'ganbench[mlflow]'")

    def start(run: Watched) -> tuple[Any, str]:
        return open_experiment(uri or os.environ.get("MLFLOW_TRACKING_URI", ""), experiment, run)

    return Watcher(open=start, on_event=write_event)


def open_experiment(uri: str, name: str, run: Watched) -> tuple[Any, str]:
    """Return a client, and the experiment of this name, which is made where it does not exist."""
    with set_environment(MLFLOW_DISABLE_TELEMETRY="true", MLFLOW_ALLOW_FILE_STORE="true"):
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=uri or run.folder.resolve().as_uri())
        known = client.get_experiment_by_name(name or run.name)
        return client, known.experiment_id if known else client.create_experiment(name or run.name)


@contextmanager
def set_environment(**values: str) -> Iterator[None]:
    """Set variables of the environment that are not set yet, and remove them at the end."""
    missing = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(missing)
    try:
        yield
    finally:
        for name in missing:
            os.environ.pop(name, None)


def write_event(opened: tuple[Any, str], event: Event | Any) -> None:
    """Write a run for each trial of a batch that has ended."""
    for record in event.records if isinstance(event, Finished) else ():
        write_record(*opened, record)


def write_record(client: Any, experiment: str, record: Record) -> None:
    """Write a trial: its labels, its seed and its error as text, its scores and signals over the generator steps."""
    from mlflow.entities import Metric, Param

    trial, now = record.trial, int(1000 * time())
    tags = {"ganbench.key": trial.key, "ganbench.status": record.status, "ganbench.error": record.error[:LONGEST]}
    name = f"{trial.labels['method']}, {trial.labels['architecture']}, seed {trial.seed}"
    run = client.create_run(experiment, run_name=name, tags=tags).info.run_id
    values = [("fresh/" * score.fresh + score.name, score.step, score.value) for score in record.scores]
    values += [(f"signals/{name}", step, value) for name, step, value in thin_signals(record.signals)]
    metrics = [Metric(make_name(name), float(value), now, step) for name, step, value in values]
    params = [Param(kind, str(text)[:LONGEST]) for kind, text in {**trial.labels, "seed": trial.seed}.items()]
    client.log_batch(run, params=params)
    for start in range(0, len(metrics), AT_ONCE):
        client.log_batch(run, metrics=metrics[start : start + AT_ONCE])
    client.set_terminated(run, "FAILED" if record.status in ("failed", "timed-out") else "FINISHED")


def thin_signals(signals: Mapping[str, tuple[list[int], list[float]]]) -> Iterator[tuple[str, int, float]]:
    """Yield the name, the step and the value of at most POINTS points of each signal."""
    for name, (steps, values) in signals.items():
        last = len(steps) - 1
        for place in sorted({round(i * last / (POINTS - 1)) for i in range(POINTS)} if steps else ()):
            yield name, steps[place], values[place]


def make_name(text: str) -> str:
    """Return a third party's name of a value as MLflow allows it."""
    return re.sub(r"[^\w./ -]+|\.\.+|//+|^/", "_", text, flags=re.ASCII)[:200]


@hookimpl
def ganbench_watch() -> Iterator[Offer]:
    yield Offer("mlflow", build, "A run for each trial, in an experiment for each suite.")
