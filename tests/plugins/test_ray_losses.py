"""What a Ray cluster loses: workers, nodes, its head; and clusters that are not there, or have no room."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import ganbench
import psutil
import pytest
from ganbench import Finished, GanbenchError, RunFailed, Work

from ganbench_plugins.executors import ray_cluster, ray_node
from ganbench_plugins.executors.ray_bridge import Loss
from ganbench_plugins.executors.tasks import Task
from tests.chaos import find_differences
from tests.support import executor_work as works
from tests.support.executor_work import make_batch
from tests.support.ray_nodes import two_nodes, wait_for_progress

pytest.importorskip("ray", reason="no Ray here: pip install 'ganbench[ray]'")


@pytest.fixture
def cluster() -> Iterator[Any]:
    with two_nodes() as nodes:
        yield nodes


def test_a_ray_worker_that_is_killed_costs_an_attempt(cluster: Any, tmp_path: Path) -> None:
    events = ray_cluster.build(address=cluster.address)(
        partial(works.sleep_once, str(tmp_path / "slept")), [make_batch("one")]
    )
    [progress] = wait_for_progress(events, 1)
    os.kill(psutil.Process(progress.step).ppid(), signal.SIGKILL)
    [end] = [event for event in events if isinstance(event, Finished)]
    assert end.attempts == 2


def test_a_node_that_dies_after_a_batch_has_ended_there_costs_nothing() -> None:
    cluster = ray_cluster.Cluster(Work(works.report_three_steps), ray_cluster.ClusterSettings(), 600.0)
    batch = make_batch("one")
    cluster.tasks[0] = Task(batch)
    ended = [pickle.dumps(tuple(works.make_records(batch))), 1]
    [end] = cluster.read(0, ray_node.Word.ENDED, ended)
    assert isinstance(end, Finished)
    assert list(cluster.read(0, Loss.NODE, ["the node died"])) == []
    assert not cluster.queue


HEAD_LOST = "the connection to the Ray cluster is lost"


@pytest.mark.parametrize(
    "lose", ["kill_raylet", pytest.param("kill_gcs_server", marks=pytest.mark.large)]
)  # Ray waits a minute for a head that may come back
def test_a_lost_head_ends_the_run_with_the_way_to_go_on(cluster: Any, tmp_path: Path, lose: str) -> None:
    suite, results = tmp_path / "suite.toml", tmp_path / "r"
    suite.write_text(LONG)
    words = [sys.executable, "-m", "ganbench", "run", str(suite), "--results", str(results)]
    chosen = ["--executor", "ray", "--executor-option", f"address={cluster.address}"]
    driver = subprocess.Popen([*words, *chosen], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 100
    while count_stored(results) == 0 and time.monotonic() < deadline:
        time.sleep(0.2)
    stored = count_stored(results)
    getattr(cluster.head_node, lose)()
    _, errors = driver.communicate(timeout=150)
    assert driver.returncode == 1
    assert HEAD_LOST in errors
    assert "`--executor local` goes on without one" in errors
    assert "Traceback" not in errors
    assert count_stored(results) >= stored > 0
    again = subprocess.run([*words, "--executor", "local"], capture_output=True, text=True, timeout=200)
    assert again.returncode == 0
    assert find_differences(ganbench.read(results), ganbench.run(str(suite), results=tmp_path / "local")) == []


LONG = """
question = "What if the head is lost?"
seeds = 2
methods = ["lsgan", "ns-gan", "wgan-gp", "gan", "dragan", "mmd-gan"]
dataset = [{ name = "ring" }]
measurement = { samples = 50 }
budget = { generator_steps = 3000, batch_size = 16, snapshots = 2 }

[architectures]
space = "mlp"
options = { generator_width = 8, critic_width = 8 }
"""


def count_stored(results: Path) -> int:
    """Return how many trials a results folder has, 0 where there is none yet."""
    try:
        return len(ganbench.read(results).trials.query("status == 'completed'"))
    except GanbenchError:
        return 0


def test_a_cluster_that_is_not_there_is_an_error_with_the_way_out() -> None:
    with pytest.raises(RunFailed, match=r"no Ray cluster at address '127\.0\.0\.1:1': .*\n.*ray start --head"):
        list(ray_cluster.build(address="127.0.0.1:1")(works.report_three_steps, [make_batch("one")]))


def test_a_run_without_a_node_that_can_train_ends_after_a_while(cluster: Any) -> None:
    work = Work(works.report_three_steps, device="cuda")
    with pytest.raises(
        RunFailed, match=r"within 8 seconds: each batch takes 1 CPUs and 0\.5 GPUs, and the cluster has 2"
    ):
        list(ray_cluster.build(address=cluster.address, gpus=0.5, wait=8)(work, [make_batch("one")]))
