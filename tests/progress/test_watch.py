"""A run watched from outside: its status comes from the newest plan, the lock's holder and the workers' logs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from ganbench import cli
from ganbench.errors import GanbenchError
from ganbench.progress.watch import find_holder, forecast_seconds, read_last_label, read_status, watch_run
from ganbench.results.store import Store
from rich.console import Console

from tests.support.trials_by_hand import record, trial

SUITE = """question = "Why?"
methods = ["a", "b"]
budget = { generator_steps = 100 }
dataset = [{ name = "ring" }]
success = [{ dataset = "ring", metric = "fid", thresholds = [10] }]
"""
PLAN = [trial(method, architecture) for architecture in range(4) for method in "ab"]
EVIL = "[red]evil[/red]\x1b[31m"


def results(folder: Path, done: int) -> Path:
    """Fill a folder with `done` of the eight planned trials: a succeeds, b diverges and takes three times as long."""
    with Store(folder) as store:
        store.begin_run(SUITE, PLAN, {})
        store.append(
            record(each, [1, 1], seconds={"train": 2.0, "evaluate": 0.0})
            if each.labels["method"] == "a"
            else record(each, [99, 99], seconds={"train": 6.0, "evaluate": 0.0}, diverged_at=5)
            for each in PLAN[:done]
        )
    return folder


@pytest.fixture
def child() -> Iterator[int]:
    """A process that this one has started, as a driver starts its workers."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process.pid
    process.kill()
    process.wait()


def hold(folder: Path, process: int = os.getpid()) -> None:
    (folder / ".holder").write_text(f"process {process} on {socket.gethostname()}")


def test_the_store_shows_the_progress_and_the_successes_of_a_run(tmp_path: Path) -> None:
    status = read_status(results(tmp_path, 4))
    assert status.describe_progress() == "4/8 trials"
    assert status.describe_successes() == "success (FID < 10) so far: a 2/2, b 0/2"
    assert status.describe_shortfalls() == "2 diverged"
    assert status.seconds_left is None, "no process holds the folder, so nothing is running"


def test_while_its_process_runs_the_status_has_a_forecast_memory_and_running_batches(
    tmp_path: Path, child: int
) -> None:
    """2 s for a trial of a and 6 s for one of b, two of each left, one worker: 16 s."""
    folder = results(tmp_path, 4)
    hold(folder)
    (folder / "log" / f"worker-{child}.log").write_text(f"\n== first\nwords\n\n== {EVIL}\nmore\n")
    status = read_status(folder)
    assert status.seconds_left == pytest.approx(16, rel=0.02)
    assert status.memory > 2**20
    assert status.describe_running() == [EVIL]
    output = StringIO()
    watch_run(folder, Console(file=output, width=200), once=True)
    assert "[red]evil[/red]" in output.getvalue()
    assert "\x1b" not in output.getvalue()


def test_watching_prints_a_line_for_each_change_and_ends_when_every_trial_is_done(tmp_path: Path) -> None:
    folder, output, waits = results(tmp_path, 2), StringIO(), iter([2, 6, 8])

    def wait(seconds: float) -> None:
        assert seconds >= 2
        done = next(waits)
        with Store(folder) as store:
            store.append(record(each, [1, 1]) for each in PLAN[:done])

    watch_run(folder, Console(file=output, width=200), wait=wait)
    lines = output.getvalue().splitlines()
    assert [line.split(" ")[0] for line in lines] == ["2/8", "2/8", "6/8", "8/8"]
    assert "no process is training this run now" in lines[0]
    assert lines[-1].endswith("complete")


def test_on_a_terminal_markup_and_escapes_are_text(tmp_path: Path, child: int) -> None:
    folder, output = results(tmp_path, 4), StringIO()
    hold(folder)
    (folder / "log" / f"worker-{child}.log").write_text(f"\n== {EVIL}\n")
    watch_run(folder, Console(file=output, force_terminal=True, width=120), once=True)
    assert "[red]evil[/red]" in output.getvalue()
    assert "\x1b[31m" not in output.getvalue()
    assert "4/8 trials" in output.getvalue()


def test_watching_writes_nothing(tmp_path: Path) -> None:
    folder = results(tmp_path, 4)
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}
    read_status(folder)
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")} == before


def test_stale_records_are_not_done(tmp_path: Path) -> None:
    folder = results(tmp_path, 8)
    with Store(folder) as store:
        store.begin_run(SUITE, [trial(each.labels["method"], i // 2, code="new") for i, each in enumerate(PLAN)], {})
    assert read_status(folder).done == 0


def test_a_folder_without_a_plan_is_not_complete(tmp_path: Path) -> None:
    with Store(tmp_path):
        output = StringIO()
    watch_run(tmp_path, Console(file=output), once=True)
    assert output.getvalue() == "no run is planned in this folder yet\n"
    with pytest.raises(GanbenchError, match="no results here"):
        read_status(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "text", ["", "process 1", "process 99999999999999 on x", "process 4194305 on {host}", "process {pid} on elsewhere"]
)
def test_a_holder_that_does_not_run_on_this_machine_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / ".holder").write_text(text.format(host=socket.gethostname(), pid=os.getpid()))
    assert find_holder(tmp_path) is None
    assert find_holder(tmp_path / "nowhere") is None


def test_a_log_without_a_batch_has_no_label(tmp_path: Path) -> None:
    (tmp_path / "x.log").write_text("words\n")
    assert [read_last_label(tmp_path / name, tmp_path) for name in ("x.log", "gone.log")] == ["", ""]


def test_two_workers_take_half_the_time(tmp_path: Path) -> None:
    with Store(results(tmp_path, 4), readonly=True) as store:
        frames = store.frames()
    assert forecast_seconds(frames, 2) == pytest.approx(8, rel=0.3)


def test_the_watch_command_prints_the_status_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["watch", str(results(tmp_path, 8)), "--once"])
    assert ended.value.code == 0
    assert "8/8 trials" in capsys.readouterr().out
