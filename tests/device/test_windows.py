"""The runs of random architectures that measure a GPU: they end in good order on a CPU, and so do those that fail."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from itertools import cycle
from pathlib import Path
from typing import Any

import psutil
import pytest
from ganbench.runner.places import WORKERS_PER_GPU

from tests.device import windows
from tests.device.windows import Utilization, Window, describe, describe_use, open_nvml, stop, succeeded, sum_events
from tests.device.windows import watch as watch_run

SHORT = Window(1, seconds=2.0, steps=40, seeds=2)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait longer for a start: this machine is shared."""
    monkeypatch.setattr(windows, "START", 120.0)


def test_a_run_is_stopped_in_good_order_and_what_it_did_is_counted(tmp_path: Path) -> None:
    shares = cycle([0.5, 1.0])
    row = watch_run(
        Window(2, seconds=3.0, steps=40, seeds=2, profiled=True), "cpu", lambda: next(shares), tmp_path / "log"
    )
    assert row["exit_status"] == 130
    assert (row["ended_by_itself"], row["left"]) == (False, 0)
    assert row["steps"] > 0
    assert row["steps_per_second"] > 0
    assert row["seconds"] > row["first_step"] > 0
    assert 0.7 < row["busy"] < 0.8
    text = (tmp_path / "log").read_text()
    assert text == row["output"]
    assert "what is done is kept in" in text
    assert "profile: " in text
    assert "wgan-gp on ring" in text
    assert "2 (profiled)" in describe(row)
    assert not [each for each in psutil.Process().children(recursive=True) if "busy.toml" in " ".join(each.cmdline())]


def test_a_run_that_fails_says_so(tmp_path: Path) -> None:
    row = watch_run(SHORT, "cuda:99", None, tmp_path / "log")
    assert (row["ended_by_itself"], row["steps"], row["left"]) == (True, 0, 0)
    assert row["exit_status"] not in (0, 130)
    assert "cuda:99" in (tmp_path / "log").read_text()
    assert not succeeded(row)
    assert "no batch ended" in describe(row)


def test_the_output_is_kept_and_the_run_stopped_also_when_this_process_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(windows, "wait_for_step", interrupt)
    with pytest.raises(KeyboardInterrupt):
        watch_run(SHORT, "cpu", None, tmp_path / "log")
    assert "== output" in (tmp_path / "log").read_text()
    assert not [each for each in psutil.Process().children(recursive=True) if "busy.toml" in " ".join(each.cmdline())]


STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(60)"])
time.sleep(60)
"""


def test_a_run_that_is_deaf_to_ctrl_c_is_ended_with_all_that_it_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "PATIENCE", 0.3)
    with subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n"
        (child,) = psutil.Process(run.pid).children()
        assert stop(run) == {"exit_status": -15, "left": 1}
        assert psutil.wait_procs([child], 5.0)[1] == []


def test_use_counts_from_the_first_kernel_to_the_last() -> None:
    readings = [(1.0, 0.0), (2.0, 0.5), (3.0, 0.0), (4.0, 1.0), (5.0, 0.0)]
    assert describe_use(readings) == {"first_kernel": 2.0, "busy": 0.5, "readings": 3}
    assert math.isnan(describe_use([(1.0, 0.0)])["busy"])


def test_steps_count_once_for_each_seed_and_whole_trials_with_all_their_steps() -> None:
    def event(second: int, kind: str, batch: str = "a", **values: Any) -> dict[str, Any]:
        return {"time": f"1970-01-01T00:00:{second:02}+00:00", "event": kind, "batch": batch, **values}

    seconds = {"train": 2.0, "evaluate": 0.5}
    found = sum_events(
        [
            {"time": "1970-01-01T00:00:01+00:00", "event": "run"},
            event(2, "started", trials=["x", "y"]),
            event(4, "progress", step=1, steps=30),
            event(9, "trial", status="completed", seconds=seconds),
            event(9, "trial", status="diverged", seconds=seconds),
            event(9, "started", "b", trials=["z"]),
            event(14, "progress", "b", step=10, steps=30),
            event(14, "started", "c", trials=["w"]),
        ],
        steps=30,
        began=1.0,
    )
    assert found == {
        "batches": 3,
        "trials": {"completed": 1, "diverged": 1},
        "first_step": 3.0,
        "steps": 2 * 30 + 10,
        "steps_per_second": 7.0,
        "work": {"train": 4.0, "evaluate": 1.0},
    }


class Library:
    """What stands for NVML: a GPU that is busy 42% of the time."""

    def __init__(self, status: int = 0) -> None:
        self.status, self.asked = status, list[int]()

    def nvmlInit_v2(self) -> int:
        return self.status

    def nvmlDeviceGetHandleByIndex_v2(self, index: Any, device: Any) -> int:
        self.asked.append(index.value)
        return 0

    def nvmlDeviceGetUtilizationRates(self, device: Any, use: Any) -> int:
        assert isinstance(use._obj, Utilization)
        use._obj.gpu, use._obj.memory = 42, 7
        return 0


def test_how_busy_a_gpu_is_comes_from_its_driver_and_an_error_of_it_is_raised() -> None:
    library = Library()
    assert open_nvml(3, library)() == 0.42
    assert library.asked == [3]
    with pytest.raises(OSError, match="error 9"):
        open_nvml(0, Library(status=9))


def test_the_rows_are_written_one_by_one_and_the_fastest_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"profiled": False, "exit_status": 130, "left": 0, "steps": 9, "trials": {"completed": 3}, "busy": 0.95}
    row |= {"work": {"train": 3.0, "evaluate": 1.0}, "first_kernel": 4.0, "first_step": 5.0, "output": "the log"}
    speeds = {1: 100.0, 2: 300.0, 4: 200.0}

    def watch(window: Window, *_: Any) -> dict[str, Any]:
        return {**row, "workers": window.workers, "steps_per_second": speeds[window.workers]}

    monkeypatch.setattr(windows, "watch", watch)
    assert windows.main(str(tmp_path), "cpu", windows=[*map(Window, speeds)]) == 0
    printed = capsys.readouterr().out
    assert "| 2 | 4.0 s | 5.0 s | 3 | 300 | 95% | 25% of the work is evaluation; exit status 130" in printed
    assert "most steps a second: with 2 workers" in printed
    assert "the log" not in printed, "only where something is wrong"
    assert len(json.loads((tmp_path / "windows.json").read_text())["windows"]) == 3
    row["busy"] = 0.5
    assert windows.main("", "cpu", windows=[Window(WORKERS_PER_GPU)]) == 1
    assert "the log" in capsys.readouterr().out
