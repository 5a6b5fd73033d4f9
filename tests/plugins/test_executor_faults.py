"""Workers that die while they wait, or that never start, cost no batch; a worker knows nothing of the user's script."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing import spawn
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import pytest
from ganbench import RunFailed, Work
from ganbench.api.events import Finished, Lost, Started
from ganbench.api.records import Record
from ganbench.api.trials import Batch

from ganbench_plugins.executors import local
from tests.support import executor_work as works
from tests.support.executor_work import make_batch

SCRIPT = """
from tests.support import executor_work as works
from ganbench_plugins.executors import local

events = local.build(jobs=1)(works.report_three_steps, [works.make_batch("one"), works.make_batch("two")])
print([type(event).__name__ for event in events].count("Finished"))
"""
WAYS = {
    "a script": [sys.executable, "script.py"],
    "a module": [sys.executable, "-m", "script"],
    "stdin": [sys.executable, "-"],
    "a notebook": [sys.executable, "-c", "import sys; exec(sys.stdin.read(), {'__name__': '__main__'})"],
}


@pytest.mark.parametrize("way", WAYS)
def test_a_script_without_a_main_guard_runs_once_in_its_own_process_only(way: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(
        WAYS[way], cwd=tmp_path, input=SCRIPT, capture_output=True, text=True, timeout=60, env=environment
    )
    assert (ended.stdout, ended.stderr, ended.returncode) == ("2\n", "", 0)


def test_starting_a_worker_leaves_the_main_module_of_other_processes_as_it_was() -> None:
    before = spawn.get_preparation_data
    assert sum(isinstance(event, Finished) for event in local.build()(works.report_three_steps, [make_batch("a")])) == 1
    assert spawn.get_preparation_data is before


def wait_for_workers(folder: Path, count: int) -> list[int]:
    """Return the process numbers of `count` workers, once each has its log in the folder."""
    deadline = time.monotonic() + 30
    while len(logs := list(folder.glob("worker-*.log"))) < count and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(logs) == count
    return [int(log.stem.removeprefix("worker-")) for log in logs]


@pytest.mark.parametrize(("jobs", "killed"), [(1, 1), (2, 1), (2, 2)])
def test_a_worker_that_is_killed_while_it_waits_is_replaced_and_costs_no_attempt(
    jobs: int, killed: int, tmp_path: Path
) -> None:
    names = ["one", "two", "three", "four"]
    work = Work(works.report_three_steps, log=str(tmp_path / "worker-{process}.log"))
    events = local.build(jobs=jobs)(work, map(make_batch, names))
    processes = wait_for_workers(tmp_path, jobs)
    time.sleep(0.3)  # they wait for their first batch now
    for process in processes[:killed]:
        os.kill(process, signal.SIGKILL)
    ends = [event for event in events if isinstance(event, Finished)]
    assert sorted(works.name_of(end.batch) for end in ends) == sorted(names)
    assert {end.attempts for end in ends} == {1}
    assert not {end.records[0].facts["process"] for end in ends} & set(processes[:killed])


def test_a_batch_in_training_does_not_notice_that_a_waiting_worker_is_killed(tmp_path: Path) -> None:
    nap = partial(works.act_if_bad, partial(time.sleep, 1.0))
    events = local.build(jobs=2)(Work(nap, log=str(tmp_path / "worker-{process}.log")), [make_batch("bad")])
    processes = wait_for_workers(tmp_path, 2)
    assert isinstance(next(events), Started)
    time.sleep(0.3)  # the label of the batch is in its worker's log now
    [waiting] = [each for each in processes if not (tmp_path / f"worker-{each}.log").read_text()]
    os.kill(waiting, signal.SIGKILL)
    [end] = events
    assert isinstance(end, Finished)
    assert end.attempts == 1


def test_a_batch_that_loses_its_pipe_is_lost_and_the_others_go_on() -> None:
    close_files = partial(works.act_if_bad, partial(os.closerange, 3, 256))
    events = list(local.build(jobs=1)(close_files, [make_batch("bad"), make_batch("good")]))
    [lost] = [event for event in events if not isinstance(event, (Started, Finished))]
    assert "a library complains" in lost.error
    assert [works.name_of(event.batch) for event in events if isinstance(event, Finished)] == ["good"]


def leave_threads() -> None:
    for _ in range(5):
        threading.Thread(target=time.sleep, args=(8,)).start()


def leave_child() -> None:
    if os.fork() == 0:
        time.sleep(8)
        os._exit(0)


def leave_child_and_die() -> None:
    leave_child()
    os._exit(3)


@pytest.mark.parametrize(
    ("act", "finished"),
    [(leave_threads, ["bad", "good"]), (leave_child, ["bad", "good"]), (leave_child_and_die, ["good"])],
)
def test_threads_and_children_that_a_batch_leaves_behind_hold_up_nobody(
    act: Callable[[], None], finished: list[str]
) -> None:
    """A child keeps the pipe of its worker open, so that a closed pipe alone does not tell that the worker has died."""
    began = time.monotonic()
    events = list(local.build(jobs=1)(partial(works.act_if_bad, act), map(make_batch, ["bad", "good"])))
    assert time.monotonic() - began < 7
    assert [works.name_of(event.batch) for event in events if isinstance(event, Finished)] == finished


class Unpickled:
    """Work that calls a function when a worker unpickles it."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call[0], self.call[1:]


