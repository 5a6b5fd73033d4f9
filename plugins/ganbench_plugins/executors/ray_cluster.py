"""Batches on a Ray cluster, one task for each; Ray carries them to the nodes, and back comes what the nodes report.

A process of its own talks to Ray (`ray_bridge`), and workers on the nodes train (`ray_node`). A node that dies costs
the batches that were training on it: they are trained again, whole, elsewhere. Where the cluster's head is lost, Ray
ends the process that talks to it; then the run ends with an error, and what is stored stays.
"""

from __future__ import annotations

import os
import pickle
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, distribution
from itertools import count
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from time import monotonic
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le
from ganbench import (
    Batch,
    Event,
    GanbenchError,
    Lost,
    NotInstalled,
    Offer,
    Progress,
    RunFailed,
    Started,
    Work,
    hookimpl,
)

from ganbench_plugins.executors.pool import ATTEMPTS, OUT_OF_MEMORY, Events, pickle_work
from ganbench_plugins.executors.process import Word, start_process
from ganbench_plugins.executors.ray_bridge import ClusterSettings, Loss, serve
from ganbench_plugins.executors.ray_node import NodeSettings, list_versions
from ganbench_plugins.executors.tasks import Task, WorkOnBatch

NODE_LOSSES = 10
"""Nodes that may die with a batch before it is lost: nodes come and go, and that is no fault of the batch."""

LEAST_QUEUED = 8
"""Batches that Ray has beyond those that it can train at a time, at least, so that no node waits for the driver."""

STOP_SECONDS = 10.0
"""Seconds that the process which talks to Ray may take to leave the cluster."""


def build(
    address: str = "",
    jobs: Annotated[int | None, Ge(1)] = None,
    timeout: Annotated[float | None, Gt(0)] = None,
    gpus: Annotated[float | None, Gt(0), Le(1)] = None,
    wait: Annotated[float, Gt(0)] = 600.0,
    runtime_env: dict[str, Any] | None = None,
) -> Callable[[WorkOnBatch, Iterable[Batch]], Events]:
    """Return a function that trains each batch as one task of a Ray cluster.

    `address` is that of the cluster's head, or "auto" for the cluster of this machine; without it one is started here,
    for this run. At most `jobs` batches train at a time, without it as many as the cluster has CPUs, or room on its
    GPUs: each takes one CPU, and of a GPU the part `gpus`, by default that of its memory which `[engine] memory` is,
    but no less than a quarter. `timeout` is the longest time of a batch on its node, in seconds, and `wait` the longest
    time until a first node takes a batch. `runtime_env` is Ray's, such as the packages that nodes are to install.
    """
    try:
        distribution("ray")
    except PackageNotFoundError:
        raise NotInstalled("it needs the package ray: pip install 'ganbench[ray]'") from None
    if address.startswith("ray://"):
        raise GanbenchError(
            f"executor 'ray': address = {address!r}: a run has to be on a node of the cluster. Start it there, with "
            "address = 'auto'."
        )
    settings = ClusterSettings(
        address=address,
        jobs=jobs,
        gpus=gpus,
        runtime_env=runtime_env or {},
        nodes=NodeSettings(timeout, list_versions()),
    )

    def run(work: WorkOnBatch, batches: Iterable[Batch]) -> Events:
        with ExitStack() as stack:
            work = work if isinstance(work, Work) else Work(work)
            if work.device not in ("auto", "cpu", "cuda"):
                raise GanbenchError(f"--device {work.device}: Ray chooses the GPU of each batch. Use --device cuda.")
            if work.device == "cpu" and gpus is not None:
                raise GanbenchError(f"--device cpu: the executor's option gpus = {gpus:g} asks for one. Leave one out.")
            nodes = replace(settings.nodes, divisible=work.divisible)
            own = replace(settings, device=work.device, memory=work.memory, nodes=nodes)
            cluster = stack.enter_context(Cluster(work, own, wait))
            return Events(cluster.events(iter(batches)), stack.pop_all())

    return run


