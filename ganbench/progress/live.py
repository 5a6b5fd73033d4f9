"""What a person sees while a suite runs: how far, how long still, who succeeded so far, what went wrong, what runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import RLock
from time import monotonic
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from ganbench.api.events import Calibrating, Event, Finished, Started
from ganbench.api.events import Progress as Step
from ganbench.api.records import TRAINED, Record
from ganbench.api.trials import Batch
from ganbench.escaping import printable
from ganbench.evaluation import success
from ganbench.evaluation.outcomes import DEFAULT, Thresholds, Trajectory, outcome_steps
from ganbench.progress.eta import Forecast, work_items
from ganbench.progress.status import Status, process_memory
from ganbench.statistics.outcome_table import outcome_thresholds

if TYPE_CHECKING:
    from ganbench.runner.driver import Session

PLAIN_SECONDS = 5.0
"""Seconds between two lines where the output is no terminal."""

LOOK_SECONDS = 1.0
"""Seconds between two forecasts; fifty times as many as one took, where that is more: batches may be thousands."""


class LiveDisplay:
    """Follows the events of a run: a live display on a terminal, a line now and then elsewhere. Writes to stderr.

    `time` and `memory` are asked for seconds and bytes. On a terminal a second thread draws, so all that changes does
    so under a lock.
    """

    def __init__(
        self,
        console: Console | None = None,
        *,
        time: Callable[[], float] = monotonic,
        memory: Callable[[], int] = process_memory,
    ) -> None:
        self.console = console or Console(stderr=True)
        self.time, self.memory, self.lock = time, memory, RLock()
        self.status, self.forecast = Status(), Forecast({})
        self.limits: Thresholds = DEFAULT
        self.labels: dict[str, str] = {}
        self.preparing = ""
        self.session: Session
        self.started = self.spoken = self.time()
        self.looked, self.rest = -LOOK_SECONDS, LOOK_SECONDS
        self.bar = Progress(TextColumn("{task.description}"), BarColumn(None), TextColumn("{task.percentage:>3.0f}%"))
        self.task = self.bar.add_task("", total=1.0)
        self.live = Live(console=self.console, get_renderable=self.render, refresh_per_second=4, transient=True)

    def __enter__(self) -> LiveDisplay:
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:
            self.live.stop()

    def on_plan(self, session: Session) -> None:
        """Say what there is to do."""
        self.session = session
        if session.aside is not None:
            self.print_line(f"starting afresh; what was there is kept as {session.aside}")
        left = session.todo.batches
        with self.lock:
            self.forecast = Forecast(work_items(left))
            self.status.trials = sum(len(batch.trials) for batch in left)
            self.limits = outcome_thresholds(session.suite)
            self.started = self.spoken = self.time()
        kept = len(session.plan.trials) - self.status.trials - session.later
        self.status.since = "in this run" if kept else "so far"
        later = f", {session.later} left for another run" if session.later else ""
        stale = f", {len(session.todo.stale)} of them stale (their code has changed)" if session.todo.stale else ""
        for sentence in session.plan.warnings:
            self.print_line(sentence)
        self.print_line(
            f"{self.status.trials} trials to train{stale}{later}, {kept} already stored in {session.folder}"
        )

    def on_event(self, session: Session, event: Event | Calibrating) -> None:
        """Take in one event and show where things stand."""
        if isinstance(event, Calibrating):
            self.show_calibration(event)
            return
        with self.lock:
            self.preparing = ""
            if isinstance(event, Started):
                self.labels[event.batch.key] = event.batch.label
                self.forecast.start(event.batch.key, self.time())
            elif isinstance(event, Step):
                self.forecast.advance(event.batch.key, event.step / max(1, event.steps), self.time())
            elif isinstance(event, Finished):
                self.finish_batch(session, event.batch, event.records)
        self.print_now_and_then(lambda: self.refresh_status().line())

    def on_progress(self, event: Event) -> None:
        """Take in an event told in the middle of another, by a batch that trains in this process."""
        self.on_event(self.session, event)

    def print_now_and_then(self, text: Callable[[], str]) -> None:
        """Print a line where there is no live display, unless there was one a moment ago."""
        if not self.console.is_terminal and self.time() - self.spoken >= PLAIN_SECONDS:
            self.spoken = self.time()
            self.print_line(text())

    def show_calibration(self, event: Calibrating) -> None:
        """Say what is scored before the training; the training's clock begins after it."""
        about = f"calibrating {event.dataset}: {event.sampler}"
        if event.error:
            self.print_line(f"{event.dataset}: no untrained sampler could be scored: {event.error}")
        elif not self.preparing.startswith(f"calibrating {event.dataset}:"):
            self.print_line(
                f"calibrating {event.dataset}: scoring untrained samplers, once for this dataset and its metrics"
            )
        else:
            self.print_now_and_then(lambda: about)
        self.preparing, self.started = about, self.time()

    def finish_batch(self, session: Session, batch: Batch, records: tuple[Record, ...]) -> None:
        """Take a batch off the work and count its records."""
        self.labels.pop(batch.key, None)
        self.forecast.end(batch.key, self.time(), whole=all(record.status in TRAINED for record in records))
        self.status.done += len(records)
        for record in records:
            self.count_record(session, record)

    def count_record(self, session: Session, record: Record) -> None:
        """Count a record's outcome, and its success by the suite's first rule; tables have the last word."""
        labels, status = record.trial.labels, self.status
        if record.status not in TRAINED:
            status.ended[record.status] += 1
            first = (record.error.splitlines() or ["no message"])[-1]
            self.print_line(
                f"{record.status}: {labels['method']}, {labels['architecture']}, seed {record.trial.seed}: {first}"
            )
        elif has_diverged(record, self.limits):
            status.ended["diverged"] += 1
        for rule in session.suite.success[:1]:
            if rule.dataset == labels["dataset"]:
                status.rule = success.describe_rule(rule, session.plan.directions)
                status.tried[labels["method"]] += 1
                won = not has_diverged(record, self.limits) and success.succeeds(record, rule, session.plan.directions)
                status.won[labels["method"]] += won

    def refresh_status(self) -> Status:
        """Bring the status up to the moment."""
        now = self.time()
        with self.lock:
            status, running = self.status, self.forecast.running
            status.passed, status.share = now - self.started, self.forecast.share()
            status.running = [(self.labels[key], each.share) for key, each in running.items() if key in self.labels]
            if now - self.looked >= self.rest:
                status.left, status.memory = self.forecast.left(now), self.memory()
                self.looked, self.rest = now, max(LOOK_SECONDS, 50 * (self.time() - now))
            return status

    def render(self) -> Table:
        """Draw the live display."""
        with self.lock:
            status = self.refresh_status()
            self.bar.update(self.task, completed=status.share, description=escape(status.headline()))
            page = Table.grid()
            page.add_row(self.bar)
            for line in (*status.at_work(), self.preparing or status.standing(), status.outcomes()):
                if line:
                    page.add_row(escape(printable(line)))
            return page

    def print_line(self, text: str) -> None:
        """Print one line above the display, a stranger's markup and control characters made harmless."""
        self.console.print(printable(text), markup=False, highlight=False, soft_wrap=True)


def has_diverged(record: Record, limits: Thresholds) -> bool:
    """Say whether a trial became non-finite or exploded."""
    signals: Mapping[str, tuple[list[int], list[float]]] = record.signals
    told = {name: series for name, series in signals.items() if name.startswith(("loss.", "weights."))}
    steps = outcome_steps(Trajectory(diverged_at=record.diverged_at, updates_per_step=1.0, signals=told), limits)
    return any(steps[name] < float("inf") for name in ("non-finite", "exploded"))
