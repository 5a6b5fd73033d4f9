"""Every moment of a run counts in exactly one phase, and the phases sum to the wall time."""

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


def stepping_timer(*steps: float) -> PhaseTimer:
    """Return a timer whose clock advances by one of these steps each time it is read."""
    now = 100.0
    times = [now := now + step for step in steps]
    return PhaseTimer(2.0, iter([100.0, *times]).__next__)


def test_time_counts_for_the_innermost_phase_only() -> None:
    timer = stepping_timer(1.0, 10.0, 3.0, 4.0, 5.0)
    timer.enter("other")
    with timer.phase("plan"), timer.phase("store"):
        pass
    assert timer.seconds == {"start": 3.0, "other": 10.0, "plan": 3.0 + 5.0, "store": 4.0}


def test_iterating_counts_the_time_until_an_item_is_ready_and_not_the_time_of_its_use() -> None:
    timer = stepping_timer(0.0, 0.5, 7.0, 0.25, 8.0, 0.125, 9.0)
    timer.enter("other")

    def items() -> Iterator[int]:
        yield 1
        yield 2

    assert list(timer.iterate("wait", items())) == [1, 2]
    assert timer.seconds["wait"] == 7.0 + 8.0 + 9.0
    assert timer.seconds["other"] == 0.5 + 0.25 + 0.125
    interrupted = stepping_timer(0.0, 0.0, 1.0)
    interrupted.enter("other")
    with pytest.raises(ZeroDivisionError):
        list(interrupted.iterate("wait", (1 // number for number in [0])))
    assert interrupted.current == "other"


def test_work_in_this_process_has_phases_of_its_own_and_work_of_workers_has_a_line() -> None:
    records = [record(trial(seed=i), seconds={"train": 3.0, "evaluate": 1.0}) for i in range(2)]

    def lines(workers: int) -> list[str]:
        timer = stepping_timer(0.0, 0.0, 10.0, 0.0)
        timer.enter("other")
        with timer.phase("wait"):
            timer.add_work(records)
        return timer.lines(workers)

    assert lines(0) == [
        "profile: 12.00 s of wall time",
        "  start         2.00 s  16.7%",
        "  train         6.00 s  50.0%",
        "  evaluate      2.00 s  16.7%",
        "  wait          2.00 s  16.7%",
    ]
    assert lines(2)[-2:] == [
        "  wait         10.00 s  83.3%",
        "  per worker (mean of 2): 3.00 s training, 1.00 s evaluating, 40% of the wait",
    ]


def test_the_parts_of_work_are_shares_of_training_and_evaluation_together() -> None:
    parts = {"draws": 0.5, "gradients": 4.0, "optimizer": 2.0, "signals": 0.25, "all of train": 8.0}
    timer = PhaseTimer()
    for i in range(3):
        fact = {"profile": {**parts, "all of evaluate": 2.0}} if i else {}
        timer.add_work([record(trial(seed=i), facts=fact)])
    assert timer.part_lines() == [
        "  in work on batches: gradients 40.0%, optimizer 20.0%, evaluation 20.0%, rest 12.5%, draws 5.0%, signals 2.5%"
    ]
    assert PhaseTimer().part_lines() == []


def test_process_age_is_the_time_since_the_process_began() -> None:
    began = monotonic()
    words = [
        sys.executable,
        "-c",
        "import time; time.sleep(0.5); from ganbench.runner.phases import process_age; print(process_age())",
    ]
    age = float(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    assert 0.5 <= age <= monotonic() - began + 0.02
    assert process_age() > 0.1


def test_the_phases_of_a_run_sum_to_its_wall_time_within_three_percent(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(SUITE)
    words = [sys.executable, "-m", "ganbench", "run", "tiny.toml", "--jobs", "1", "--profile"]
    output, began = "", monotonic()
    with subprocess.Popen(
        words, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=os.environ
    ) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if line.startswith("profile:"):
                wall = monotonic() - began  # when the line is printed: only the exit of the process comes after it
            output += line
    assert run.returncode == 0, output
    rows = [line.split() for line in output.partition("profile:")[2].splitlines()]
    total, phases = float(rows[0][0]), {row[0]: float(row[1]) for row in rows[1:] if row[2] == "s"}
    assert sum(phases.values()) == pytest.approx(total, abs=0.05)
    assert total == pytest.approx(wall, rel=0.03)
    assert {"start", "plan", "calibrate", "wait", "store", "tables"} <= phases.keys()
    assert "per worker (mean of 1):" in output
    (shares,) = (row[4:] for row in rows if row[:2] == ["in", "work"])
    assert {"draws", "gradients", "optimizer", "signals", "evaluation", "rest"} == set(shares[::2])
    assert sum(float(share.strip("%,")) for share in shares[1::2]) == pytest.approx(100, abs=0.5)
