"""The process that talks to Ray: where the cluster's head is lost, Ray ends this process, and the run notices it.

It takes batches from the driver over a pipe, has Ray train each as one task, and sends back what the nodes report. Ray
is only ever imported here and on the nodes.
"""

from __future__ import annotations

import math
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

from ganbench import GanbenchError

from ganbench_plugins.executors.process import Word, prepare_process
from ganbench_plugins.executors.ray_node import NodeSettings, measure_gpu, train

POLL_INTERVAL = 0.1
"""Seconds between two looks at the pipe while batches train."""

CONNECT_SECONDS = 10.0
"""Seconds that the head of a cluster may take to answer."""

MEASURE_SECONDS = 300.0
"""Seconds that a node may take to say how large its GPU is: it imports torch for that."""

SLOTS_INTERVAL = 5.0
"""Seconds between two looks at how many batches the cluster could train at a time: clusters grow and shrink."""

CONTEXT_BYTES = 2**30
"""Bytes of a GPU that a process takes beside what its batch does: CUDA's context and the kernels."""

SHARED_MEMORY = 0.95
"""The part of a GPU's memory that the processes on it share."""

LEAST_GPU = 0.25
"""The smallest part of a GPU for a batch: four processes use all of it, and more of them take memory for nothing."""


class Loss(Enum):
    """Why a batch came back from Ray without an end."""

    NODE = "node"
    MEMORY = "memory"
    WORKER = "worker"
    RUN = "run"  # it can be trained on no node like this one: the run ends


@dataclass(frozen=True)
class ClusterSettings:
    """How a run uses a Ray cluster: its address ("" starts one on this machine), and what each batch takes of it."""

    address: str = ""
    jobs: int | None = None
    gpus: float | None = None
    device: str = "auto"
    memory: int = 2**32
    runtime_env: Mapping[str, Any] = field(default_factory=dict)
    nodes: NodeSettings = field(default_factory=lambda: NodeSettings(None, {}))


def serve(driver: Connection, log: str, settings: ClusterSettings, work: bytes) -> None:
    """Train the batches that the driver sends on the cluster, until it closes the pipe.

    The first message is READY with the resources of the cluster, or UNABLE with the reason. Messages begin with the
    number of the batch that they are about, those about the cluster with None.
    """
    prepare_process(log)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        bridge = Bridge(driver, settings, work)
    except BaseException as error:
        driver.send((None, Word.UNABLE, str(error) or type(error).__name__))
        return
    try:
        bridge.run()
    finally:
        bridge.close()


def share_of_gpu(memory: int, total: int) -> float:
    """Return the part of a GPU of `total` bytes that a batch takes which may have `memory` bytes, at most all of it."""
    part = (memory + CONTEXT_BYTES) / (SHARED_MEMORY * total)
    return 1.0 if part > 0.5 else max(LEAST_GPU, math.ceil(100 * part) / 100)


