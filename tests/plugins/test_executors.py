"""Executors turn whatever happens to a batch into events, and leave no process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pytest
from ganbench import GanbenchError
from ganbench.api.events import Event, Finished, Lost, Progress, Started
from ganbench.api.trials import Batch

from ganbench_plugins.executors import in_process, local
from tests.support import executor_work as works
from tests.support.executor_work import batch

Run = Callable[[Any, Iterable[Batch]], Iterator[Event]]


@pytest.fixture(params=[in_process.build, partial(local.build, jobs=1)], ids=["in-process", "local"])
def run(request: pytest.FixtureRequest) -> Run:
    return request.param()


def fates(events: Iterable[Event]) -> dict[str, str]:
    """Give what became of each batch, by its name."""
    ends = [event for event in events if isinstance(event, (Finished, Lost))]
    fate = {works.name(end.batch): "finished" if isinstance(end, Finished) else end.status for end in ends}
    assert len(fate) == len(ends), "a batch ends once"
    return fate


def loss(events: Iterable[Event]) -> Lost:
    """Give the one loss among the events."""
    [lost] = [event for event in events if isinstance(event, Lost)]
    return lost


def alive(process: int) -> bool:
    """Say whether a process runs; one that has ended but was not yet waited for does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone_within(seconds: float, *processes: int) -> bool:
    """Say whether all of these processes end in time."""
    deadline = time.monotonic() + seconds
    while any(map(alive, processes)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(alive, processes))


def test_a_batch_is_started_then_progresses_then_finishes(run: Run) -> None:
    events = list(run(works.three_steps, [batch("one"), batch("two")]))
    for wanted in ("one", "two"):
        mine = [event for event in events if works.name(event.batch) == wanted]
        assert isinstance(mine[0], Started)
        assert isinstance(mine[-1], Finished)
        assert mine[-1].records[0].trial == mine[-1].batch.trials[0]
        steps = [event.step for event in mine if isinstance(event, Progress)]
        assert steps[0] == 1
        assert steps[-1] == 3
        assert len(mine) == 2 + len(steps)


def test_an_exception_loses_its_batch_alone_and_says_where(run: Run) -> None:
    events = list(run(works.raise_if_bad, [batch("good"), batch("bad"), batch("better")]))
    assert fates(events) == {"good": "finished", "bad": "failed", "better": "finished"}
    assert "raise_if_bad" in loss(events).error
    assert loss(events).error.endswith("ValueError: no such luck\n")


def test_no_batches_are_no_events(run: Run) -> None:
    assert list(run(works.three_steps, [])) == []


def test_ctrl_c_passes_through_the_process_itself() -> None:
    def interrupted(batch: Batch, report: works.Report) -> list[Any]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(in_process.build()(interrupted, [batch("one")]))


@pytest.mark.parametrize(
    ("work", "says"),
    [
        (works.exits, "ended with exit code 3"),
        (works.exits_well, "ended with exit code 0"),
        (works.is_killed, "was killed by SIGKILL"),
        (works.segfaults, "was killed by SIGSEGV"),
    ],
)
def test_a_worker_that_dies_loses_its_batch_alone_and_is_quoted(work: Any, says: str) -> None:
    events = list(local.build(jobs=1)(work, [batch("good"), batch("bad"), batch("better"), batch("best")]))
    assert fates(events) == {"good": "finished", "bad": "failed", "better": "finished", "best": "finished"}
    assert says in loss(events).error
    assert "a library complains" in loss(events).error
    assert loss(events).attempts == 2, "another worker has tried it too"
    assert sum(isinstance(event, Started) and works.name(event.batch) == "bad" for event in events) == 2


def test_the_batch_of_a_worker_that_dies_once_is_finished_by_another(tmp_path: Path) -> None:
    dies_once = partial(works.act_if_bad, partial(works.die_the_first_time, str(tmp_path / "sign")))
    events = list(local.build(jobs=1)(dies_once, [batch("bad"), batch("good")]))
    attempts = {works.name(end.batch): end.attempts for end in events if isinstance(end, Finished)}
    assert attempts == {"bad": 2, "good": 1}


def test_a_work_that_leaves_python_is_lost_and_its_worker_goes_on() -> None:
    events = list(local.build(jobs=1)(works.leaves, [batch("bad"), batch("good")]))
    assert fates(events) == {"bad": "failed", "good": "finished"}
    assert "SystemExit" in loss(events).error


def test_a_batch_that_takes_too_long_is_lost_and_the_rest_goes_on() -> None:
    began = time.monotonic()
    events = list(local.build(jobs=1, timeout=1.5)(works.oversleeps, [batch("bad"), batch("good")]))
    assert time.monotonic() - began < 20
    assert fates(events) == {"bad": "timed-out", "good": "finished"}
    assert loss(events).error.startswith("no end after 1.5 seconds")
    assert "a library complains" in loss(events).error


