"""The display of a run: trials done, time left, successes, failures, and the batches that run now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Event as Signal
from threading import RLock, Thread
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
from ganbench.errors import find_reason
from ganbench.escaping import replace_unprintable
from ganbench.evaluation import outcomes, success
from ganbench.evaluation.outcomes import DEFAULT, Thresholds, Trajectory
from ganbench.plan.shards import read_shard
from ganbench.progress.eta import Forecast, make_work_items
from ganbench.progress.status import Status, process_memory
from ganbench.statistics.outcome_table import outcome_thresholds

if TYPE_CHECKING:
    from ganbench.runner.driver import Session

PLANNING_SECONDS = 2.0
"""Seconds after which the display says how far the planning is."""

LINE_SECONDS = 5.0
"""Seconds between two lines where the output is not a terminal."""

FORECAST_SECONDS = 1.0
"""Seconds between two forecasts, or fifty times the duration of one if that is more: batches may be thousands."""


class LiveDisplay:
    """A display of a run that follows its events: live on a terminal, else a line every few seconds. Writes to stderr.

    `time` returns seconds and `memory` bytes. A second thread draws on a terminal, and prints elsewhere, where no event
    comes for long, as in an evaluation; so every change is made under a lock.
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
        self.preparation = ""
        self.session: Session
        self.started = self.printed = self.time()
        self.forecast_at, self.forecast_interval = -FORECAST_SECONDS, FORECAST_SECONDS
        self.bar = Progress(TextColumn("{task.description}"), BarColumn(None), TextColumn("{task.percentage:>3.0f}%"))
        self.task = self.bar.add_task("", total=1.0)
        self.live = Live(console=self.console, get_renderable=self.render, refresh_per_second=4, transient=True)
        self.closed = Signal()
        self.printer = Thread(target=self.print_without_events, daemon=True)

    def __enter__(self) -> LiveDisplay:
        if self.console.is_terminal:
            self.live.start()
        else:
            self.printer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closed.set()
        if self.console.is_terminal:
            self.live.stop()
        else:
            self.printer.join()

    def print_without_events(self) -> None:
        """Print the state every few seconds once the run is planned, until the display is closed."""
        while not self.closed.wait(LINE_SECONDS):
            if self.status.trials:
                self.print_at_intervals(lambda: self.preparation or self.refresh_status().describe())

    def on_planning(self, done: int, total: int) -> None:
        """Show how many of all datasets x architectures x methods are planned, if it takes long."""
        if self.time() - self.started < PLANNING_SECONDS:
            return
        line = f"planning: {done} of {total} datasets x architectures x methods"
        if not self.preparation:
            self.printed = -LINE_SECONDS  # the first line is due now
        self.preparation = line
        self.print_at_intervals(lambda: line)

    def on_plan(self, session: Session) -> None:
        """Print what the run will train, and the warnings of its plan."""
        self.session, self.preparation = session, ""
        if session.aside is not None:
            self.print_line(f"starting from the beginning; the earlier results were moved to {session.aside}")
        batches = session.todo.batches
        for (dataset, method), label in session.plan.choices.items():
            self.print_line(f"chosen of {method} on {dataset}: {label}")
        with self.lock:
            self.status = Status()
            self.forecast = Forecast(make_work_items(batches))
            self.status.trials = sum(len(batch.trials) for batch in batches)
            self.limits = outcome_thresholds(session.suite)
            self.started = self.printed = self.time()
        stored = len(session.plan.trials) - self.status.trials - session.later
        self.status.period = "in this run" if stored else "so far"
        later = f", {session.later} left for another run" if session.later else ""
        stale = f", {len(session.todo.stale)} of them stale (their code has changed)" if session.todo.stale else ""
        changed = (line for method, line in session.plan.methods.items() if line != method)
        for sentence in (*session.plan.warnings, *changed):
            self.print_line(sentence)
        if shard := read_shard(session.settings.shard):
            self.print_line(shard.describe(session.plan))
        self.print_line(
            f"{self.status.trials} trials to train{stale}{later}, {stored} already stored in {session.folder}"
        )

    def on_event(self, session: Session, event: Event | Calibrating) -> None:
        """Update the status by one event; where there is no live display, print it every few seconds."""
        if isinstance(event, Calibrating):
            self.show_calibration(event)
            return
        with self.lock:
            self.preparation = ""
            if isinstance(event, Started):
                self.labels[event.batch.key] = event.batch.label
                self.forecast.start(event.batch.key, self.time())
            elif isinstance(event, Step):
                self.forecast.advance(event.batch.key, event.step / max(1, event.steps), self.time())
            elif isinstance(event, Finished):
                self.finish_batch(session, event.batch, event.records)
        self.print_at_intervals(lambda: self.refresh_status().describe())

    def on_progress(self, event: Event) -> None:
        """Update the status by an event of a batch that trains in this process, reported while it trains."""
        self.on_event(self.session, event)

    def print_at_intervals(self, text: Callable[[], str]) -> None:
        """Print a line where there is no live display, unless the last one is less than LINE_SECONDS ago."""
        with self.lock:
            if not self.console.is_terminal and self.time() - self.printed >= LINE_SECONDS:
                self.printed = self.time()
                self.print_line(text())

    def show_calibration(self, event: Calibrating) -> None:
        """Show which baseline is scored before the training; the clock of the training starts after it."""
        line = f"calibrating {event.dataset}: {event.sampler}"
        if event.error:
            self.print_line(f"{event.dataset}: the untrained baselines could not be scored: {find_reason(event.error)}")
        elif event.caution:
            self.print_line(f"caution: dataset {event.dataset!r}: {event.caution}")
            return
        elif event.method:
            self.preparation = f"timing {event.method} alone on one thread, on {event.dataset}"
            self.print_at_intervals(lambda: self.preparation)
            return
        elif not self.preparation.startswith(f"calibrating {event.dataset}:"):
            self.print_line(
                f"calibrating {event.dataset}: scoring untrained baselines, once for this dataset and its metrics"
            )
        else:
            self.print_at_intervals(lambda: line)
        self.preparation, self.started = line, self.time()

    def finish_batch(self, session: Session, batch: Batch, records: tuple[Record, ...]) -> None:
        """Mark a batch as done and count its records."""
        self.labels.pop(batch.key, None)
        self.forecast.end(batch.key, self.time(), whole=all(record.status in TRAINED for record in records))
        self.status.done += len(records)
        for record in records:
            self.count_record(session, record)

    def count_record(self, session: Session, record: Record) -> None:
        """Count a record's outcome, and its success by the suite's first rule. The tables are authoritative."""
        labels, status = record.trial.labels, self.status
        diverged = has_diverged(record, self.limits)
        if record.status not in TRAINED:
            status.shortfalls[record.status] += 1
            error = find_reason(record.error) or "no message"
            trial = f"{labels['method']}, {labels['architecture']}, seed {record.trial.seed}"
            self.print_line(f"{record.status.replace('-', ' ')}: {trial}: {error}")
        elif diverged:
            status.shortfalls["diverged"] += 1
        for rule in session.suite.success[:1]:
            if rule.dataset == labels["dataset"]:
                status.rule = success.describe_rule(rule, session.plan.directions)
                method = session.suite.declared_name(labels["method"])
                status.totals[method] += 1
                succeeded = not diverged and success.succeeds(record, rule, session.plan.directions)
                status.successes[method] += succeeded

    def refresh_status(self) -> Status:
        """Return the status, updated to this moment."""
        now = self.time()
        with self.lock:
            status, running = self.status, self.forecast.running
            status.seconds_passed, status.share = now - self.started, self.forecast.share_done()
            status.running = [(self.labels[key], each.share) for key, each in running.items() if key in self.labels]
            ended = not (running or self.forecast.waiting)
            if ended or now - self.forecast_at >= self.forecast_interval:
                status.seconds_left, status.memory = self.forecast.seconds_left(now), self.memory()
                self.forecast_at, self.forecast_interval = now, max(FORECAST_SECONDS, 50 * (self.time() - now))
            return status

    def render(self) -> Table:
        """Return the live display as it is now."""
        with self.lock:
            status = self.refresh_status()
            self.bar.update(self.task, completed=status.share, description=escape(status.describe_progress()))
            page = Table.grid()
            page.add_row(self.bar)
            successes = self.preparation or status.describe_successes()
            for line in (*status.describe_running(), successes, status.describe_shortfalls()):
                if line:
                    page.add_row(escape(replace_unprintable(line)))
            return page

    def print_line(self, text: str) -> None:
        """Print one line above the display, with markup and control characters of third-party text made harmless."""
        self.console.print(replace_unprintable(text), markup=False, highlight=False, soft_wrap=True)


def has_diverged(record: Record, limits: Thresholds) -> bool:
    """Return whether a trial became non-finite or exploded; only the losses and weights of its record are read."""
    signals: Mapping[str, tuple[list[int], list[float]]] = record.signals
    series = {name: values for name, values in signals.items() if name.startswith(("loss.", "weights."))}
    trajectory = Trajectory(diverged_at=record.diverged_at, updates_per_step=1.0, signals=series)
    return outcomes.has_diverged(trajectory, limits)
