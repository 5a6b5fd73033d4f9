"""Watchers follow a run in their own threads: they see every event, cannot change a number, and cannot end the run."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Event as Flag
from time import monotonic, sleep
from typing import Any

import ganbench
import pytest
from ganbench import Finished, Offer, Progress, Started, Watcher, hookimpl
from ganbench.api.events import Calibrating
from ganbench.runner import watchers
from ganbench.runner.driver import read_suite, run_events
from ganbench.runner.settings import Settings

from tests.support.terminal import process
from tests.support.tiny_suite import suite as small

SUITE = small(seeds=2, success=None)


def offer(build: Callable[..., Any]) -> object:
    """Return a plugin with the watcher "mine"."""

    @hookimpl
    def ganbench_watch() -> Iterator[Offer]:
        yield Offer("mine", build, "Watches.")

    return ganbench_watch


def train(folder: Path, build: Callable[..., Any], *names: str, **settings: Any) -> ganbench.read:
    return ganbench.run(
        SUITE, results=folder, device="cpu", offers=[offer(build)], watchers=names or ("mine",), **settings
    )


def scores(frames: Any) -> list[tuple[Any, ...]]:
    return list(frames.scores[["key", "step", "name", "value"]].fillna(-1.0).itertuples(index=False, name=None))


@pytest.fixture(scope="module")
def unwatched(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The results of the suite without a watcher."""
    return ganbench.run(SUITE, results=tmp_path_factory.mktemp("plain") / "r", jobs=0, device="cpu")


def test_a_watcher_sees_the_run_every_event_in_order_and_the_records_as_they_are_stored(
    tmp_path: Path, unwatched: Any
) -> None:
    calls: list[Any] = []

    def build() -> Watcher:
        return Watcher(
            open=lambda run: calls.append(run) or calls, on_event=list.append, close=lambda o: o.append("end")
        )

    frames = train(tmp_path / "r", build)
    run, *events, end = calls
    assert (run.folder, run.name) == (tmp_path / "r" / "watch" / "mine", "suite")
    assert run.folder.is_dir()
    assert json.loads(run.suite)["question"] == "Does it run?"
    assert [len(batch.trials) for batch in run.batches] == [2, 2]
    assert end == "end"
    kinds = [type(event) for event in events if not isinstance(event, Calibrating | Progress)]
    assert kinds == [Started, Finished, Started, Finished]
    assert {type(event) for event in events} == {Calibrating, Started, Progress, Finished}
    records = {record.trial.key: record for event in events if isinstance(event, Finished) for record in event.records}
    assert set(records) == set(frames.trials["key"]) == set(unwatched.trials["key"])
    for key, record in records.items():
        assert record.generator == b""
        rows = frames.scores[frames.scores["key"] == key]
        assert sorted((s.step, s.name) for s in record.scores) == sorted(zip(rows["step"], rows["name"], strict=True))
    assert scores(frames) == scores(unwatched)


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError


FAULTS = [ValueError("wrong"), SystemExit(0), KeyboardInterrupt(), GeneratorExit(), Unprintable(), BaseException("odd")]


PLACES = [(place, fault) for place in ("build", "open", "on_event", "close") for fault in FAULTS]
PLACES.remove(("build", FAULTS[2]))  # `build` runs in the main thread, where this is a Ctrl-C


@pytest.mark.parametrize(
    ("place", "fault"), PLACES, ids=lambda value: value if isinstance(value, str) else type(value).__name__
)
def test_a_watcher_that_raises_is_reported_once_and_switched_off(
    tmp_path: Path, unwatched: Any, capfd: pytest.CaptureFixture[str], place: str, fault: BaseException
) -> None:
    calls: list[str] = []

    def act(name: str) -> None:
        calls.append(name)
        if name == place:
            raise fault

    def build() -> Watcher:
        act("build")
        return Watcher(
            open=lambda run: act("open"), on_event=lambda opened, event: act("on_event"), close=lambda o: act("close")
        )

    frames = train(tmp_path / "r", build)
    assert set(frames.trials["status"]) == {"completed"}
    assert scores(frames) == scores(unwatched)
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"watcher 'mine' is switched off, and the run goes on without it: `{place}` raised ")
    assert type(fault).__name__ in line
    assert calls.count(place) == 1
    if place == "on_event":
        assert calls[-1] == "close", "its file is closed all the same"


def test_a_watcher_whose_opening_draws_random_numbers_fails_no_trial_in_this_process(
    tmp_path: Path, unwatched: Any
) -> None:
    """As the imports of MLflow do, which take seconds: the run waits until its watchers are open."""

    def start(run: Any) -> None:
        for _ in range(20):
            random.random()
            sleep(0.02)

    frames = train(tmp_path / "r", lambda: Watcher(open=start, on_event=lambda opened, event: None), jobs=0)
    assert list(frames.trials["error"]) == [""] * len(frames.trials)
    assert scores(frames) == scores(unwatched)


def test_a_watcher_that_hangs_as_it_opens_is_waited_for_a_bounded_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchers, "OPEN_SECONDS", 0.5)
    monkeypatch.setattr(watchers, "CLOSE_SECONDS", 0.5)
    release = Flag()

    def build() -> Watcher:
        return Watcher(open=lambda run: release.wait(60), on_event=lambda opened, event: None)

    begun = monotonic()
    frames = train(tmp_path / "r", build, jobs=0)
    assert 1.0 <= monotonic() - begun < 30
    release.set()
    assert set(frames.trials["status"]) == {"completed"}


