"""A run seen from another terminal: its newest plan against its records, and what its processes do. Writes nothing."""

from __future__ import annotations

import re
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
from ganbench.escaping import printable
from ganbench.evaluation import success
from ganbench.progress.eta import Forecast, WorkItem
from ganbench.progress.status import ENDED, Status, process_memory
from ganbench.results.store import read
from ganbench.statistics.final_scores import measurements
from ganbench.statistics.outcome_counts import outcome_counts
from ganbench.statistics.success_rates import rate_table

if TYPE_CHECKING:
    from ganbench.results.frames import Frames
    from ganbench.suite.suite import Suite

HOLDER = re.compile(r"process (\d{1,10}) on (\S{1,255})")
FEW = 2000
"""Trials up to which every architecture's own cost is learnt, a small system of equations at each look."""
POLL_SECONDS = 2.0
"""Seconds between two looks; ten times as many as a look took, where that is more."""
TAIL = 4000
"""Bytes at the end of a worker's log in which its batch is looked for."""


def watch_run(folder: Path, console: Console, *, once: bool = False, wait: Callable[[float], None] = sleep) -> None:
    """Show where a run stands, again and again until every trial of its plan is done; `once`: that alone."""
    with Live(console=console, auto_refresh=False) if console.is_terminal else nullcontext() as live:
        said = ""
        while True:
            began = monotonic()
            status = read_status(folder)
            lines = [printable(line) for line in describe_status(status)]
            if live is not None:
                live.update(Text("\n".join(lines)), refresh=True)
            elif (line := "; ".join(line.strip() for line in lines)) != said:
                console.print(line, markup=False, highlight=False, soft_wrap=True)
                said = line
            if once or is_complete(status):
                return
            wait(max(POLL_SECONDS, 10 * (monotonic() - began)))


def describe_status(status: Status) -> list[str]:
    """Say where a run stands, line by line."""
    if not status.trials:
        return ["nothing is planned here yet"]
    end = "complete" if is_complete(status) else "no run writes here now" if status.passed is None else ""
    at_work = [f"  {label}" for label in status.at_work()]
    lines = [status.headline(), *at_work, status.standing(), status.outcomes(), end]
    return [line for line in lines if line]


def is_complete(status: Status) -> bool:
    """Say whether every planned trial is done."""
    return status.done >= status.trials > 0


def read_status(folder: Path) -> Status:
    """Say where the newest run of a results folder stands.

    Trials recorded by other code than the plan's count as not done. What runs now is read from the workers' logs, while
    the process that holds the folder lives on this machine; there is a forecast only then.
    """
    frames = read(folder)
    if not frames.suite:
        return Status()
    asked = suite.restore(frames.suite)
    holder = find_holder(folder)
    workers = [] if holder is None else running_labels(holder, folder)
    trials = frames.trials
    done = (trials["status"] != "missing") & ~trials["stale"]
    status = Status(trials=len(trials), done=int(done.sum()), share=float(done.mean()) if len(trials) else 1.0)
    counts = outcome_counts(frames)
    status.ended = Counter({name: int(counts[name.replace("-", "_")].sum()) for name in ENDED})
    count_successes(status, frames, asked)
    if holder is not None:
        status.passed, status.memory = time() - holder.create_time(), process_memory(holder.pid)
        status.running = [(label, None) for label in workers]
        status.left = forecast_seconds(frames, max(1, len(workers)))
    return status


def count_successes(status: Status, frames: Frames, asked: Suite) -> None:
    """Count each method's successes by the suite's first rule at its primary threshold."""
    for rule in asked.success[:1]:
        for measurement in measurements(frames, rule)[:1]:
            rates = rate_table(frames, rule, measurement)
            rates = rates[rates["primary"]] if len(rates) else rates
            named = frames.scores.drop_duplicates("name")
            directions = dict(zip(named["name"], named["direction"], strict=True))
            if len(rates) and (rule.metric is None or rule.metric in directions):
                status.rule = success.describe_rule(rule, directions)
                status.won = Counter(dict(zip(rates["method"], rates["successes"], strict=True)))
                status.tried = Counter(dict(zip(rates["method"], rates["n"], strict=True)))


def forecast_seconds(frames: Frames, workers: int) -> float | None:
    """Give the seconds that the trials without a record still take on so many workers."""
    trials = frames.trials
    rows = zip(trials["key"], trials["dataset"], trials["method"], trials["architecture"], strict=True)
    sizes = trials["generator_steps"].astype("float64")
    few = len(trials) <= FEW
    pieces = {
        key: WorkItem(d, m, size, {a: 1.0} if few else {}) for (key, d, m, a), size in zip(rows, sizes, strict=True)
    }
    forecast = Forecast(pieces, workers)
    spent = trials["seconds_train"] + trials["seconds_evaluate"]
    for key, status, seconds, stale in zip(trials["key"], trials["status"], spent, trials["stale"], strict=True):
        if status != "missing" and not stale:
            known = status in TRAINED and seconds == seconds
            forecast.end(key, 0.0, seconds=float(seconds) if known else None)
    return forecast.left(0.0)


def find_holder(folder: Path) -> psutil.Process | None:
    """Give the process that holds a results folder, if it lives on this machine."""
    try:
        found = HOLDER.fullmatch((folder / ".holder").read_text(encoding="utf-8", errors="replace")[:400].strip())
    except OSError:
        return None
    if found is None or found[2] != socket.gethostname():
        return None
    try:
        return psutil.Process(int(found[1]))
    except psutil.Error:
        return None


def running_labels(holder: psutil.Process, folder: Path) -> list[str]:
    """Give the labels of the batches that a holder's workers have in hand, by the last that each has logged."""
    try:
        children = holder.children()
    except psutil.Error:
        return []
    labels = (read_last_label(folder / "log" / f"worker-{child.pid}.log") for child in children)
    return [label for label in labels if label]


def read_last_label(log: Path) -> str:
    """Give the label of the batch that a worker's log tells of last."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL))
            text = file.read(TAIL).decode("utf-8", errors="replace")
    except OSError:
        return ""
    _, found, rest = text.rpartition("\n== ")
    return rest.split("\n", 1)[0][:200] if found else ""
