"""Executors report everything that happens to a batch as events, and leave no process behind."""

from __future__ import annotations

import os
import pickle
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
from ganbench import GanbenchError, Work
from ganbench.api.events import Event, Finished, Lost, Progress, Started
from ganbench.api.trials import Batch
from ganbench.errors import find_reason

from ganbench_plugins.executors import in_process, local
from ganbench_plugins.executors.pool import WorkerPool
from tests.support import executor_work as works
from tests.support.executor_work import make_batch

Run = Callable[[Any, Iterable[Batch]], Iterator[Event]]


@pytest.fixture(params=[in_process.build, partial(local.build, jobs=1)], ids=["in-process", "local"])
def run(request: pytest.FixtureRequest) -> Run:
    return request.param()


def outcomes(events: Iterable[Event]) -> dict[str, str]:
    """Return how each batch ended, by its name; every batch must end once."""
    ends = [event for event in events if isinstance(event, (Finished, Lost))]
    statuses = {works.name_of(end.batch): "finished" if isinstance(end, Finished) else end.status for end in ends}
    assert len(statuses) == len(ends), "a batch ends once"
    return statuses


def find_loss(events: Iterable[Event]) -> Lost:
    """Return the only Lost event among the events."""
    [lost] = [event for event in events if isinstance(event, Lost)]
    return lost


