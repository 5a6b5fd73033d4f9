"""A real Ray cluster of two nodes on this machine, and what tests wait for on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ganbench import Progress

from tests.support import executor_work as works


@contextmanager
def two_nodes() -> Iterator[Any]:
    """Yield a cluster of two nodes of one CPU each, of which the second one is `second`."""
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes.second = nodes.add_node(num_cpus=1)
    try:
        yield nodes
    finally:
        nodes.shutdown()


def wait_for_progress(events: Iterator[Any], count: int) -> list[Progress]:
    """Return the first progress of so many batches."""
    found: dict[str, Progress] = {}
    while len(found) < count:
        if isinstance(event := next(events), Progress):
            found[works.name_of(event.batch)] = event
    return list(found.values())