class Cluster:
    """A Ray cluster as the driver sees it: the process that talks to it, the batches that Ray has, and the next ones.

    `slots` is how many batches the cluster could train at a time, at the last look, and `resources` says of what.
    """

    def __init__(self, work: Work, settings: ClusterSettings, wait: float) -> None:
        self.work, self.settings, self.patience = work, settings, wait
        self.tasks: dict[int, Task] = {}
        self.begun: set[int] = set()
        self.losses: dict[str, int] = {}
        self.queue: deque[Task] = deque()
        self.numbers = count()
        self.slots, self.resources, self.since = 0, "its head does not answer", monotonic()

    def __enter__(self) -> Cluster:
        """Start the process that talks to Ray."""
        self.pipe, other_end = connection.Pipe()
        log = self.work.log.replace("{process}", "ray-{process}")
        pickled, self.refusal = pickle_work(self.work)
        self.bridge: BaseProcess = start_process(serve, other_end, log or os.devnull, self.settings, pickled)
        other_end.close()
        return self

    def __exit__(self, *_: object) -> None:
        """Let the process leave the cluster, which stops what trains there; end it if that takes too long."""
        self.pipe.close()
        self.bridge.join(STOP_SECONDS)
        self.bridge.kill()
        self.bridge.join()

    def events(self, batches: Iterator[Batch]) -> Generator[Event, None, None]:
        """Yield the events of all batches until every batch has ended; raise RunFailed where the cluster is lost."""
        self.since = monotonic()
        while True:
            yield from self.submit(batches)
            if not self.tasks and self.slots:
                return
            yield from self.listen()
            if not self.begun and monotonic() - self.since > self.patience:
                raise RunFailed(
                    f"no node of the Ray cluster took a batch within {self.patience:g} seconds: {self.resources}. Add "
                    "nodes, or wait longer: --executor-option wait=SECONDS. The same command goes on."
                )

    def submit(self, batches: Iterator[Batch]) -> Iterator[Event]:
        """Send Ray as many batches as it can train, and some more; yield Lost for batches that cannot be sent."""
        most = self.settings.jobs or self.slots + max(self.slots, LEAST_QUEUED)
        while self.slots and len(self.tasks) < most:
            if not self.queue:
                if (batch := next(batches, None)) is None:
                    return
                if self.refusal:
                    yield Lost(batch, "failed", f"the batch cannot be sent to a node: {self.refusal}")
                    continue
                self.queue.append(Task(batch))
            number, task = next(self.numbers), self.queue.popleft()
            self.tasks[number] = task
            with suppress(OSError):  # the process has just ended: `listen` finds that out
                self.pipe.send((number, pickle.dumps(task.batch)))

    def listen(self) -> Iterator[Event]:
        """Wait a moment for messages; yield what they report, and raise RunFailed where the other process has ended."""
        connection.wait([self.pipe, self.bridge.sentinel], 1.0)
        try:
            while self.pipe.poll():
                match self.pipe.recv():
                    case None, Word.UNABLE, str(reason):
                        raise self.explain_unable(reason)
                    case None, Word.READY, int(slots), str(resources):
                        self.since = self.since if self.slots else monotonic()
                        self.slots, self.resources = slots or self.slots or 1, resources
                    case int(number), word, *content:
                        yield from self.read(number, word, content)
        except (EOFError, OSError):
            raise self.explain_loss() from None

    def read(self, number: int, word: Word | Loss, content: list[Any]) -> Iterator[Event]:
        """Yield the events that a message about a batch brings; none if it has ended, and its node died after that."""
        if (task := self.tasks.get(number)) is None:
            return
        match word, content:
            case Word.BEGUN, []:
                self.begun.add(number)
                yield Started(task.reported)
            case Word.PROGRESS, [step, steps]:
                yield Progress(task.reported, step, steps)
            case Word.ENDED, [bytes(pickled), attempts]:
                self.forget(number)
                ended, result = replace(task, attempts=task.attempts + attempts - 1), pickle.loads(pickled)
                yield from ended.lose(*result) if isinstance(result[0], str) else ended.finish(result)
            case Loss(), [str(reason)]:
                again = replace(task, attempts=task.attempts + (number in self.begun))
                self.forget(number)
                yield from self.handle_loss(again, word, reason)

    def forget(self, number: int) -> None:
        """Forget a batch that Ray no longer has."""
        del self.tasks[number]
        self.begun.discard(number)
        self.since = monotonic()

    def handle_loss(self, task: Task, why: Loss, reason: str) -> Iterator[Event]:
        """Put a task that Ray lost, or its halves, first in the queue; yield Lost if it was lost too often.

        Its attempts count the next one already.
        """
        if why is Loss.RUN:
            raise RunFailed(f"a node of the Ray cluster cannot train: {reason}\nThe same command goes on from here.")
        losses = self.losses[task.batch.key] = self.losses.get(task.batch.key, 0) + 1
        if losses < (NODE_LOSSES if why is Loss.NODE else ATTEMPTS):
            self.queue.appendleft(task)
        elif why is Loss.MEMORY and self.work.divisible and (halves := task.halve()):
            self.queue.extendleft(reversed(halves))
        else:
            ended = replace(task, attempts=max(1, task.attempts - 1))
            yield from ended.lose("failed", reason + OUT_OF_MEMORY * (why is Loss.MEMORY))

    def explain_unable(self, reason: str) -> RunFailed:
        """Return the error for a cluster that cannot be reached or started."""
        place = f"at address {self.settings.address!r}" if self.settings.address else "on this machine"
        return RunFailed(
            f"no Ray cluster {place}: {reason}\nStart one (`ray start --head`), name another address "
            "(--executor-option address=IP:PORT), or train without it: --executor local."
        )

    def explain_loss(self) -> RunFailed:
        """Return the error for a cluster whose head is lost."""
        self.bridge.join(1.0)
        path = self.work.log.replace("{process}", f"ray-{self.bridge.pid}")
        log = f" Ray's own messages: {path}" if path else ""
        return RunFailed(
            f"the connection to the Ray cluster is lost: its head, or the node of this process, has ended (exit code "
            f"{self.bridge.exitcode}). What is done is kept. When a cluster is there again, the same command goes on; "
            f"`--executor local` goes on without one.{log}"
        )


@hookimpl
def ganbench_executors() -> Iterable[Offer]:
    yield Offer("ray", build, "Tasks of a Ray cluster, one for each batch, on one machine or on many.")
