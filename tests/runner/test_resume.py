"""A run that is killed or stopped at any moment, and run again, ends with the scores of an undisturbed run."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ganbench
import pandas as pd
import psutil
import pytest
from ganbench.api.events import Progress, Started
from ganbench.errors import GanbenchError
from ganbench.results.frames import Frames
from ganbench.results.store import Store, read
from ganbench.runner.driver import read_suite, run_events
from ganbench.runner.settings import Settings

SUITE = """
question = "Does it go on?"
seeds = 1
methods = ["ns-gan"]

[budget]
generator_steps = 1000
batch_size = 16
snapshots = 10

[architectures]
space = "mlp"
options = { generator_width = 8, critic_width = 8, critic_depth = 2, generator_depth = 2 }

[[dataset]]
name = "ring"

[[dataset]]
name = "grid"

[measurement]
samples = 50
"""
"""NS-GAN for 1,000 steps: so chaotic that a single different bit would change every later score.

`make chaos` kills runs that train in stacks.
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("suite") / "resumed.toml"
    path.write_text(SUITE)
    return path


@pytest.fixture(scope="module")
def undisturbed(suite: Path) -> Frames:
    return ganbench.run(suite, results=suite.parent / "undisturbed", jobs=0)


def assert_same(first: Frames, second: Frames) -> None:
    """Assert that two results hold two completed trials each, with the same scores and signals, bit for bit."""
    order = ["key", "name", "step", "fresh"]
    assert list(first.trials["status"]) == list(second.trials["status"]) == ["completed"] * 2
    for name, by in (("scores", order), ("signals", order[:3])):
        left, right = (getattr(frames, name).sort_values(by, ignore_index=True) for frames in (first, second))
        pd.testing.assert_frame_equal(left, right, check_exact=True)