class Bridge:
    """A connection to a cluster, the batches that Ray has, each by its generator of messages, and their numbers."""

    def __init__(self, driver: Connection, settings: ClusterSettings, work: bytes) -> None:
        import ray

        self.ray, self.driver, self.settings = ray, driver, settings
        self.inbox: SimpleQueue[tuple[int, bytes | None]] = SimpleQueue()
        self.running: dict[Any, int] = {}
        self.looked = -math.inf
        self.connect()
        self.resources, place = self.choose_resources()
        self.nodes = replace(settings.nodes, place=place)
        self.work = ray.put(work)
        self.task = ray.remote(train).options(num_returns="streaming", max_retries=0, **self.resources)

    def connect(self) -> None:
        """Connect to the cluster, or start one on this machine; raise OSError where nothing listens at its address."""
        own = not self.settings.address
        host, colon, port = self.settings.address.rpartition(":")
        if colon and port.isdecimal():  # Ray itself tries for minutes
            socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
        started = {"num_cpus": self.settings.jobs, "include_dashboard": False} if own else {}
        self.ray.init(
            address="local" if own else self.settings.address,
            log_to_driver=False,
            configure_logging=False,
            runtime_env=dict(self.settings.runtime_env) or None,
            **started,
        )

    def choose_resources(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what Ray is asked for a batch, and the arguments that a call of the work adds on a node."""
        device, has_gpus = self.settings.device, self.ray.cluster_resources().get("GPU", 0) > 0
        if device == "cpu" or (device == "auto" and not (has_gpus or self.settings.gpus)):
            return {"num_cpus": 1}, {}
        gpus = self.settings.gpus or self.measure_share()
        share = 1.0 if gpus == 1 else gpus * SHARED_MEMORY
        return {"num_cpus": 1, "num_gpus": gpus}, {"device": "cuda", "memory_share": share}

    def measure_share(self) -> float:
        """Return the part of a GPU for a batch, by the memory of the smallest GPU of each kind in the cluster."""
        kinds = [name for name in self.ray.cluster_resources() if name.startswith("accelerator_type:")]
        measure = self.ray.remote(measure_gpu)
        asked = [measure.options(num_gpus=0.01, resources={kind: 0.001}) for kind in kinds]
        answers = [each.remote() for each in asked or [measure.options(num_gpus=0.01)]]
        try:
            sizes = self.ray.get(answers, timeout=MEASURE_SECONDS)
        except self.ray.exceptions.GetTimeoutError:
            raise GanbenchError(
                f"no GPU of the cluster answered within {MEASURE_SECONDS:g} seconds. Name the part of one that a batch "
                "takes: --executor-option gpus=0.5."
            ) from None
        if not all(sizes):
            raise GanbenchError("a node has a GPU that torch does not find there. Use --device cpu.")
        return share_of_gpu(self.settings.memory, min(sizes))

    def run(self) -> None:
        """Submit batches and send messages until the driver closes the pipe."""
        threading.Thread(target=self.receive, daemon=True).start()
        with suppress(BrokenPipeError, ConnectionResetError):
            self.send_slots()
            while True:
                for number, batch in self.take():
                    if batch is None:
                        return
                    self.running[self.task.remote(self.work, batch, self.nodes)] = number
                for generator in self.wait():
                    self.read(generator)
                if monotonic() - self.looked > SLOTS_INTERVAL:
                    self.send_slots()

    def receive(self) -> None:
        """Read what the driver sends, also while this process sends: both would wait for each other for ever."""
        try:
            while True:
                self.inbox.put(self.driver.recv())
        except (EOFError, OSError):
            self.inbox.put((-1, None))

    def take(self) -> Iterator[tuple[int, bytes | None]]:
        """Yield the batches that have come, None for the end; wait a moment for one if nothing trains."""
        with suppress(Empty):
            yield self.inbox.get(timeout=None if self.running else POLL_INTERVAL, block=not self.running)
            while True:
                yield self.inbox.get_nowait()

    def wait(self) -> list[Any]:
        """Return the generators that have a message, after a moment at most."""
        if not self.running:
            return []
        ready, _ = self.ray.wait(list(self.running), num_returns=1, timeout=POLL_INTERVAL)
        if ready:
            ready, _ = self.ray.wait(list(self.running), num_returns=len(self.running), timeout=0)
        return list(ready)

    def read(self, generator: Any) -> None:
        """Send the next message of a batch, or that it was lost."""
        number = self.running[generator]
        try:
            message = self.ray.get(next(generator))
        except StopIteration:
            del self.running[generator]
        except Exception as error:  # Ray's own, and what it cannot read
            del self.running[generator]
            self.driver.send((number, *self.explain(error)))
        else:
            self.driver.send((number, *message))

    def explain(self, error: Exception) -> tuple[Loss, str]:
        """Return why Ray lost a batch, and the reason in words."""
        known = self.ray.exceptions
        text = str(getattr(error, "cause", None) or error).strip().partition("\n")[0]
        if isinstance(error, known.OutOfMemoryError):
            return Loss.MEMORY, text
        if isinstance(error, known.NodeDiedError | known.LocalRayletDiedError | known.ObjectLostError):
            return Loss.NODE, text
        if isinstance(error, known.WorkerCrashedError):
            return Loss.WORKER, text
        return Loss.RUN, text

    def send_slots(self) -> None:
        """Send how many batches the cluster could train at a time, and what it has, to the driver."""
        found: Callable[[str], float] = lambda name: self.ray.cluster_resources().get(name, 0.0)  # noqa: E731
        parts = [found("CPU"), found("GPU") / self.resources["num_gpus"] if "num_gpus" in self.resources else math.inf]
        self.looked = monotonic()
        has = f"{found('CPU'):g} CPUs and {found('GPU'):g} GPUs"
        needs = " and ".join(f"{self.resources[key]:g} {name}" for key, name in NAMES.items() if key in self.resources)
        self.driver.send((None, Word.READY, int(min(parts)), f"each batch takes {needs}, and the cluster has {has}"))

    def close(self) -> None:
        """Leave the cluster, which then stops what it trains for this process; stop it if it was started here."""
        self.ray.shutdown()


NAMES = {"num_cpus": "CPUs", "num_gpus": "GPUs"}
