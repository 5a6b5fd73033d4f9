"""A run that is killed or stopped at any moment, and run again, ends as one that nobody disturbed."""

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
"""NS-GAN for 1,000 steps: chaotic enough that a single other bit would show everywhere. `make chaos` kills stacks."""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("suite") / "resumed.toml"
    path.write_text(SUITE)
    return path


@pytest.fixture(scope="module")
def undisturbed(suite: Path) -> Frames:
    return ganbench.run(suite, out=suite.parent / "undisturbed", jobs=0)


def same(one: Frames, other: Frames) -> None:
    """Assert that two results hold the same trials, scores and signals, bit for bit."""
    order = ["key", "name", "step", "fresh"]
    assert list(one.trials["status"]) == list(other.trials["status"]) == ["completed"] * 2
    for name, by in (("scores", order), ("signals", order[:3])):
        left, right = (getattr(frames, name).sort_values(by, ignore_index=True) for frames in (one, other))
        pd.testing.assert_frame_equal(left, right, check_exact=True)


@pytest.fixture
def start(suite: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `ganbench run` in a process group of its own, as a shell would."""
    begun: list[subprocess.Popen[str]] = []

    def start(*options: str, asked: Path = suite) -> subprocess.Popen[str]:
        words = [sys.executable, "-m", "ganbench.cli", "run", str(asked), "--out", str(tmp_path / "r"), *options]
        begun.append(subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True))
        return begun[-1]

    yield start
    for process in begun:
        process.kill()
        process.communicate()


def wait_until(what: Callable[[], Any], seconds: float = 120.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)
    return found


def checkpoints(folder: Path) -> list[Path]:
    return [path for path in folder.glob("checkpoints/*.safetensors") if not path.name.startswith(".")]


def facts(folder: Path) -> list[dict[str, Any]]:
    with Store(folder, readonly=True) as store:
        return [store.detail(key)["facts"] for key in store.known()]


def gone(processes: list[psutil.Process], seconds: float) -> bool:
    """Say whether all of these processes end in time; one that nobody has waited for yet has ended too."""
    deadline = time.monotonic() + seconds

    def alive(process: psutil.Process) -> bool:
        try:
            return bool(process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    while any(map(alive, processes)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(alive, processes))


@pytest.mark.parametrize(("victim", "jobs"), [("driver", 0), ("group", 2)])
def test_a_run_killed_at_a_random_moment_goes_on_to_the_same_scores(
    victim: str,
    jobs: int,
    suite: Path,
    undisturbed: Frames,
    start: Callable[..., subprocess.Popen[str]],
    tmp_path: Path,
) -> None:
    run = start("--jobs", "2", "--checkpoint", "0")
    wait_until(lambda: checkpoints(tmp_path / "r") or run.poll() is not None)
    time.sleep(random.uniform(0, 1))
    children = psutil.Process(run.pid).children(recursive=True)
    (os.kill if victim == "driver" else os.killpg)(run.pid, signal.SIGKILL)
    run.wait()
    assert gone(children, 2), "no child outlives its driver by 2 s"
    kept = len(checkpoints(tmp_path / "r"))
    frames = ganbench.run(suite, out=tmp_path / "r", jobs=jobs)
    same(frames, undisturbed)
    assert sum("resumed" in each for each in facts(tmp_path / "r")) == kept
    assert not checkpoints(tmp_path / "r")


def worker_of(folder: Path) -> int:
    """Give the process of the newest worker."""
    newest = max((folder / "log").glob("worker-*.log"), key=lambda log: log.stat().st_mtime_ns)
    return int(newest.stem.removeprefix("worker-"))


def test_a_worker_killed_in_the_middle_is_replaced_and_its_batch_goes_on(
    suite: Path, undisturbed: Frames, tmp_path: Path
) -> None:
    folder, killed = tmp_path / "r", False
    begun: dict[str, int] = {}
    first: dict[tuple[str, int], int] = {}
    for _, event in run_events(read_suite(suite), Settings(out=folder, jobs=1, checkpoint=0.0)):
        if isinstance(event, Started):
            begun[event.batch.key] = begun.get(event.batch.key, 0) + 1
        if isinstance(event, Progress):
            first.setdefault((event.batch.key, begun[event.batch.key]), event.step)
            if event.step > 500 and not killed:
                os.kill(worker_of(folder), signal.SIGKILL)
                killed = True
    assert sorted(begun.values()) == [1, 2]
    (again,) = [step for (_, time_), step in first.items() if time_ == 2]
    assert again > 400, "it goes on from a snapshot"
    assert sorted(each["attempts"] for each in facts(folder)) == [1, 2]
    same(read(folder), undisturbed)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_run_keeps_what_is_done_and_says_how_to_go_on(
    number: signal.Signals, code: int, suite: Path, start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    run = start("--jobs", "1")

    def done() -> int:
        try:
            return int((read(tmp_path / "r").trials["status"] == "completed").sum())
        except GanbenchError:
            return 0  # not there yet, or being written

    def at_work() -> bool:
        assert run.poll() is None, run.communicate()[1]
        return any(log.read_text() for log in (tmp_path / "r").glob("log/worker-*.log"))

    wait_until(done if number == signal.SIGTERM else at_work)
    before = done()
    children = psutil.Process(run.pid).children(recursive=True)
    began = time.monotonic()
    run.send_signal(number)
    _, said = run.communicate(timeout=20)
    assert time.monotonic() - began < 2
    assert run.returncode == code
    assert "what is done is kept in" in said
    assert "The same command goes on from there." in said
    assert gone(children, 0.5)
    assert done() == before == (1 if number == signal.SIGTERM else 0)


def test_a_run_stopped_while_untrained_samplers_are_scored_leaves_no_worker(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    run = start("--jobs", "2", asked=Path(__file__).parents[2] / "suites" / "random_arch.toml")
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
    assert gone(children, 0.5)
    assert read(tmp_path / "r").trials.empty


STUBBORN = """
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
def test_a_second_signal_ends_at_once_whatever_is_being_tidied_up(first: str, second: str, code: int) -> None:
    with subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.Signals[first])
        assert process.stdout.readline() == f"{128 + signal.Signals[first]}\n"
        began = time.monotonic()
        process.send_signal(signal.Signals[second])
        assert process.wait(5) == code
        assert time.monotonic() - began < 1


def test_a_signal_that_is_ignored_stays_ignored_and_handlers_come_back() -> None:
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