@pytest.fixture
def start(suite: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return a function that starts `ganbench run` in a process group of its own, as a shell would."""
    processes: list[subprocess.Popen[str]] = []

    def start(*options: str, question: Path = suite) -> subprocess.Popen[str]:
        words = [sys.executable, "-m", "ganbench", "run", str(question), "--results", str(tmp_path / "r"), *options]
        processes.append(subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def wait_until(condition: Callable[[], Any], seconds: float = 120.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.01)
    return value


def list_checkpoints(folder: Path) -> list[Path]:
    return [path for path in folder.glob("checkpoints/*.safetensors") if not path.name.startswith(".")]


def read_facts(folder: Path) -> list[dict[str, Any]]:
    with Store(folder, readonly=True) as store:
        return [store.detail(key)["facts"] for key in store.known()]


def have_ended(processes: list[psutil.Process], seconds: float) -> bool:
    """Return whether all of these processes end in time; a zombie, whose parent has not waited yet, has ended too."""
    deadline = time.monotonic() + seconds

    def is_running(process: psutil.Process) -> bool:
        try:
            return bool(process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    while any(map(is_running, processes)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(is_running, processes))


@pytest.mark.parametrize(("victim", "jobs"), [("driver", 0), ("group", 2)])
def test_a_run_killed_at_a_random_moment_resumes_to_the_same_scores(
    victim: str,
    jobs: int,
    suite: Path,
    undisturbed: Frames,
    start: Callable[..., subprocess.Popen[str]],
    tmp_path: Path,
) -> None:
    run = start("--jobs", "2", "--checkpoint", "0")
    wait_until(lambda: list_checkpoints(tmp_path / "r") or run.poll() is not None)
    time.sleep(random.uniform(0, 1))
    children = psutil.Process(run.pid).children(recursive=True)
    (os.kill if victim == "driver" else os.killpg)(run.pid, signal.SIGKILL)
    run.wait()
    assert have_ended(children, 2), "every child ends at most 2 s after its driver"
    checkpoints = len(list_checkpoints(tmp_path / "r"))
    frames = ganbench.run(suite, results=tmp_path / "r", jobs=jobs)
    assert_same(frames, undisturbed)
    assert sum("resumed" in facts for facts in read_facts(tmp_path / "r")) == checkpoints
    assert not list_checkpoints(tmp_path / "r")


def newest_worker(folder: Path) -> int:
    """Return the process id of the newest worker."""
    newest = max((folder / "log").glob("worker-*.log"), key=lambda log: log.stat().st_mtime_ns)
    return int(newest.stem.removeprefix("worker-"))


def test_a_worker_killed_during_a_batch_is_replaced_and_the_batch_resumes(
    suite: Path, undisturbed: Frames, tmp_path: Path
) -> None:
    folder, killed = tmp_path / "r", False
    attempts: dict[str, int] = {}
    first_steps: dict[tuple[str, int], int] = {}
    for _, event in run_events(read_suite(suite), Settings(results=folder, jobs=1, checkpoint=0.0)):
        if isinstance(event, Started):
            attempts[event.batch.key] = attempts.get(event.batch.key, 0) + 1
        if isinstance(event, Progress):
            first_steps.setdefault((event.batch.key, attempts[event.batch.key]), event.step)
            if event.step > 500 and not killed:
                os.kill(newest_worker(folder), signal.SIGKILL)
                killed = True
    assert sorted(attempts.values()) == [1, 2]
    (resumed_at,) = [step for (_, attempt), step in first_steps.items() if attempt == 2]
    assert resumed_at > 400, "the second attempt resumes from a snapshot"
    assert sorted(facts["attempts"] for facts in read_facts(folder)) == [1, 2]
    assert_same(read(folder), undisturbed)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_run_keeps_its_completed_trials_and_prints_how_to_resume(
    number: signal.Signals, code: int, suite: Path, start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    run = start("--jobs", "1", *(["--profile"] if number == signal.SIGTERM else []))

    def count_completed() -> int:
        try:
            return int((read(tmp_path / "r").trials["status"] == "completed").sum())
        except GanbenchError:
            return 0  # the database is not there yet, or is being written

    def a_worker_runs() -> bool:
        assert run.poll() is None, run.communicate()[1]
        return any(log.read_text() for log in (tmp_path / "r").glob("log/worker-*.log"))

    wait_until(count_completed if number == signal.SIGTERM else a_worker_runs)
    before = count_completed()
    children = psutil.Process(run.pid).children(recursive=True)
    began = time.monotonic()
    run.send_signal(number)
    _, output = run.communicate(timeout=20)
    assert time.monotonic() - began < 2
    assert run.returncode == code
    assert "what is done is kept in" in output
    assert "The same command goes on from there." in output
    assert ("s training" in output) is ("profile: " in output) is (number == signal.SIGTERM)
    assert have_ended(children, 0.5)
    assert count_completed() == before == (1 if number == signal.SIGTERM else 0)


def test_a_run_stopped_while_baselines_are_scored_leaves_no_worker(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    run = start("--jobs", "2", question=Path(__file__).parents[2] / "suites" / "random_arch.toml")
    assert run.stderr is not None
    assert any("calibrating digits" in line for line in run.stderr)
    wait_until(lambda: len(list((tmp_path / "r").glob("log/worker-*.log"))) == 2 or run.poll() is not None)
    children = psutil.Process(run.pid).children(recursive=True)
    assert len(children) >= 2
    began = time.monotonic()
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=20)
    assert time.monotonic() - began < 2
    assert run.returncode == 130
    assert have_ended(children, 0.5)
    assert read(tmp_path / "r").trials.empty


SLOW_CLEANUP = """
import time
from ganbench.cli.interrupts import raise_on_signals

with raise_on_signals():
    try:
        print("ready", flush=True)
        time.sleep(60)
    except KeyboardInterrupt as stopped:
        print(stopped.code, flush=True)
        time.sleep(60)
"""


@pytest.mark.parametrize(("first", "second", "code"), [("SIGTERM", "SIGINT", 130), ("SIGINT", "SIGTERM", 143)])
def test_a_second_signal_ends_the_process_at_once_even_during_cleanup(first: str, second: str, code: int) -> None:
    with subprocess.Popen([sys.executable, "-c", SLOW_CLEANUP], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.Signals[first])
        assert process.stdout.readline() == f"{128 + signal.Signals[first]}\n"
        began = time.monotonic()
        process.send_signal(signal.Signals[second])
        assert process.wait(5) == code
        assert time.monotonic() - began < 1


def test_an_ignored_signal_stays_ignored_and_the_old_handlers_are_restored() -> None:
    from ganbench.cli.interrupts import Stopped, raise_on_signals

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with raise_on_signals():
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(Stopped, match="SIGTERM"):
                signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGINT, before)
