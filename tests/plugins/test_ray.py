"""Batches on a real Ray cluster of two nodes on this machine: the same bits, and nodes, workers and heads that die."""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import ganbench
import psutil
import pytest
from ganbench import Finished, GanbenchError, Lost, NotInstalled, Progress, RunFailed, Started, Work
from ganbench.results.store import Store
from ganbench.testing.executor_work import make_batch as make_trial
from ganbench.testing.executor_work import work as report_two_steps

from ganbench_plugins.executors import ray_cluster, ray_node
from ganbench_plugins.executors.ray_bridge import CONTEXT_BYTES, share_of_gpu
from ganbench_plugins.executors.ray_node import list_versions, refuse_other_versions
from tests.chaos import find_differences
from tests.support import executor_work as works
from tests.support.executor_work import make_batch
from tests.support.ray_nodes import two_nodes, wait_for_progress
from tests.support.tiny_suite import suite as small

pytest.importorskip("ray", reason="no Ray here: pip install 'ganbench[ray]'")

SUITE = small(
    methods=["ns-gan", "wgan-gp", "lsgan"], budget={"generator_steps": 1000, "batch_size": 16, "snapshots": 4}
)


@pytest.fixture
def cluster() -> Iterator[Any]:
    with two_nodes() as nodes:
        yield nodes


def build(cluster: Any, **options: Any) -> Callable[..., Iterator[Any]]:
    return ray_cluster.build(address=cluster.address, **options)


def outcomes(events: list[Any]) -> dict[str, str]:
    """Return how the batches ended, by their names."""
    return {
        works.name_of(event.batch): type(event).__name__.lower()
        for event in events
        if isinstance(event, Finished | Lost)
    }


def test_a_cluster_of_two_nodes_trains_to_the_same_bits_also_when_one_of_them_is_killed(
    cluster: Any, tmp_path: Path
) -> None:
    local = ganbench.run(SUITE, results=tmp_path / "local", jobs=2)
    options = {"address": cluster.address}
    whole = ganbench.run(SUITE, results=tmp_path / "whole", executor="ray", executor_options=options)
    assert find_differences(whole, local) == []
    killed, running = list[str](), set[str]()

    def kill_a_node(session: Any, event: Any) -> None:
        if isinstance(event, Started):
            running.add(event.batch.key)
        if isinstance(event, Finished):
            running.discard(event.batch.key)
        if isinstance(event, Progress) and len(running) == 2 and not killed:
            cluster.remove_node(cluster.second, allow_graceful=False)
            killed.append(event.batch.key)

    again = ganbench.run(
        SUITE, results=tmp_path / "killed", executor="ray", executor_options=options, watch=kill_a_node
    )
    assert killed, "no node was killed while both were training"
    assert find_differences(again, local) == []
    with Store(tmp_path / "killed", readonly=True) as store:
        attempts = [store.detail(key)["facts"]["attempts"] for key in again.trials["key"]]
    assert set(attempts) == {1, 2}, "only the work in flight was done twice"


def test_a_failure_a_crash_and_a_timeout_cost_only_their_own_batch(cluster: Any) -> None:
    events = list(build(cluster)(works.raise_if_bad, [make_batch("bad"), make_batch("good")]))
    assert outcomes(events) == {"bad": "lost", "good": "finished"}
    [lost] = [event for event in events if isinstance(event, Lost)]
    assert "ValueError: planted failure" in lost.error
    die = partial(works.act_if_bad, partial(os._exit, 3))
    events = list(build(cluster)(die, [make_batch("bad"), make_batch("good")]))
    assert outcomes(events) == {"bad": "lost", "good": "finished"}
    [lost] = [event for event in events if isinstance(event, Lost)]
    assert "its worker ended with exit code 3" in lost.error
    assert lost.attempts == 2
    events = list(build(cluster, timeout=1.5)(works.oversleep_if_bad, [make_batch("bad"), make_batch("good")]))
    [lost] = [event for event in events if isinstance(event, Lost)]
    assert (lost.status, works.name_of(lost.batch)) == ("timed-out", "bad")


PLUGIN = """
from near_by import difference
from ganbench import Objective, Offer, hookimpl

def critic(real, fake):
    return -difference(real, fake)

def generator(real, fake):
    return -fake.mean()

@hookimpl
def ganbench_losses():
    yield Offer("mine", lambda: Objective(critic, generator), "The difference of the mean scores.")
"""