def test_a_watcher_that_hangs_at_the_end_is_waited_for_a_bounded_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(watchers, "CLOSE_SECONDS", 0.5)
    release = Flag()

    def build() -> Watcher:
        return Watcher(on_event=lambda opened, event: None, close=lambda opened: release.wait(60))

    begun = monotonic()
    frames = train(tmp_path / "r", build)
    assert 0.5 <= monotonic() - begun < 30
    release.set()
    assert set(frames.trials["status"]) == {"completed"}
    assert "it did not end within 0.5 s after the training" in capfd.readouterr().err


def test_a_watcher_that_hangs_in_an_event_does_not_hold_up_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(watchers, "MOST_EVENTS", 2)
    release, closed = Flag(), Flag()

    def build() -> Watcher:
        return Watcher(on_event=lambda opened, event: release.wait(60), close=lambda opened: closed.set())

    frames = train(tmp_path / "r", build)
    assert set(frames.trials["status"]) == {"completed"}
    (line,) = capfd.readouterr().err.splitlines()
    assert line.endswith("it is more than 2 events behind")
    release.set()
    assert closed.wait(10), "its thread ends when it comes back"


def test_telling_a_slow_watcher_takes_no_time(tmp_path: Path, unwatched: Any) -> None:
    """A hundred events for a watcher that takes a second for each are told in less than a tenth of a second."""
    batch = next(
        e for _, e in run_events(read_suite(SUITE), Settings(results=tmp_path, jobs=0)) if isinstance(e, Started)
    )
    slow = watchers.Follower(
        "slow",
        Watcher(on_event=lambda opened, event: sleep(1)),
        ganbench.Watched(folder=tmp_path, name="", suite="", batches=()),
    )
    begun = monotonic()
    for _ in range(100):
        slow.tell(batch)
    assert monotonic() - begun < 0.1
    slow.switch_off("enough")


def test_progress_is_told_once_in_a_second(tmp_path: Path) -> None:
    """A batch that trains in this process reports each of its steps; a thread that wakes for each would slow it."""
    seen: list[Any] = []
    frames = ganbench.run(
        {**SUITE, "budget": {"generator_steps": 60, "batch_size": 8, "snapshots": 1}},
        results=tmp_path / "r",
        offers=[offer(lambda: Watcher(on_event=lambda opened, event: seen.append((monotonic(), event))))],
        watchers=("mine",),
    )
    times: dict[str, list[float]] = {}
    for time, event in seen:
        if isinstance(event, Progress):
            times.setdefault(event.batch.key, []).append(time)
    assert set(frames.trials["status"]) == {"completed"}
    assert len(times) == 2
    assert all(len(each) <= 2 + each[-1] - each[0] for each in times.values())


PLUGIN = """
from ganbench import Offer, Watcher, hookimpl

@hookimpl
def ganbench_watch():
    yield Offer("prints", lambda: Watcher(on_event=lambda opened, event: print("PRINTED")), "Prints.")
"""


def test_what_a_watcher_prints_does_not_come_between_the_tables_and_workers_train_as_ever(
    tmp_path: Path, unwatched: Any
) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN)
    (tmp_path / "s.toml").write_text(to_toml())
    result = process(
        *("run", "s.toml", "--plugin", "mine.py", "--watch", "prints", "--watch", "jsonl", "--jobs", "2"),
        *("--format", "csv", "--results", "r"),
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    assert "PRINTED" in result.stderr
    assert "PRINTED" not in result.stdout
    assert scores(ganbench.read(tmp_path / "r")) == scores(unwatched)
    lines = [json.loads(line) for line in (tmp_path / "r/watch/jsonl/events.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines].count("trial") == 4
    assert lines[-1]["event"] == "end"


def to_toml() -> str:
    """Return the suite as TOML."""
    return """
question = "Does it run?"
seeds = 2
methods = ["ns-gan", "wgan-gp"]
budget = { generator_steps = 4, batch_size = 16, snapshots = 2 }
architectures = { space = "mlp", options = { generator_width = 8, critic_width = 8 } }
measurement = { samples = 50 }

[[dataset]]
name = "ring"
"""


def test_a_run_that_goes_on_adds_to_what_is_there_and_one_without_work_writes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "r/watch/jsonl/events.jsonl"

    def run(**settings: Any) -> list[dict[str, Any]]:
        ganbench.run(SUITE, results=tmp_path / "r", jobs=0, watchers=("jsonl",), **settings)
        return [json.loads(line) for line in file.read_text().splitlines()]

    first = run(limit=2)
    second = run()
    assert second[: len(first)] == first
    assert [line["trials"] for line in second if line["event"] == "run"] == [2, 2]
    assert len({line["key"] for line in second if line["event"] == "trial"}) == 4
    assert run() == second


def test_a_run_that_is_stopped_closes_its_watchers(tmp_path: Path) -> None:
    settings = Settings(results=tmp_path / "r", jobs=0, watchers=("jsonl",))
    with closing(run_events(read_suite(SUITE), settings)) as events:
        next(event for _, event in events if isinstance(event, Finished))
    lines = (tmp_path / "r/watch/jsonl/events.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["event"] == "end"


def test_a_link_in_the_folder_of_a_watcher_is_not_followed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r/watch/jsonl").mkdir(parents=True)
    (tmp_path / "r/watch/jsonl/events.jsonl").symlink_to(tmp_path / "elsewhere")
    frames = ganbench.run(SUITE, results=tmp_path / "r", jobs=0, watchers=("jsonl",))
    assert set(frames.trials["status"]) == {"completed"}
    assert not (tmp_path / "elsewhere").exists()
    assert "events.jsonl: a link, and a watcher makes none. Remove it." in capfd.readouterr().err
