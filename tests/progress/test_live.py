"""The live display, given recorded events and a clock that is set by hand."""

from __future__ import annotations

import math
import re
from io import StringIO
from pathlib import Path
from time import monotonic, sleep
from types import SimpleNamespace
from typing import Any

import pytest
from ganbench.api.events import Calibrating, Finished, Progress, Started
from ganbench.api.trials import Batch, Measurement
from ganbench.evaluation.outcomes import DEFAULT
from ganbench.progress import live
from ganbench.progress.live import LINE_SECONDS, LiveDisplay, has_diverged
from ganbench.progress.status import Status, format_bytes, format_seconds, process_memory
from ganbench.runner.settings import Settings
from ganbench.suite.success import OutcomesTable
from rich.console import Console

from tests.support.trials_by_hand import Success, record, trial

EVIL = "[red]evil[/red]\x1b[31m\u202e"
GIB = 2**30


class DisplayUnderTest:
    """A display with a clock that is set by hand, and the text that it has printed."""

    def __init__(
        self, batches: list[Batch], terminal: bool = False, rule: Success | None = None, methods: Any = None
    ) -> None:
        self.now, self.output = 0.0, StringIO()
        console = Console(file=self.output, force_terminal=terminal, width=160, color_system=None, legacy_windows=False)
        self.display = LiveDisplay(console, time=lambda: self.now, memory=lambda: 3 * GIB)
        suite: Any = SimpleNamespace(
            success=[rule or Success()],
            outcomes=OutcomesTable(),
            declared_name=lambda label: label.partition(" lr=")[0],
        )
        plan = SimpleNamespace(
            choices={},
            trials=[t for batch in batches for t in batch.trials],
            directions={"fid": "lower"},
            warnings=[],
            methods=methods or {},
        )
        todo = SimpleNamespace(batches=batches, stale=())
        folder = Path("results/x")
        self.session: Any = SimpleNamespace(
            suite=suite, plan=plan, todo=todo, folder=folder, aside=None, later=0, settings=Settings()
        )
        self.display.on_plan(self.session)

    def send(self, now: float, event: Any) -> None:
        self.now = now
        self.display.on_event(self.session, event)

    @property
    def text(self) -> str:
        return self.output.getvalue()


def batch(method: str, architecture: int = 0, seeds: int = 2) -> Batch:
    trials = tuple(trial(method, architecture, seed) for seed in range(seeds))
    return Batch(trials=trials, mode="loop", measurement=Measurement(metrics=()))


def finished(batch: Batch, fid: list[float], **columns: Any) -> Finished:
    return Finished(batch, tuple(record(each, fid, **columns) for each in batch.trials))


def play_events(terminal: bool = False) -> DisplayUnderTest:
    """Return a display after two batches, one of them diverged; a third is half done, a fourth waits."""
    show = DisplayUnderTest(work := [batch("a", 0), batch("b", 0), batch("a", 1), batch("b", 1)], terminal)
    show.send(0, Started(work[0]))
    show.send(0, Progress(work[0], 1, 100))
    show.send(10, finished(work[0], [50, 1]))
    show.send(10, Started(work[1]))
    show.send(10, Progress(work[1], 1, 100))
    show.send(30, finished(work[1], [50, math.nan], diverged_at=7))
    show.send(30, Started(work[2]))
    show.send(35, Progress(work[2], 50, 100))
    return show


def test_the_status_has_progress_time_memory_successes_outcomes_and_running_batches() -> None:
    """A batch of a takes 10 s and one of b 20 s: after 35 s there are 5 + 20 left."""
    status = play_events().display.refresh_status()
    assert status.describe_progress() == "4/8 trials, 35s passed, 25s left, 3.0 GiB"
    assert status.describe_successes() == "success (FID < 10) so far: a 2/2, b 0/2"
    assert status.describe_shortfalls() == "2 diverged"
    assert status.describe_running() == [" 50% a on ring, mlp-1, seeds 0..1"]
    assert status.share == pytest.approx(2.5 / 4)


