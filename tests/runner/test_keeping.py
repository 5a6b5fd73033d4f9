"""What a suite keeps of its generators: none, the last, the best too, or all; whole or rounded; as files of workers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ganbench
import pytest
import torch
from ganbench import GanbenchError, registry
from ganbench.api.events import Finished
from ganbench.engine.snapshot import round_to_half
from ganbench.plan import make
from ganbench.report.samples import list_paired, trial_sheet
from ganbench.results.files import hold_lock, list_networks, list_snapshots, make_folders, read_holder
from ganbench.results.store import Store, read
from ganbench.runner.environment import collect_facts
from ganbench.runner.keeping import Keep
from ganbench.runner.rerun import rerun_trial
from ganbench.runner.rescore import rescore_trials
from ganbench.runner.worker import run_batch
from ganbench.suite.loading import parse
from safetensors.torch import load

from tests.support.terminal import ganbench as command
from tests.support.tiny_suite import suite as small

PLUGINS = registry.load()


def suite(**keep: str) -> dict[str, Any]:
    """Return a suite of two seeds with averaged generators, scored at steps 2, 4 and 6, that keeps what it says."""
    return small(
        seeds=2,
        methods=["ns-gan"],
        method=[{"name": "ns-gan", "ema": 0.5}],
        dataset=[{"name": "ring"}],
        budget={"generator_steps": 6, "batch_size": 16, "snapshots": 3},
        measurement={"samples": 40, "metrics": ["modes", "sliced-w1"]},
        success=None,
        keep=keep,
    )


def train(folder: Path, jobs: int = 0, **keep: str) -> Path:
    ganbench.run(suite(**keep), results=folder, jobs=jobs, device="cpu")
    return folder


def read_generators(folder: Path) -> dict[str, bytes]:
    return {file.stem: file.read_bytes() for file in list_networks(folder)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("all") / "r", generators="snapshots")


@pytest.fixture(scope="module")
def none(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("none") / "r", generators="none")


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("half") / "r", precision="float16")


def read_facts(folder: Path) -> list[Any]:
    with Store(folder, readonly=True) as store:
        return [store.detail(key)["facts"].get("keep") for key in store.known()]


def test_the_best_is_kept_beside_the_last_by_the_first_value_that_has_a_better_direction(
    tmp_path: Path, whole: Path
) -> None:
    """The first of `modes` is the number of modes: the best is the first step at which it is highest."""
    folder = train(tmp_path / "r", generators="best")
    assert read_generators(folder) == read_generators(whole)
    scores = read(folder).scores
    name = next(iter(PLUGINS.build("metrics", "modes", {}).values))
    for key in read_generators(folder):
        rows = scores[(scores["key"] == key) & (scores["name"] == name) & ~scores["fresh"]].sort_values("step")
        best = int(rows.loc[rows["value"].idxmax(), "step"])
        kept = list_snapshots(folder, key)
        assert list(kept) == ([best] if best < 6 else [])
        assert all(path.read_bytes() == list_snapshots(whole, key)[step].read_bytes() for step, path in kept.items())
    assert read_facts(folder) == [{"generators": "best"}] * 2


def test_the_metric_of_the_first_success_rule_chooses_the_best(tmp_path: Path) -> None:
    rule = [{"dataset": "ring", "metric": "sliced-w1", "thresholds": [0.01], "compare": []}]
    content = {**suite(generators="best"), "success": rule}
    ganbench.run(content, results=tmp_path / "r", jobs=0, device="cpu")
    scores = read(tmp_path / "r").scores
    expected = {}
    for key, rows in scores[(scores["name"] == "sliced-w1") & ~scores["fresh"]].groupby("key"):
        expected[key] = int(rows.loc[rows["value"].idxmin(), "step"])
    assert {key: [*list_snapshots(tmp_path / "r", key), 6][0] for key in expected} == expected


def test_without_generators_every_number_is_there_and_every_command_says_why_there_are_no_samples(
    none: Path, whole: Path
) -> None:
    assert read_generators(none) == {}
    columns = ["key", "step", "name", "value"]
    assert read(none).scores[columns].equals(read(whole).scores[columns])
    says = 'keeps no generators.*generators = "final".*--fresh'
    (key, *_) = read(none).trials["key"]
    for refused in (
        lambda: list_paired(none, read(none), PLUGINS),
        lambda: trial_sheet(none, read(none), PLUGINS, key),
        lambda: rescore_trials(none, "sliced-w1", PLUGINS, samples=50),
    ):
        with pytest.raises(GanbenchError, match=says):
            refused()
    assert rerun_trial(none, key, PLUGINS).verdict == "equal"


def test_the_page_of_a_folder_without_generators_says_why_it_shows_no_samples(none: Path) -> None:
    run = command("report", str(none), cwd=none)
    assert run.returncode == 0, run.stderr
    assert "keeps no generators" in (none / "report.html").read_text()


def test_halves_take_half_the_room_are_loaded_as_float32_and_their_scores_stand_apart(half: Path, whole: Path) -> None:
    for key, file in read_generators(half).items():
        stored, exact = load(file), load(read_generators(whole)[key])
        for name, tensor in exact.items():
            assert stored[name].dtype == torch.float16
            assert torch.equal(stored[name], tensor.half())
    columns = ["key", "step", "name", "value"]
    assert read(half).scores[columns].equals(read(whole).scores[columns]), "what is scored is not rounded"
    assert read_facts(half) == [{"precision": "float16"}] * 2
    (key, *_) = read(half).trials["key"]
    assert rerun_trial(half, key, PLUGINS).verdict == "equal"
    before = read(half).scores
    result = rescore_trials(half, "sliced-w1", PLUGINS)
    protocols = {score.measurement for scores in result.scores.values() for score in scores}
    assert protocols.isdisjoint(before["measurement"])
    again = rescore_trials(whole, "sliced-w1", PLUGINS)
    assert {score.measurement for scores in again.scores.values() for score in scores} <= set(before["measurement"])
    for key, scores in result.scores.items():
        assert scores[0].value == pytest.approx(again.scores[key][0].value, rel=0.02)


def test_numbers_that_are_too_large_for_halves_stay_as_they_are() -> None:
    large = torch.tensor([1.0, 65_520.0])
    assert round_to_half(large) is large
    assert round_to_half(torch.tensor([65_504.0, math.inf, math.nan])).dtype == torch.float16


def test_the_files_of_a_worker_are_those_of_a_run_in_one_process_and_no_bytes_travel(
    tmp_path: Path, whole: Path
) -> None:
    records = []

    def watch(session: Any, event: Any) -> None:
        if isinstance(event, Finished):
            records.extend(event.records)

    folder = tmp_path / "r"
    ganbench.run(suite(generators="snapshots"), results=folder, jobs=1, device="cpu", watch=watch)
    assert len(records) == 2
    for record in records:
        assert (record.generator, record.snapshots) == (b"", {})
        assert list(record.written) == [2, 4, 6]
        assert list(list_snapshots(folder, record.trial.key)) == [2, 4]
    assert read_generators(folder) == read_generators(whole)
    assert not (folder / "networks" / "incoming").exists()


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Return a function that trains the suite's batch in a folder whose lock is held."""
    (batch,) = make(parse(suite(generators="snapshots")), PLUGINS).batches
    make_folders(tmp_path)

    def run(holder: tuple[int, str] | None, report: Any = lambda step, steps: None) -> Any:
        keep = Keep(generators="snapshots", holder=holder)
        options: dict[str, Any] = {"device": "cpu", "plugins": PLUGINS, "folder": str(tmp_path), "every": 0.0}
        return run_batch(batch, report, keep=keep, **options)

    with hold_lock(tmp_path):
        yield run


