"""Every moment of a run counts in exactly one phase, and the phases sum to the wall's time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest
from ganbench.runner.phases import PhaseTimer, process_age

from tests.cli.test_commands import SUITE
from tests.support.trials_by_hand import record, trial


def ticking(*steps: float) -> PhaseTimer:
    """A clock whose time passes by these steps, one at each look."""
    now = 100.0
    times = [now := now + step for step in steps]
    return PhaseTimer(2.0, iter([100.0, *times]).__next__)


def test_time_counts_for_the_innermost_phase_alone() -> None:
    clock = ticking(1.0, 10.0, 3.0, 4.0, 5.0)
    clock.enter("other")
    with clock.phase("plan"), clock.phase("store"):
        pass
    assert clock.seconds == {"start": 3.0, "other": 10.0, "plan": 3.0 + 5.0, "store": 4.0}


def test_what_is_waited_for_counts_until_it_comes_and_not_what_is_done_with_it() -> None:
    clock = ticking(0.0, 0.5, 7.0, 0.25, 8.0, 0.125, 9.0)
    clock.enter("other")

    def items() -> Iterator[int]:
        yield 1
        yield 2

    assert list(clock.each("wait", items())) == [1, 2]
    assert clock.seconds["wait"] == 7.0 + 8.0 + 9.0
    assert clock.seconds["other"] == 0.5 + 0.25 + 0.125
    broken = ticking(0.0, 0.0, 1.0)
    broken.enter("other")
    with pytest.raises(ZeroDivisionError):
        list(broken.each("wait", (1 // each for each in [0])))
    assert broken.current == "other"


def test_work_in_this_process_is_told_apart_and_that_of_workers_beside() -> None:
    made = [record(trial(seed=i), seconds={"train": 3.0, "evaluate": 1.0}) for i in range(2)]

    def lines(workers: int) -> list[str]:
        clock = ticking(0.0, 0.0, 10.0, 0.0)
        clock.enter("other")
        with clock.phase("wait"):
            clock.work(made)
        return clock.lines(workers)

    assert lines(0) == [
        "profile: 12.00 s by the wall",
        "  start         2.00 s  16.7%",
        "  train         6.00 s  50.0%",
        "  evaluate      2.00 s  16.7%",
        "  wait          2.00 s  16.7%",
    ]
    assert lines(2)[-2:] == [
        "  wait         10.00 s  83.3%",
        "  2 workers, each busy 3.00 s training and 1.00 s evaluating, 40% of the wait",
    ]


def test_a_process_knows_its_age() -> None:
    began = monotonic()
    words = [
        sys.executable,
        "-c",
        "import time; time.sleep(0.5); from ganbench.runner.phases import process_age; print(process_age())",
    ]
    said = float(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    assert 0.5 <= said <= monotonic() - began + 0.02
    assert process_age() > 0.1


def test_a_runs_phases_sum_to_its_wall_time_within_three_percent(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(SUITE)
    words = [sys.executable, "-m", "ganbench.cli", "run", "tiny.toml", "--jobs", "1", "--profile"]
    said, began = "", monotonic()
    with subprocess.Popen(
        words, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=os.environ
    ) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if line.startswith("profile:"):
                wall = monotonic() - began  # to the moment at which it is said: what is left is the end of the process
            said += line
    assert run.returncode == 0, said
    rows = [line.split() for line in said.partition("profile:")[2].splitlines()]
    whole, phases = float(rows[0][0]), {row[0]: float(row[1]) for row in rows[1:] if row[2] == "s"}
    assert sum(phases.values()) == pytest.approx(whole, abs=0.05)
    assert whole == pytest.approx(wall, rel=0.03)
    assert {"start", "plan", "calibrate", "wait", "store", "tables"} <= phases.keys()
    assert "1 workers, each busy" in said
