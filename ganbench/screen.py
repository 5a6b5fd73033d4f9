"""What a person sees while a suite runs: how far, how long still, who succeeded so far."""

from __future__ import annotations

from collections import Counter
from time import monotonic
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from ganbench import rules, schedules
from ganbench.trials import Batch, Calibrating, Event, Finished, Record, Started
from ganbench.trials import Progress as Step

if TYPE_CHECKING:
    from ganbench.driver import Session

PLAIN_SECONDS = 5.0
"""Seconds between two lines where the output is no terminal."""


def cost(batch: Batch) -> float:
    """Give the work of a batch in player updates times members, for the ETA alone."""
    trial = batch.trials[0]
    steps = trial.budget.generator_steps
    turns = schedules.critic_steps(trial.recipe.critic_steps)(steps // 2)
    return steps * (turns + 1.0) * len(batch.trials)


def clock(seconds: float) -> str:
    """Give a span of time as people say it."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


class Screen:
    """Follows the events of a run: a live display on a terminal, a line now and then elsewhere. Writes to stderr."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self.running: dict[str, tuple[Batch, float]] = {}
        self.trials = self.done = self.failed = 0
        self.total = self.spent = 0.0
        self.started = self.spoken = monotonic()
        self.wins: Counter[str] = Counter()
        self.tried: Counter[str] = Counter()
        self.rule = self.preparing = ""
        self.bar = Progress(TextColumn("{task.description}"), BarColumn(None), TextColumn("{task.percentage:>3.0f}%"))
        self.task = self.bar.add_task("", total=1.0)
        self.live = Live(console=self.console, get_renderable=self.page, refresh_per_second=4, transient=True)

    def __enter__(self) -> Screen:
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:
            self.live.stop()

    def begin(self, session: Session) -> None:
        """Say what there is to do."""
        if session.aside is not None:
            self.say(f"starting afresh; what was there is kept as {session.aside}")
        left = session.todo.batches
        self.total, self.trials = sum(map(cost, left)), sum(len(batch.trials) for batch in left)
        self.started = self.spoken = monotonic()
        kept = len(session.plan.trials) - self.trials
        stale = f", {len(session.todo.stale)} of them stale (their code has changed)" if session.todo.stale else ""
        for sentence in session.plan.warnings:
            self.say(sentence)
        self.say(f"{self.trials} trials to train{stale}, {kept} already stored in {session.folder}")

    def watch(self, session: Session, event: Event | Calibrating) -> None:
        """Take in one event and show where things stand."""
        if isinstance(event, Calibrating):
            self.calibrate(event)
            return
        self.preparing = ""
        if isinstance(event, Started):
            self.running[event.batch.key] = (event.batch, 0.0)
        elif isinstance(event, Step):
            self.running[event.batch.key] = (event.batch, event.step / max(1, event.steps))
        elif isinstance(event, Finished):
            self.running.pop(event.batch.key, None)
            self.spent += cost(event.batch)
            self.done += len(event.records)
            for record in event.records:
                self.count(session, record)
        if not self.console.is_terminal and monotonic() - self.spoken >= PLAIN_SECONDS:
            self.spoken = monotonic()
            self.say(f"{self.headline()}; {self.standing()}" if self.standing() else self.headline())

    def calibrate(self, event: Calibrating) -> None:
        """Say what is scored before the training; the training's clock begins after it."""
        about = f"calibrating {event.dataset}: {event.sampler}"
        if event.error:
            self.say(f"{event.dataset}: no untrained sampler could be scored: {event.error}")
        elif not self.preparing.startswith(f"calibrating {event.dataset}:"):
            self.say(f"calibrating {event.dataset}: scoring untrained samplers, once for this dataset and its metrics")
        elif not self.console.is_terminal and monotonic() - self.spoken >= PLAIN_SECONDS:
            self.say(about)
            self.spoken = monotonic()
        self.preparing, self.started = about, monotonic()

    def count(self, session: Session, record: Record) -> None:
        """Count a record's success by the suite's first rule, at its primary threshold; tables have the last word."""
        if record.status != "ok":
            self.failed += 1
            first = (record.error.splitlines() or ["no message"])[-1]
            labels = record.trial.labels
            self.say(
                f"{record.status}: {labels['method']}, {labels['architecture']}, seed {record.trial.seed}: {first}"
            )
        for rule in session.suite.success[:1]:
            if rule.dataset != record.trial.labels["dataset"]:
                continue
            self.rule = rules.words(rule, session.plan.directions)
            self.tried[record.trial.labels["method"]] += 1
            self.wins[record.trial.labels["method"]] += rules.succeeds(record, rule, session.plan.directions)

    def fraction(self) -> float:
        """Give the share of the work that is done, running batches included."""
        under_way = sum(cost(batch) * share for batch, share in self.running.values())
        return (self.spent + under_way) / self.total if self.total else 1.0

    def headline(self) -> str:
        """Say how far it is and how long it still takes."""
        passed, share = monotonic() - self.started, self.fraction()
        eta = f", {clock(passed * (1 - share) / share)} left" if share > 0.01 else ""
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.done}/{self.trials} trials{failed}, {clock(passed)} passed{eta}"

    def standing(self) -> str:
        """Say who succeeded so far."""
        counts = ", ".join(f"{method} {self.wins[method]}/{n}" for method, n in self.tried.items())
        return f"success ({self.rule}) so far: {counts}" if counts else ""

    def page(self) -> Table:
        """Draw the live display."""
        self.bar.update(self.task, completed=self.fraction(), description=escape(self.headline()))
        page = Table.grid()
        page.add_row(self.bar)
        for batch, share in list(self.running.values())[:8]:
            page.add_row(f"  [dim]{share:4.0%}[/] {escape(batch.label)}")
        page.add_row(escape(self.preparing or self.standing()))
        return page

    def say(self, text: str) -> None:
        """Print one line above the display, a stranger's markup and control characters made harmless."""
        clean = "".join(c if c.isprintable() else " " for c in text)
        self.console.print(clean, markup=False, highlight=False, soft_wrap=True)