def test_nodes_train_with_the_plugin_file_and_its_modules_that_were_planned(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = tmp_path / "mine.py", tmp_path / "near_by.py"
    files[0].write_text(PLUGIN)
    files[1].write_text("def difference(real, fake):\n    return real.mean() - fake.mean()\n")
    monkeypatch.syspath_prepend(tmp_path)

    def remove_files(session: Any, event: Any) -> None:
        for file in files:
            file.unlink(missing_ok=True)

    suite = small(methods=["own"], method=[{"name": "own", "loss": "mine"}], success=None)
    frames = ganbench.run(
        suite,
        results=tmp_path / "r",
        files=[str(files[0])],
        executor="ray",
        executor_options={"address": cluster.address},
        watch=remove_files,
    )
    assert not files[1].exists()
    assert list(frames.trials["error"]) == [""] * 3
    assert list(frames.trials["status"]) == ["completed"] * 3


def test_a_worker_on_a_node_has_one_thread(cluster: Any) -> None:
    [_, end] = build(cluster)(works.count_threads, [make_batch("one")])
    assert end.records[0].facts["threads"] == 1


def test_closing_the_events_stops_what_trains_and_leaves_the_cluster(cluster: Any) -> None:
    events = build(cluster)(works.sleep_for_a_minute, [make_batch("one"), make_batch("two")])
    processes = [event.step for event in wait_for_progress(events, 2)]
    assert all(map(psutil.pid_exists, processes))
    began = time.monotonic()
    events.close()
    while any(map(psutil.pid_exists, processes)) and time.monotonic() - began < 15:
        time.sleep(0.1)
    assert not any(map(psutil.pid_exists, processes))
    assert outcomes(list(build(cluster)(works.report_three_steps, [make_batch("three")]))) == {"three": "finished"}


def test_a_batch_takes_its_part_of_a_gpu(cluster: Any) -> None:
    cluster.add_node(num_cpus=2, num_gpus=1)
    work = Work(tell_place, device="cuda")
    events = list(build(cluster, gpus=0.5)(work, [make_batch("one"), make_batch("two"), make_batch("three")]))
    places = [event.records[0].facts for event in events if isinstance(event, Finished)]
    assert [(place["device"], place["memory_share"]) for place in places] == [("cuda", 0.475)] * 3
    assert {place["visible"] for place in places} == {"0"}


def tell_place(batch: Any, report: Any, *, device: str, memory_share: float) -> list[Any]:
    visible = os.environ["CUDA_VISIBLE_DEVICES"]
    return works.make_records(batch, device=device, memory_share=memory_share, visible=visible)


@pytest.mark.parametrize(
    ("gibibytes", "total", "share"), [(4, 80, 0.25), (30, 80, 0.41), (4, 16, 0.33), (39, 80, 1.0), (200, 80, 1.0)]
)
def test_the_part_of_a_gpu_follows_from_the_memory_of_a_batch(gibibytes: int, total: int, share: float) -> None:
    assert share_of_gpu(gibibytes * 2**30, total * 2**30) == share
    assert CONTEXT_BYTES == 2**30


def test_a_node_with_other_packages_is_refused_with_both_versions() -> None:
    refuse_other_versions(list_versions())
    with pytest.raises(GanbenchError, match=r"it has ganbench 0\.\d+\.\d+, and the run 9\.9\. Install the same"):
        refuse_other_versions({"ganbench": "9.9"})
    with pytest.raises(GanbenchError, match=r"it has other-gans none, and the run 1\.0"):
        refuse_other_versions({"other-gans": "1.0"})


def test_a_node_that_cannot_train_ends_the_run_with_its_reason(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "list_versions", lambda: {"ganbench": "9.9"})
    with pytest.raises(RunFailed, match=r"a node of the Ray cluster cannot train: .+: it has ganbench"):
        list(build(cluster)(works.report_three_steps, [make_batch("one")]))


@pytest.mark.parametrize(
    ("options", "device", "message"),
    [
        ({"address": "ray://head:10001"}, "cpu", r"address = 'ray://head:10001': a run has to be on a node"),
        ({"gpus": 0.5}, "cpu", r"--device cpu: the executor's option gpus = 0\.5 asks for one\. Leave one out\."),
        ({}, "cuda:1", r"--device cuda:1: Ray chooses the GPU of each batch\. Use --device cuda\."),
    ],
)
def test_what_ray_cannot_do_is_refused_before_it_starts(options: dict[str, Any], device: str, message: str) -> None:
    with pytest.raises(GanbenchError, match=message):
        ray_cluster.build(**options)(Work(works.report_three_steps, device=device), [])


def test_the_messages_of_a_node_are_those_of_the_local_executor() -> None:
    settings = ray_node.NodeSettings(None, list_versions())
    work, batch = pickle.dumps(Work(report_two_steps)), pickle.dumps(make_trial("one"))
    try:
        begun, *_, ended = ray_node.train(work, batch, settings)
    finally:
        ray_node.close_pools()
    assert begun == (ray_node.Word.BEGUN,)
    word, pickled, attempts = ended
    records = pickle.loads(pickled)
    assert (word, attempts) == (ray_node.Word.ENDED, 1)
    assert [record.trial.key for record in records] == [make_trial("one").trials[0].key]


def test_large_records_and_many_batches_pass_each_other(cluster: Any) -> None:
    """Two processes that only send, each with more than a pipe holds, would wait for each other for ever."""
    batches = [works.make_seeds(f"{i} " + "x" * 1_000_000, 1) for i in range(40)]
    events = list(build(cluster)(partial(works.return_bytes, 3_000_000), batches))
    assert sum(isinstance(event, Finished) for event in events) == len(batches)
    assert {len(event.records[0].facts["bytes"]) for event in events if isinstance(event, Finished)} == {3_000_000}


def test_ray_that_is_not_installed_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def lack(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(ray_cluster, "distribution", lack)
    with pytest.raises(NotInstalled, match=r"it needs the package ray: pip install 'ganbench\[ray\]'"):
        ray_cluster.build()
