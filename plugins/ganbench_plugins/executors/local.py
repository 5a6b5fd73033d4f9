"""Batches in worker processes of this machine, with one thread each; no worker outlives its driver."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

from ganbench import Batch, GanbenchError, Offer, Work, hookimpl

from ganbench_plugins.executors.pool import Events, WorkerPool, pickle_work
from ganbench_plugins.executors.tasks import WorkOnBatch


def build(jobs: int | None = None, timeout: float | None = None) -> Callable[[WorkOnBatch, Iterable[Batch]], Events]:
    """Return a function that runs `jobs` batches at a time, each for at most `timeout` seconds from its own start.

    Without `jobs`, there are as many workers as the work has places for. What workers and their libraries print goes to
    the log of the work. They start when the function is called, and stop when the events end or are closed. If a worker
    dies, its batch is given to another worker, once; if that one dies too, the batch is lost. If the system killed
    both, as it does when memory runs out, the halves of the batch are given to workers in the same way, unless the work
    is not divisible. A worker that dies while it waits is replaced. Raises GanbenchError for options out of range, and
    the events raise RunFailed if no worker can be started.
    """
    if jobs is not None and jobs < 1:
        raise GanbenchError(f"executor 'local': jobs = {jobs}: give a number of workers, 1 or more.")
    if timeout is not None and timeout <= 0:
        raise GanbenchError(f"executor 'local': timeout = {timeout:g}: give seconds above 0, or leave it out.")

    def run(work: WorkOnBatch, batches: Iterable[Batch]) -> Events:
        with ExitStack() as stack:
            work = work if isinstance(work, Work) else Work(work)
            log = work.log or stack.enter_context(tempfile.TemporaryDirectory(prefix="ganbench-")) + "/{process}.log"
            Path(log).parent.mkdir(parents=True, exist_ok=True)
            pickled, refusal = pickle_work(work)
            pool = WorkerPool(pickled, work.places(jobs), timeout, log, work.divisible, refusal)
            return Events(stack.enter_context(pool).events(iter(batches)), stack.pop_all())

    return run


@hookimpl
def ganbench_executors() -> Iterable[Offer]:
    yield Offer("local", build, "Worker processes on this machine, one thread each, with a time limit per batch.")
