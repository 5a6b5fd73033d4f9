"""The live screen, shown recorded events at the pace of a clock of its own."""

from __future__ import annotations

import math
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ganbench.api.events import Finished, Progress, Started
from ganbench.api.trials import Batch, Measurement
from ganbench.evaluation.outcomes import DEFAULT
from ganbench.progress.live import PLAIN_SECONDS, LiveDisplay, has_diverged
from ganbench.progress.status import Status, format_bytes, format_seconds, process_memory
from ganbench.suite.success import OutcomesTable
from rich.console import Console

from tests.support.trials_by_hand import Success, record, trial

EVIL = "[red]evil[/red]\x1b[31m\u202e"
GIB = 2**30


class Show:
    """A screen with a clock that is set by hand, and what it has printed."""

    def __init__(self, batches: list[Batch], terminal: bool = False, rule: Success | None = None) -> None:
        self.now, self.heard = 0.0, StringIO()
        console = Console(file=self.heard, force_terminal=terminal, width=160, color_system=None, legacy_windows=False)
        self.screen = LiveDisplay(console, time=lambda: self.now, memory=lambda: 3 * GIB)
        suite: Any = SimpleNamespace(success=[rule or Success()], outcomes=OutcomesTable())
        plan = SimpleNamespace(
            trials=[t for batch in batches for t in batch.trials], directions={"fid": "lower"}, warnings=[]
        )
        todo = SimpleNamespace(batches=batches, stale=())
        rest = {"folder": Path("results/x"), "aside": None, "later": 0}
        self.session: Any = SimpleNamespace(suite=suite, plan=plan, todo=todo, **rest)
        self.screen.on_plan(self.session)

    def tell(self, now: float, event: Any) -> None:
        self.now = now
        self.screen.on_event(self.session, event)

    @property
    def text(self) -> str:
        return self.heard.getvalue()


def batch(method: str, architecture: int = 0, seeds: int = 2) -> Batch:
    trials = tuple(trial(method, architecture, seed) for seed in range(seeds))
    return Batch(trials=trials, mode="loop", measurement=Measurement(metrics=()))


def finished(of: Batch, fid: list[float], **others: Any) -> Finished:
    return Finished(of, tuple(record(each, fid, **others) for each in of.trials))


def played(terminal: bool = False) -> Show:
    """Two batches done, one of them dead, a third half-way, a fourth waiting."""
    show = Show(work := [batch("a", 0), batch("b", 0), batch("a", 1), batch("b", 1)], terminal)
    show.tell(0, Started(work[0]))
    show.tell(0, Progress(work[0], 1, 100))
    show.tell(10, finished(work[0], [50, 1]))
    show.tell(10, Started(work[1]))
    show.tell(10, Progress(work[1], 1, 100))
    show.tell(30, finished(work[1], [50, math.nan], diverged_at=7))
    show.tell(30, Started(work[2]))
    show.tell(35, Progress(work[2], 50, 100))
    return show


def test_the_screen_tells_progress_time_memory_successes_outcomes_and_what_runs() -> None:
    """A batch of a takes 10 s and one of b 20 s: after 35 s there are 5 + 20 left."""
    status = played().screen.refresh_status()
    assert status.headline() == "4/8 trials, 35s passed, 25s left, 3.0 GiB"
    assert status.standing() == "success (fid < 10) so far: a 2/2, b 0/2"
    assert status.outcomes() == "2 diverged"
    assert status.at_work() == [" 50% a on ring, mlp-1, seeds 0..1"]
    assert status.share == pytest.approx(2.5 / 4)


def test_without_a_terminal_there_is_a_line_every_few_seconds_at_most() -> None:
    show = played()
    lines = show.text.splitlines()
    assert lines[0] == "8 trials to train, 0 already stored in results/x"
    assert lines[-1] == (
        "4/8 trials, 35s passed, 25s left, 3.0 GiB; 2 diverged; success (fid < 10) so far: a 2/2, b 0/2; "
        "now: 50% a on ring, mlp-1, seeds 0..1"
    )
    count = len(lines)
    for tenth in range(1, 10):
        show.tell(35 + PLAIN_SECONDS * tenth / 10, Progress(batch("a", 1), 50 + tenth, 100))
    assert len(show.text.splitlines()) == count
    show.tell(35 + PLAIN_SECONDS, Progress(batch("a", 1), 60, 100))
    assert len(show.text.splitlines()) == count + 1
    assert "\x1b" not in show.text