def test_a_worker_that_does_not_share_the_folder_sends_bytes(work: Callable[..., Any], tmp_path: Path) -> None:
    holder = read_holder(tmp_path)
    assert holder is not None
    sent, _ = work((holder[0], "another-machine"))
    assert not (tmp_path / "checkpoints").exists()
    files, _ = work(holder)
    assert (tmp_path / "checkpoints").exists()
    assert sent.facts["versions"] == collect_facts()["versions"], "the facts of the run are those of its own machine"
    assert "versions" not in files.facts
    assert (sent.written, list(sent.snapshots), bool(sent.generator)) == ({}, [2, 4], True)
    assert (files.generator, files.snapshots, list(files.written)) == (b"", {}, [2, 4, 6])


@pytest.mark.parametrize("gone", [False, True])
def test_a_killed_worker_resumes_with_the_files_that_it_wrote_before_and_starts_anew_where_they_are_gone(
    work: Callable[..., Any], tmp_path: Path, gone: bool
) -> None:
    def stop(step: int, steps: int) -> None:
        if step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work(read_holder(tmp_path), stop)
    written = sorted((tmp_path / "networks/incoming").iterdir())
    assert len(written) == 4
    if gone:
        written[0].unlink()
    records = work(read_holder(tmp_path))
    assert [list(record.written) for record in records] == [[2, 4, 6]] * 2
    assert ("resumed" in records[0].facts) is not gone


def test_the_next_run_removes_what_a_killed_worker_left(tmp_path: Path) -> None:
    left = tmp_path / "r/networks/incoming" / f"{'a' * 64}-{'b' * 64}.safetensors"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"of a batch that is not trained any more")
    train(tmp_path / "r")
    assert not left.parent.exists()
    assert len(read_generators(tmp_path / "r")) == 2
