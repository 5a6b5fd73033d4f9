"""What a Ray cluster's nodes do with a batch: they train it in a worker process, as this machine would.

A node's worker is that of the local executor: one thread, a time limit, a second attempt if it dies, halves if memory
runs out. So Ray only has to carry batches to nodes, and a node that dies takes nothing with it but the batches on it.
"""

from __future__ import annotations

import atexit
import os
import pickle
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import entry_points
from time import monotonic
from typing import Any

from ganbench import Batch, Finished, GanbenchError, Lost, Progress, Started

from ganbench_plugins.executors.pool import WorkerPool
from ganbench_plugins.executors.process import Word

PROGRESS_SECONDS = 1.0
"""Seconds between two reports of a batch's progress over the network."""

GPU_MEMORY = "import torch; print(torch.cuda.get_device_properties(0).total_memory if torch.cuda.is_available() else 0)"


@dataclass(frozen=True)
class NodeSettings:
    """How nodes train: the time limit, the packages that they must have, and the arguments that calls of the work add.

    `divisible` says whether the halves of a batch may be done apart.
    """

    timeout: float | None
    versions: Mapping[str, str]
    place: Mapping[str, Any] = field(default_factory=dict)
    divisible: bool = True


def list_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that offer plugins, in this environment."""
    packages = {entry.dist.name: entry.dist.version for entry in entry_points(group="ganbench") if entry.dist}
    return {"Python": ".".join(platform.python_version_tuple()[:2]), **packages}


def train(work: bytes, batch: bytes, settings: NodeSettings) -> Iterator[tuple[Any, ...]]:
    """Train a batch on this node; yield its messages: BEGUN, PROGRESS, then ENDED with what the local executor says.

    With ENDED come the records, or the status and the reason of a batch without, pickled, and the number of attempts.
    Raise GanbenchError, which names this node, for another environment than the run's, and where no worker starts.
    """
    try:
        refuse_other_versions(settings.versions)
        yield from follow(open_pool(work, settings), pickle.loads(batch))
    except GanbenchError as error:
        raise GanbenchError(f"{platform.node()}: {error}") from error


def follow(pool: WorkerPool, batch: Batch) -> Iterator[tuple[Any, ...]]:
    """Yield the messages of a batch that trains in this pool."""
    reported = -PROGRESS_SECONDS
    for event in pool.events(iter([batch])):
        match event:
            case Started():
                yield (Word.BEGUN,)
            case Progress(_, step, steps):
                if (now := monotonic()) - reported >= PROGRESS_SECONDS:
                    reported = now
                    yield (Word.PROGRESS, step, steps)
            case Finished(_, records):
                yield (Word.ENDED, pickle.dumps(records), event.attempts)
            case Lost(_, status, error):
                yield (Word.ENDED, pickle.dumps((status, error)), event.attempts)


def refuse_other_versions(versions: Mapping[str, str]) -> None:
    """Raise GanbenchError where this node has other versions than the run."""
    here = list_versions()
    for name, version in versions.items():
        if (found := here.get(name, "none")) != version:
            raise GanbenchError(
                f"it has {name} {found}, and the run {version}. Install the same packages on all nodes, or have Ray do "
                "it: --executor-option 'runtime_env={pip=[...]}'."
            )


_pools: dict[str, WorkerPool] = {}


def open_pool(work: bytes, settings: NodeSettings) -> WorkerPool:
    """Return the pool of one worker that this process has for this work, these settings and the GPUs that it sees."""
    if not settings.place:  # no GPU was asked for: there may be one of which Ray does not know
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    gpus = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    key = sha256(work + repr((dict(settings.place), settings.timeout, gpus)).encode()).hexdigest()
    if key not in _pools:
        close_pools()
        folder = tempfile.TemporaryDirectory(prefix="ganbench-")
        atexit.register(folder.cleanup)
        log = f"{folder.name}/{{process}}.log"
        _pools[key] = WorkerPool(work, [settings.place], settings.timeout, log, settings.divisible).__enter__()
    pool = _pools[key]
    pool.fruitless = 0  # those of a batch before
    pool.start_workers()
    return pool


def close_pools() -> None:
    """Stop the workers of this process."""
    while _pools:
        _pools.popitem()[1].stop()


def measure_gpu() -> int:
    """Return the bytes of memory of the GPU that Ray gives this process, 0 where torch finds none."""
    process = subprocess.run([sys.executable, "-c", GPU_MEMORY], capture_output=True, text=True, timeout=300)
    return int(process.stdout) if process.returncode == 0 else 0