@pytest.fixture
def no_interpreter() -> Iterator[None]:
    before = spawn.get_executable()
    spawn.set_executable("/no/such/python")
    yield
    spawn.set_executable(before)


@pytest.mark.parametrize(
    ("work", "words"),
    [(Unpickled(os._exit, 3), "ended with exit code 3"), (Unpickled(int, "x"), "ValueError: invalid literal for int")],
)
def test_workers_that_die_before_their_first_batch_end_the_run_with_their_last_words(work: Any, words: str) -> None:
    with pytest.raises(RunFailed, match=words) as raised:
        list(local.build(jobs=2)(work, [make_batch("one"), make_batch("two")]))
    assert "--jobs 0" in str(raised.value)
    assert any(f"{count} in a row" in str(raised.value) for count in (6, 7)), "one more may have been starting"


@pytest.mark.usefixtures("no_interpreter")
def test_workers_without_an_interpreter_end_the_run() -> None:
    with pytest.raises(RunFailed, match="no worker can be started"):
        list(local.build(jobs=1)(works.report_three_steps, [make_batch("one")]))


def test_a_system_that_refuses_new_processes_ends_the_run_in_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(process: SpawnProcess) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(SpawnProcess, "start", refuse)
    with pytest.raises(RunFailed, match="Resource temporarily unavailable"):
        list(local.build(jobs=2)(works.report_three_steps, [make_batch("one")]))


def test_a_system_that_allows_one_worker_of_three_trains_everything_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    start, started = SpawnProcess.start, []

    def refuse_the_second(process: SpawnProcess) -> None:
        if started:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        started.append(process)
        start(process)

    monkeypatch.setattr(SpawnProcess, "start", refuse_the_second)
    events = list(local.build(jobs=3)(works.report_three_steps, map(make_batch, ["one", "two", "three"])))
    assert sum(isinstance(event, Finished) for event in events) == 3


def print_without_end(batch: Batch, report: works.Report) -> list[Record]:
    """Print 60 MB in a second."""
    for _ in range(30):
        for _ in range(20):
            os.write(1, 100 * (999 * b"x" + b"\n"))
        time.sleep(0.03)
    os.write(1, b"the last words\n")
    os._exit(3)


def test_the_log_of_a_worker_that_prints_without_end_stays_small_and_is_quoted(tmp_path: Path) -> None:
    work = Work(print_without_end, log=str(tmp_path / "worker-{process}.log"))
    [*_, lost] = local.build(jobs=1)(work, [make_batch("loud")])
    assert isinstance(lost, Lost)
    assert lost.error.startswith("its worker ended with exit code 3\nThe log of worker ")
    assert lost.error.endswith("the last words\n")
    assert len(lost.error) < 3000
    for log in tmp_path.iterdir():
        assert log.stat().st_size < 40_000_000
        assert make_batch("loud").label in log.read_text()


def collect(most: int, batches: list[Batch]) -> list[Any]:
    return list(local.build(jobs=2)(partial(works.be_killed_above, most), batches))


def test_a_batch_that_the_system_kills_twice_comes_back_in_halves() -> None:
    """Of five seeds, two train together at a time: 5 is killed twice, then 2 end, 3 are killed twice, 1 and 2 end."""
    events = collect(2, [works.make_seeds("large", 5), works.make_seeds("small", 2)])
    ends = {works.name_of(event.batch): event for event in events if isinstance(event, Finished | Lost)}
    assert {type(end) for end in ends.values()} == {Finished}
    large = ends["large"]
    assert [record.trial.seed for record in large.records] == [0, 1, 2, 3, 4]
    assert [record.composition["members"] for record in large.records] == [2, 2, 1, 2, 2]
    assert (len(large.batch.trials), large.attempts, ends["small"].attempts) == (5, 2 + 1 + 2 + 1 + 1, 1)
    assert {len(event.batch.trials) for event in events if isinstance(event, Started)} == {2, 5}


def test_a_single_trial_that_the_system_kills_twice_is_lost_with_the_way_out() -> None:
    (lost,) = (event for event in collect(0, [works.make_seeds("one", 1)]) if isinstance(event, Finished | Lost))
    assert (type(lost), lost.attempts) == (Lost, 2)
    for part in ("was killed by SIGKILL", "memory runs out", "batch_size", "[engine] memory", "--jobs"):
        assert part in lost.error


def test_each_trial_that_is_killed_alone_fails_and_its_neighbours_end() -> None:
    """Of three seeds none fits: the batch is Finished all the same, with three failed records."""
    (end,) = (event for event in collect(0, [works.make_seeds("three", 3)]) if isinstance(event, Finished | Lost))
    assert isinstance(end, Finished)
    assert [(record.trial.seed, record.status) for record in end.records] == [(i, "failed") for i in range(3)]
    assert all("memory runs out" in record.error for record in end.records)