def test_the_time_limit_counts_from_a_batchs_own_start() -> None:
    nap = partial(works.act_if_bad, partial(time.sleep, 0.6))
    events = list(local.build(jobs=1, timeout=1.5)(nap, [batch("bad")] * 4))
    assert [event.__class__ for event in events if not isinstance(event, Started)] == [Finished] * 4


@pytest.mark.parametrize("work", [works.unpicklable, works.raise_treacherous, lambda batch, report: []])
def test_what_cannot_travel_is_lost_and_nothing_hangs(work: Any) -> None:
    assert fates(local.build(jobs=1)(work, [batch("one"), batch("two")])) == {"one": "failed", "two": "failed"}


def test_two_jobs_run_two_batches_at_a_time(tmp_path: Path) -> None:
    ends = local.build(jobs=2)(partial(works.meet, str(tmp_path)), [batch("one"), batch("two")])
    assert [end.records[0].facts["met"] for end in ends if isinstance(end, Finished)] == [2, 2]


def test_a_worker_has_one_thread_and_the_driver_keeps_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    [_, end] = local.build(jobs=1)(works.threads, [batch("one")])
    assert isinstance(end, Finished)
    assert end.records[0].facts["threads"] == 1
    assert os.environ["OMP_NUM_THREADS"] == "2"
    assert "MKL_NUM_THREADS" not in os.environ


def test_the_log_folder_keeps_what_a_worker_wrote_under_its_batchs_name(tmp_path: Path) -> None:
    list(local.build(jobs=1, log=str(tmp_path / "log"))(works.oversleeps, [batch("good")]))
    [log] = (tmp_path / "log").iterdir()
    assert log.name.startswith("worker-")
    assert log.read_text().strip() == f"== {batch('good').label}"


def test_closing_the_events_stops_the_workers() -> None:
    events = local.build(jobs=2)(works.sleep, [batch("one"), batch("two"), batch("three")])
    processes = [step.step for step in (next(events) for _ in range(4)) if isinstance(step, Progress)]
    assert len(processes) == 2
    began = time.monotonic()
    events.close()
    assert time.monotonic() - began < 2
    assert not any(map(alive, processes))


def test_workers_start_when_the_executor_is_called_and_end_if_nothing_is_asked_of_them(tmp_path: Path) -> None:
    events = local.build(jobs=2, log=str(tmp_path))(works.sleep, [batch("one")])
    deadline = time.monotonic() + 30
    while len(logs := list(tmp_path.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    processes = [int(log.stem.removeprefix("worker-")) for log in logs]
    assert len(processes) == 2
    assert all(map(alive, processes))
    events.close()
    assert not any(map(alive, processes))
    assert not any(log.read_text() for log in logs)


def test_events_end_their_workers_when_batches_cannot_be_had() -> None:
    def none() -> Iterator[Batch]:
        raise ValueError("no such luck")
        yield

    events = local.build(jobs=1)(works.sleep, none())
    with pytest.raises(ValueError, match="no such luck"):
        next(events)
    assert not active_children()


DRIVER = """
import sys
sys.path[:0] = {path!r}
from ganbench import Progress
from tests.support import executor_work as works
from ganbench_plugins.executors import local

if __name__ == "__main__":
    try:
        for event in local.build(jobs=2)(works.sleep, [works.batch("one"), works.batch("two")]):
            if isinstance(event, Progress):
                print(event.step, flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A driver in a process group of its own, as a shell would start it."""
    script = tmp_path / "driver.py"
    script.write_text(DRIVER.format(path=sys.path))
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        yield process
        process.kill()


def words(driver: subprocess.Popen[str], count: int) -> list[str]:
    """Read so many lines of the driver."""
    assert driver.stdout is not None
    return [driver.stdout.readline().strip() for _ in range(count)]


def test_a_driver_that_is_killed_leaves_no_worker_behind(driver: subprocess.Popen[str]) -> None:
    processes = [int(word) for word in words(driver, 2)]
    assert all(map(alive, processes))
    driver.kill()
    assert gone_within(2, *processes)


def test_ctrl_c_reaches_the_driver_alone_and_ends_quietly(driver: subprocess.Popen[str]) -> None:
    processes = [int(word) for word in words(driver, 2)]
    os.killpg(driver.pid, signal.SIGINT)
    assert words(driver, 1) == ["interrupted"]
    assert gone_within(2, *processes)
    assert driver.wait(5) == 0
    assert driver.stderr is not None
    assert driver.stderr.read() == ""


def test_a_driver_that_never_closes_the_events_stops_its_workers_when_it_exits(tmp_path: Path) -> None:
    script = tmp_path / "driver.py"
    script.write_text(DRIVER.format(path=sys.path).replace("print(event.step, flush=True)", "sys.exit(event.step)"))
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=30)
    assert ended.stderr == ""


@pytest.mark.parametrize("options", [{"jobs": -1}, {"timeout": 0.0}])
def test_an_impossible_option_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(GanbenchError, match=rf"executor 'local': {next(iter(options))} = "):
        local.build(**options)
