"""A run watched from another terminal: its newest plan, its records and its processes. Writes nothing."""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from time import monotonic, sleep, time
from typing import TYPE_CHECKING

import psutil
from rich.console import Console
from rich.live import Live
from rich.text import Text

from ganbench import suite
from ganbench.api.records import TRAINED
from ganbench.errors import GanbenchError
from ganbench.escaping import replace_unprintable
from ganbench.evaluation import success
from ganbench.progress.eta import Forecast, WorkItem
from ganbench.progress.status import SHORTFALLS, Status, process_memory
from ganbench.results.files import open_regular, read_holder, worker_log
from ganbench.results.store import read
from ganbench.statistics.final_scores import measurements
from ganbench.statistics.outcome_counts import count_outcomes
from ganbench.statistics.success_rates import rate_table

if TYPE_CHECKING:
    from ganbench.results.frames import Frames
    from ganbench.suite.suite import Suite

MAX_ARCHITECTURE_TRIALS = 2000
"""Trials up to which the cost of every architecture is learnt, by a small system of equations at each reading."""
POLL_SECONDS = 2.0
"""Seconds between two readings, or ten times the duration of a reading if that is more."""
TAIL_BYTES = 4000
"""Bytes at the end of a worker's log that are searched for its batch."""


def watch_run(folder: Path, console: Console, *, once: bool = False, wait: Callable[[float], None] = sleep) -> None:
    """Show the status of a run repeatedly, until every trial of its plan is done; with `once`, a single time.

    On a terminal the display is replaced; elsewhere a line is printed whenever the status has changed.
    """
    with Live(console=console, auto_refresh=False) if console.is_terminal else nullcontext() as live:
        previous = ""
        while True:
            began = monotonic()
            status = read_status(folder)
            lines = [replace_unprintable(line) for line in describe_status(status)]
            if live is not None:
                live.update(Text("\n".join(lines)), refresh=True)
            elif (line := "; ".join(line.strip() for line in lines)) != previous:
                console.print(line, markup=False, highlight=False, soft_wrap=True)
                previous = line
            if once or is_complete(status):
                return
            wait(max(POLL_SECONDS, 10 * (monotonic() - began)))


def describe_status(status: Status) -> list[str]:
    """Return the status of a run in words, line by line."""
    if not status.trials:
        return ["no run is planned in this folder yet"]
    idle = "" if status.seconds_passed is not None else "no process is training this run now"
    state = "complete" if is_complete(status) else idle
    later = "these are tuned on; the chosen configurations are trained after them" if status.undecided else ""
    running = [f"  {label}" for label in status.describe_running()]
    lines = [
        status.describe_progress(),
        *running,
        status.describe_successes(),
        status.describe_shortfalls(),
        later,
        state,
    ]
    return [line for line in lines if line]


def is_complete(status: Status) -> bool:
    """Return whether every planned trial is done; False if none is planned, or some are still to be planned."""
    return not status.undecided and status.done >= status.trials > 0


def read_status(folder: Path) -> Status:
    """Return the status of the newest run of a results folder.

    Trials recorded by other code than the plan's count as not done. The running batches are read from the workers'
    logs, and the time left is forecast, only while the process that holds the folder runs on this machine.
    """
    frames = read(folder)
    if not frames.suite:
        return Status()
    stored_suite = suite.restore(frames.suite)
    holder = find_holder(folder)
    running = [] if holder is None else running_labels(holder, folder)
    trials = frames.all_trials
    done = (trials["status"] != "missing") & ~trials["stale"]
    undecided = stored_suite.tunes and not frames.choices
    status = Status(
        undecided=undecided, trials=len(trials), done=int(done.sum()), share=float(done.mean()) if len(trials) else 1.0
    )
    counts = count_outcomes(frames.whole)
    status.shortfalls = Counter({name: int(counts[name.replace("-", "_")].sum()) for name in SHORTFALLS})
    count_successes(status, frames, stored_suite)
    if holder is not None:
        status.seconds_passed, status.memory = time() - holder.create_time(), process_memory(holder.pid)
        status.running = [(label, None) for label in running]
        status.seconds_left = forecast_seconds(frames.whole, max(1, len(running)))
    return status


def count_successes(status: Status, frames: Frames, stored_suite: Suite) -> None:
    """Set the successes of each method in `status`, by the suite's first rule at its primary threshold."""
    for rule in stored_suite.success[:1]:
        for measurement in measurements(frames, rule)[:1]:
            rates = rate_table(frames, rule, measurement)
            rates = rates[rates["primary"]] if len(rates) else rates
            metrics = frames.scores.drop_duplicates("name")
            directions = dict(zip(metrics["name"], metrics["direction"], strict=True))
            if len(rates) and (rule.metric is None or rule.metric in directions):
                status.rule = success.describe_rule(rule, directions)
                status.successes = Counter(dict(zip(rates["method"], rates["successes"], strict=True)))
                status.totals = Counter(dict(zip(rates["method"], rates["n"], strict=True)))


def forecast_seconds(frames: Frames, workers: int) -> float | None:
    """Return the seconds that the trials without a record take on so many workers, None while nothing is known."""
    trials = frames.trials
    rows = zip(trials["key"], trials["dataset"], trials["method"], trials["architecture"], strict=True)
    sizes = trials["generator_steps"].astype("float64")
    by_architecture = len(trials) <= MAX_ARCHITECTURE_TRIALS
    items = {
        key: WorkItem(dataset, method, size, {architecture: 1.0} if by_architecture else {})
        for (key, dataset, method, architecture), size in zip(rows, sizes, strict=True)
    }
    forecast = Forecast(items, workers)
    spent = trials["seconds_train"] + trials["seconds_evaluate"]
    for key, status, seconds, stale in zip(trials["key"], trials["status"], spent, trials["stale"], strict=True):
        if status != "missing" and not stale:
            is_known = status in TRAINED and seconds == seconds
            forecast.end(key, 0.0, seconds=float(seconds) if is_known else None)
    return forecast.seconds_left(0.0)


def find_holder(folder: Path) -> psutil.Process | None:
    """Return the process that holds a results folder, None if it does not run on this machine."""
    holder = read_holder(folder)
    if holder is None or holder[1] != socket.gethostname():
        return None
    try:
        return psutil.Process(holder[0])
    except psutil.Error:
        return None


def running_labels(holder: psutil.Process, folder: Path) -> list[str]:
    """Return the labels of the batches that a holder's workers train now: the last label in each worker's log."""
    try:
        children = holder.children()
    except psutil.Error:
        return []
    labels = (read_last_label(worker_log(folder, child.pid), folder) for child in children)
    return [label for label in labels if label]


def read_last_label(log: Path, folder: Path) -> str:
    """Return the label of the last batch in a worker's log, empty where there is none."""
    try:
        with open_regular(log, folder) as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            text = file.read(TAIL_BYTES).decode("utf-8", errors="replace")
    except (OSError, GanbenchError):
        return ""
    _, mark, rest = text.rpartition("\n== ")
    return rest.split("\n", 1)[0][:200] if mark else ""