def test_on_a_terminal_the_page_is_drawn_and_nothing_else_is_printed() -> None:
    show = played(terminal=True)
    assert len(show.text.splitlines()) == 1, "what there is to do"
    show.screen.console.print(show.screen.render())
    page = show.text
    for part in (
        "4/8 trials, 35s passed, 25s left, 3.0 GiB",
        "62%",
        " 50% a on ring, mlp-1",
        "a 2/2, b 0/2",
        "2 diverged",
    ):
        assert part in page


def test_a_live_display_begins_and_ends_without_a_trace() -> None:
    show = played(terminal=True)
    with show.screen:
        show.tell(36, Progress(batch("a", 1), 60, 100))
    assert show.screen.refresh_status().share == pytest.approx(2.6 / 4)


@pytest.mark.parametrize("terminal", [False, True])
def test_markup_and_escapes_of_strangers_are_shown_as_text(terminal: bool) -> None:
    show = Show([work := batch(EVIL)], terminal)
    show.tell(0, Started(work))
    show.tell(9, Progress(work, 50, 100))
    show.screen.console.print(show.screen.render())
    show.tell(20, Finished(work, tuple(record(each, status="failed", error=EVIL) for each in work.trials)))
    show.screen.console.print(show.screen.render())
    assert "[red]evil[/red]" in show.text
    assert "\x1b[31m" not in show.text
    assert "\u202e" not in show.text
    assert "failed: [red]evil[/red]" in show.text


def test_failed_and_late_trials_are_told_and_counted() -> None:
    show = Show(work := [batch("a", 0), batch("a", 1)])
    show.tell(1, Finished(work[0], tuple(record(t, status="timed-out", error="no end") for t in work[0].trials)))
    show.tell(
        2, Finished(work[1], tuple(record(t, status="failed", error="boom\nValueError: x") for t in work[1].trials))
    )
    assert show.screen.refresh_status().outcomes() == "2 failed, 2 timed-out"
    assert "timed-out: a, mlp-0, seed 0: no end" in show.text
    assert "failed: a, mlp-1, seed 1: ValueError: x" in show.text
    assert show.screen.refresh_status().standing() == "success (fid < 10) so far: a 0/4"


def test_an_explosion_is_a_divergence_and_no_success() -> None:
    course = {"loss.critic": ([1, 50, 100], [1.0, 1.0, 1e9])}
    assert has_diverged(record(trial(), [1, 1], signals=course), DEFAULT)
    assert not has_diverged(record(trial(), [1, 1], signals={"loss.critic": ([1, 50], [1.0, 9.0])}), DEFAULT)
    show = Show([work := batch("a")])
    show.tell(1, finished(work, [1, 1], signals=course))
    assert show.screen.refresh_status().standing() == "success (fid < 10) so far: a 0/2"


def test_many_running_batches_are_named_up_to_a_few() -> None:
    status = Status(running=[(f"batch {i}", 0.5) for i in range(20)])
    assert status.at_work()[-1] == "and 12 more"


def test_spans_and_sizes_are_said_as_people_do() -> None:
    assert [format_seconds(s) for s in (0, 59.6, 61, 3600, 86400)] == ["0s", "1m00s", "1m01s", "1h00m", "24h00m"]
    assert [format_bytes(b) for b in (5 * 2**20, GIB, 3 * GIB // 2)] == ["5 MiB", "1.0 GiB", "1.5 GiB"]


def test_memory_counts_this_process_and_its_children() -> None:
    assert 10 * 2**20 < process_memory() < 2**40
    assert process_memory(2**30) == 0, "no such process"