def test_without_a_terminal_there_is_a_line_every_few_seconds_at_most() -> None:
    show = play_events()
    lines = show.text.splitlines()
    assert lines[0] == "8 trials to train, 0 already stored in results/x"
    assert lines[-1] == (
        "4/8 trials, 35s passed, 25s left, 3.0 GiB; 2 diverged; success (FID < 10) so far: a 2/2, b 0/2; "
        "now: 50% a on ring, mlp-1, seeds 0..1"
    )
    count = len(lines)
    for tenth in range(1, 10):
        show.send(35 + LINE_SECONDS * tenth / 10, Progress(batch("a", 1), 50 + tenth, 100))
    assert len(show.text.splitlines()) == count
    show.send(35 + LINE_SECONDS, Progress(batch("a", 1), 60, 100))
    assert len(show.text.splitlines()) == count + 1
    assert "\x1b" not in show.text


def test_without_a_terminal_and_without_events_the_lines_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """An evaluation of many samples sends no event for minutes."""
    monkeypatch.setattr(live, "LINE_SECONDS", 0.05)
    show = play_events()
    count = len(show.text.splitlines())
    with show.display:
        for second in range(36, 39):
            show.now = float(second)
            until = monotonic() + 10
            while f"{second}s passed" not in show.text and monotonic() < until:
                sleep(0.01)
    lines = show.text.splitlines()[count:]
    assert [line.split(", ")[1] for line in lines] == ["36s passed", "37s passed", "38s passed"]
    assert not show.display.printer.is_alive()


def test_on_a_terminal_the_display_is_drawn_and_nothing_else_is_printed() -> None:
    show = play_events(terminal=True)
    assert len(show.text.splitlines()) == 1, "the trials to train"
    show.display.console.print(show.display.render())
    page = show.text
    for part in (
        "4/8 trials, 35s passed, 25s left, 3.0 GiB",
        "62%",
        " 50% a on ring, mlp-1",
        "a 2/2, b 0/2",
        "2 diverged",
    ):
        assert part in page


def test_a_method_that_is_not_its_recipe_has_a_line() -> None:
    line = "mine = a with critic_steps = 2 (recipe: 5)"
    show = DisplayUnderTest([batch("a"), batch("mine")], methods={"a": "a", "mine": line})
    assert show.text.splitlines() == [line, "4 trials to train, 0 already stored in results/x"]


def test_a_live_display_starts_and_stops() -> None:
    show = play_events(terminal=True)
    with show.display:
        show.send(36, Progress(batch("a", 1), 60, 100))
    assert show.display.refresh_status().share == pytest.approx(2.6 / 4)


@pytest.mark.parametrize("terminal", [False, True])
def test_third_party_markup_and_escapes_are_shown_as_text(terminal: bool) -> None:
    show = DisplayUnderTest([work := batch(EVIL)], terminal)
    show.send(0, Started(work))
    show.send(9, Progress(work, 50, 100))
    show.display.console.print(show.display.render())
    show.send(20, Finished(work, tuple(record(each, status="failed", error=EVIL) for each in work.trials)))
    show.display.console.print(show.display.render())
    assert "[red]evil[/red]" in show.text
    assert "\x1b[31m" not in show.text
    assert "\u202e" not in show.text
    assert "failed: [red]evil[/red]" in show.text


@pytest.mark.parametrize("terminal", [True, False])
def test_what_is_odd_about_a_dataset_is_printed_at_once(terminal: bool) -> None:
    show = DisplayUnderTest([batch("a")], terminal)
    show.send(0, Calibrating("ring", caution="all its samples are equal."))
    show.send(0, Calibrating("ring", caution="its reference is a single sample."))
    assert "caution: dataset 'ring': all its samples are equal.\n" in show.text
    assert "caution: dataset 'ring': its reference is a single sample.\n" in show.text