def is_running(process: int) -> bool:
    """Return whether a process runs; a zombie, which has ended but was not waited for, does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def have_exited_within(seconds: float, *processes: int) -> bool:
    """Return whether all of these processes end within so many seconds."""
    deadline = time.monotonic() + seconds
    while any(map(is_running, processes)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(is_running, processes))


def test_a_batch_is_started_then_progresses_then_finishes(run: Run) -> None:
    events = list(run(works.report_three_steps, [make_batch("one"), make_batch("two")]))
    for name in ("one", "two"):
        batch_events = [event for event in events if works.name_of(event.batch) == name]
        assert isinstance(batch_events[0], Started)
        assert isinstance(batch_events[-1], Finished)
        assert batch_events[-1].records[0].trial == batch_events[-1].batch.trials[0]
        steps = [event.step for event in batch_events if isinstance(event, Progress)]
        assert steps[0] == 1
        assert steps[-1] == 3
        assert len(batch_events) == 2 + len(steps)


def test_an_exception_loses_only_its_batch_and_reports_its_place(run: Run) -> None:
    events = list(run(works.raise_if_bad, [make_batch("good"), make_batch("bad"), make_batch("better")]))
    assert outcomes(events) == {"good": "finished", "bad": "failed", "better": "finished"}
    assert "raise_if_bad" in find_loss(events).error
    assert find_loss(events).error.endswith("ValueError: planted failure\n")


def test_without_batches_there_are_no_events(run: Run) -> None:
    assert list(run(works.report_three_steps, [])) == []


def test_the_in_process_executor_does_not_catch_ctrl_c() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        list(in_process.build()(lambda batch, report: signal.raise_signal(signal.SIGINT), [make_batch("one")]))
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, works.NotAnException])
def test_whatever_a_plugin_raises_is_the_loss_of_its_batch(run: Run, error: type[BaseException]) -> None:
    work = partial(works.act_if_bad, partial(works.raise_new, error))
    events = list(run(work, [make_batch("bad"), make_batch("good")]))
    assert outcomes(events) == {"bad": "failed", "good": "finished"}
    assert find_reason(find_loss(events).error).rpartition(".")[2] == f"{error.__name__}: planted"


@pytest.mark.parametrize(
    ("work", "reason"),
    [
        (works.exit_if_bad, "ended with exit code 3"),
        (works.exit_cleanly_if_bad, "ended with exit code 0"),
        (works.be_killed_if_bad, "was killed by SIGKILL"),
        (works.segfault_if_bad, "was killed by SIGSEGV"),
    ],
)
def test_a_worker_that_dies_loses_only_its_batch_and_its_log_is_quoted(work: Any, reason: str) -> None:
    events = list(
        local.build(jobs=1)(work, [make_batch("good"), make_batch("bad"), make_batch("better"), make_batch("best")])
    )
    assert outcomes(events) == {"good": "finished", "bad": "failed", "better": "finished", "best": "finished"}
    assert reason in find_loss(events).error
    assert "a library complains" in find_loss(events).error
    assert find_loss(events).attempts == 2, "a second worker has tried it"
    assert sum(isinstance(event, Started) and works.name_of(event.batch) == "bad" for event in events) == 2


def test_the_batch_of_a_worker_that_dies_once_is_finished_by_another(tmp_path: Path) -> None:
    dies_once = partial(works.act_if_bad, partial(works.die_the_first_time, str(tmp_path / "sign")))
    events = list(local.build(jobs=1)(dies_once, [make_batch("bad"), make_batch("good")]))
    attempts = {works.name_of(end.batch): end.attempts for end in events if isinstance(end, Finished)}
    assert attempts == {"bad": 2, "good": 1}


def test_a_worker_that_its_batch_has_changed_is_replaced_and_no_attempt_is_counted() -> None:
    names = ["good", "bad one", "bad two", "better"]
    events = list(local.build(jobs=1)(works.change_process_if_bad, map(make_batch, names)))
    ends = [event for event in events if isinstance(event, Finished)]
    assert sorted(works.name_of(end.batch) for end in ends) == sorted(names)
    assert {end.attempts for end in ends} == {1}
    assert sum(isinstance(event, Started) for event in events) == len(names)
    workers = [end.records[0].facts["process"] for end in ends]
    for i, end in enumerate(ends):
        if works.name_of(end.batch).startswith("bad"):
            assert workers[i] not in workers[i + 1 :]


def test_a_batch_that_exceeds_its_time_limit_is_lost_and_the_others_go_on() -> None:
    began = time.monotonic()
    events = list(local.build(jobs=1, timeout=1.5)(works.oversleep_if_bad, [make_batch("bad"), make_batch("good")]))
    assert time.monotonic() - began < 20
    assert outcomes(events) == {"bad": "timed-out", "good": "finished"}
    assert find_loss(events).error.startswith("not finished after 1.5 seconds")
    assert "a library complains" in find_loss(events).error


def test_the_time_limit_counts_from_a_batchs_own_start() -> None:
    nap = partial(works.act_if_bad, partial(time.sleep, 0.6))
    events = list(local.build(jobs=1, timeout=1.5)(nap, [make_batch("bad")] * 4))
    assert [event.__class__ for event in events if not isinstance(event, Started)] == [Finished] * 4


@pytest.mark.parametrize(
    "work", [works.return_unpicklable, works.raise_what_cannot_be_rebuilt, lambda batch, report: []]
)
def test_work_that_cannot_be_sent_is_lost_and_nothing_hangs(work: Any) -> None:
    assert outcomes(local.build(jobs=1)(work, [make_batch("one"), make_batch("two")])) == {
        "one": "failed",
        "two": "failed",
    }


def test_two_jobs_run_two_batches_at_a_time(tmp_path: Path) -> None:
    ends = local.build(jobs=2)(
        partial(works.wait_for_another_worker, str(tmp_path)), [make_batch("one"), make_batch("two")]
    )
    assert [end.records[0].facts["met"] for end in ends if isinstance(end, Finished)] == [2, 2]


def test_a_worker_has_one_thread_and_the_driver_keeps_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    [_, end] = local.build(jobs=1)(works.count_threads, [make_batch("one")])
    assert isinstance(end, Finished)
    assert end.records[0].facts["threads"] == 1
    assert os.environ["OMP_NUM_THREADS"] == "2"
    assert "MKL_NUM_THREADS" not in os.environ


def test_the_log_folder_keeps_what_a_worker_wrote_under_its_batchs_name(tmp_path: Path) -> None:
    work = Work(works.oversleep_if_bad, log=str(tmp_path / "log" / "worker-{process}.log"))
    list(local.build(jobs=1)(work, [make_batch("good")]))
    [log] = (tmp_path / "log").iterdir()
    assert log.name.startswith("worker-")
    assert log.read_text().strip() == f"== {make_batch('good').label}"


def test_closing_the_events_stops_the_workers() -> None:
    events = local.build(jobs=2)(works.sleep_for_a_minute, [make_batch("one"), make_batch("two"), make_batch("three")])
    processes = [step.step for step in (next(events) for _ in range(4)) if isinstance(step, Progress)]
    assert len(processes) == 2
    began = time.monotonic()
    events.close()
    assert time.monotonic() - began < 2
    assert not any(map(is_running, processes))


def test_workers_start_when_the_executor_is_called_and_end_if_no_event_is_read(tmp_path: Path) -> None:
    work = Work(works.sleep_for_a_minute, log=str(tmp_path / "worker-{process}.log"))
    events = local.build(jobs=2)(work, [make_batch("one")])
    deadline = time.monotonic() + 30
    while len(logs := list(tmp_path.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    processes = [int(log.stem.removeprefix("worker-")) for log in logs]
    assert len(processes) == 2
    assert all(map(is_running, processes))
    events.close()
    assert not any(map(is_running, processes))
    assert not any(log.read_text() for log in logs)


def test_workers_end_when_the_iterator_of_batches_raises() -> None:
    def raise_error() -> Iterator[Batch]:
        raise ValueError("no such luck")
        yield

    events = local.build(jobs=1)(works.sleep_for_a_minute, raise_error())
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
        for event in local.build(jobs=2)(works.sleep_for_a_minute, [works.make_batch("one"), works.make_batch("two")]):
            if isinstance(event, Progress):
                print(event.step, flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a driver in its own process group, as a shell would."""
    script = tmp_path / "driver.py"
    script.write_text(DRIVER.format(path=sys.path))
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        yield process
        process.kill()


