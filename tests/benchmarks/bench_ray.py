"""What Ray costs: 200 batches that each wait a second, in two workers of this machine and on two nodes of a cluster.

    pytest -n 0 -s tests/benchmarks/bench_ray.py

Two nodes of one CPU each stand on this machine (`ray.cluster_utils.Cluster`). The batches train nothing, so that what
differs is what the executors do; both are timed from the first call to the last event, the start of their processes
included, in turns.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from ganbench import Finished, Work

from ganbench_plugins.executors import local, ray_cluster
from tests.support.executor_work import make_batch, wait_a_second

BATCHES, ROUNDS, MOST = 200, 3, 1.15


def measure(run: Callable[..., Iterator[Any]]) -> float:
    """Return the seconds in which an executor does all batches."""
    began = time.monotonic()
    events = list(run(Work(wait_a_second), [make_batch(str(i)) for i in range(BATCHES)]))
    assert sum(isinstance(event, Finished) for event in events) == BATCHES
    return time.monotonic() - began


def test_ray_costs_little_more_than_workers_of_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    ways = {"local": partial(local.build, jobs=2), "ray": partial(ray_cluster.build, address=cluster.address)}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    try:
        for _ in range(ROUNDS):
            for name, build in ways.items():
                seconds[name].append(measure(build()))
    finally:
        cluster.shutdown()
    ratio = statistics.median(ray / own for ray, own in zip(seconds["ray"], seconds["local"], strict=True))
    with capsys.disabled():
        listed = {name: [round(each, 1) for each in found] for name, found in seconds.items()}
        print(f"\n{BATCHES} batches of a second: {listed}, ratio {ratio:.3f}")  # noqa: T201
    assert ratio < MOST