def test_failed_and_timed_out_trials_are_printed_and_counted() -> None:
    show = DisplayUnderTest(work := [batch("a", 0), batch("a", 1)])
    show.send(1, Finished(work[0], tuple(record(t, status="timed-out", error="no end") for t in work[0].trials)))
    error = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\n    boom\nValueError: x\n\''
    show.send(2, Finished(work[1], tuple(record(t, status="failed", error=error) for t in work[1].trials)))
    assert show.display.refresh_status().describe_shortfalls() == "2 failed, 2 timed out"
    assert "timed out: a, mlp-0, seed 0: no end" in show.text
    assert "failed: a, mlp-1, seed 1: ValueError: x" in show.text
    assert show.display.refresh_status().describe_successes() == "success (FID < 10) so far: a 0/4"


def test_an_exploded_trial_has_diverged_and_does_not_succeed() -> None:
    signals = {"loss.critic": ([1, 50, 100], [1.0, 1.0, 1e9])}
    assert has_diverged(record(trial(), [1, 1], signals=signals), DEFAULT)
    assert not has_diverged(record(trial(), [1, 1], signals={"loss.critic": ([1, 50], [1.0, 9.0])}), DEFAULT)
    show = DisplayUnderTest([work := batch("a")])
    show.send(1, finished(work, [1, 1], signals=signals))
    assert show.display.refresh_status().describe_successes() == "success (FID < 10) so far: a 0/2"


def test_many_running_batches_are_named_up_to_a_few() -> None:
    status = Status(running=[(f"batch {i}", 0.5) for i in range(20)])
    assert status.describe_running()[-1] == "and 12 more"


def test_times_and_sizes_are_written_in_suitable_units() -> None:
    assert [format_seconds(s) for s in (0, 59.6, 61, 3600, 86400)] == ["0s", "1m00s", "1m01s", "1h00m", "24h00m"]
    assert [format_bytes(b) for b in (5 * 2**20, GIB, 3 * GIB // 2)] == ["5 MiB", "1.0 GiB", "1.5 GiB"]


def test_memory_counts_this_process_and_its_children() -> None:
    assert 10 * 2**20 < process_memory() < 2**40
    assert process_memory(2**30) == 0, "no such process"


@pytest.mark.parametrize("terminal", [False, True])
def test_a_long_planning_says_how_far_it_is(terminal: bool) -> None:
    shown = DisplayUnderTest([], terminal)
    for done in range(1, 11):  # one a second
        shown.now = float(done)
        shown.display.on_planning(done, 10)
    told = [int(word) for word in re.findall(r"planning: (\d+) of 10 datasets x architectures x methods", shown.text)]
    assert told == ([] if terminal else [2, 7])
    assert shown.display.preparation == "planning: 10 of 10 datasets x architectures x methods"
    shown.display.console.print(shown.display.render())
    assert "planning: 10 of 10" in shown.text
    shown.display.on_plan(shown.session)
    assert shown.display.preparation == ""


def test_a_short_planning_says_nothing() -> None:
    shown = DisplayUnderTest([])
    before = shown.text
    shown.now = 1.9
    shown.display.on_planning(1, 2)
    assert shown.text == before


def test_configurations_count_for_their_method() -> None:
    show = DisplayUnderTest(work := [batch("a lr=1"), batch("a lr=2"), batch("b")])
    for each, fid in zip(work, ([50, 1], [50, 60], [50, 2]), strict=True):
        show.send(10, finished(each, fid))
    assert show.display.refresh_status().describe_successes() == "success (FID < 10) so far: a 2/4, b 2/2"


def test_the_report_of_chosen_configurations_begins_a_new_count() -> None:
    show = DisplayUnderTest(work := [batch("a lr=1"), batch("a lr=2")])
    for each in work:
        show.send(10, finished(each, [50, 1]))
    report = batch("a", seeds=3)
    show.session.plan.choices = {("ring", "a"): "a lr=2"}
    show.session.plan.trials += report.trials
    show.session.todo = SimpleNamespace(batches=[report], stale=())
    show.display.on_plan(show.session)
    assert show.text.splitlines()[-2:] == [
        "chosen of a on ring: a lr=2",
        "3 trials to train, 4 already stored in results/x",
    ]
    assert show.display.refresh_status().describe_progress().startswith("0/3 trials")