def read_lines(driver: subprocess.Popen[str], count: int) -> list[str]:
    """Return the next `count` lines that the driver prints."""
    assert driver.stdout is not None
    return [driver.stdout.readline().strip() for _ in range(count)]


def test_a_driver_that_is_killed_leaves_no_worker_behind(driver: subprocess.Popen[str]) -> None:
    processes = [int(line) for line in read_lines(driver, 2)]
    assert all(map(is_running, processes))
    driver.kill()
    assert have_exited_within(2, *processes)


def test_ctrl_c_reaches_only_the_driver_and_ends_quietly(driver: subprocess.Popen[str]) -> None:
    processes = [int(line) for line in read_lines(driver, 2)]
    os.killpg(driver.pid, signal.SIGINT)
    assert read_lines(driver, 1) == ["interrupted"]
    assert have_exited_within(2, *processes)
    assert driver.wait(5) == 0
    assert driver.stderr is not None
    assert driver.stderr.read() == ""


def test_a_driver_that_never_closes_the_events_stops_its_workers_when_it_exits(tmp_path: Path) -> None:
    script = tmp_path / "driver.py"
    script.write_text(DRIVER.format(path=sys.path).replace("print(event.step, flush=True)", "sys.exit(event.step)"))
    process = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=30)
    assert process.stderr == ""


@pytest.mark.parametrize("options", [{"jobs": 0}, {"jobs": -1}, {"timeout": 0.0}])
def test_an_impossible_option_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(GanbenchError, match=rf"executor 'local': {next(iter(options))} = "):
        local.build(**options)


PLACES = [{"device": "cuda:0"}, {"device": "cuda:1"}, {"device": "cuda:0"}]


def list_places(jobs: int | None) -> list[dict[str, str]]:
    return PLACES[:jobs]


def test_each_worker_gives_its_work_the_place_of_the_worker() -> None:
    work = Work(works.tell_device, places=list_places)
    events = list(local.build()(work, [make_batch(name) for name in "abcd"]))
    assert outcomes(events) == dict.fromkeys("abcd", "finished")
    records = [record for event in events if isinstance(event, Finished) for record in event.records]
    devices: dict[int, set[str]] = {}
    for record in records:
        devices.setdefault(record.facts["process"], set()).add(record.facts["device"])
    assert all(len(found) == 1 for found in devices.values()), "a worker stays where it is"


def test_a_worker_takes_the_place_of_the_one_that_it_replaces(tmp_path: Path) -> None:
    log = str(tmp_path / "{process}.log")
    with WorkerPool(pickle.dumps(Work(works.report_three_steps)), PLACES, log=log) as pool:
        assert [job.place for job in pool.jobs] == [0, 1, 2]
        pool.remove(pool.jobs[1])
        pool.start_workers()
        assert [job.place for job in pool.jobs] == [0, 2, 1]
