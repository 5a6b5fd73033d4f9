"""Batches in worker processes of this machine: spawned, one thread each, none outlives its driver.

Pebble keeps the workers, replaces the dead and ends the late. It carries numbers and bytes only: what cannot be
pickled fails here, as an event, and never inside the pool, which would hang on it.
"""

from __future__ import annotations

import os
import pickle
import signal
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganbench import Batch, Event, Finished, GanbenchError, Lost, Offer, Progress, Record, Started, hookimpl

from ganbench_plugins.executors.process import Workers, labour, logfile, prepare

if TYPE_CHECKING:
    from concurrent.futures import Future

    from pebble import ProcessPool

Work = Callable[[Batch, Callable[[int, int], None]], Iterable[Record]]

LOOK = 0.1
"""Seconds between two looks of the driver at what has ended."""
ATTEMPTS = 2
"""Workers that may die of a batch before it is lost: the kernel takes one for the memory that others hold."""
TAIL = 2000
"""Characters of a worker's log that an error quotes."""


@dataclass
class Task:
    """A batch given to the pool for the so-manieth time, and the worker that has begun it (0: none yet)."""

    batch: Batch
    future: Future[bytes]
    attempts: int = 1
    worker: int = 0


def build(jobs: int = 0, timeout: float | None = None, log: str = "") -> Callable[[Work, Iterable[Batch]], Events]:
    """Run `jobs` batches at a time (0: one per core), each for `timeout` seconds at most from its start.

    Workers write what they and their libraries print to `worker-<pid>.log` in the folder `log`. They start at once,
    and stop when the events end or are closed. The batch of a worker that dies is given to another, once; the death of
    that one loses the batch, and no other.
    """
    if jobs < 0:
        raise GanbenchError(f"executor 'local': jobs = {jobs}. Give a number of workers, or 0 for one per core.")
    if timeout is not None and timeout <= 0:
        raise GanbenchError(f"executor 'local': timeout = {timeout:g}. Give seconds above 0, or leave it out.")

    def run(work: Work, batches: Iterable[Batch]) -> Events:
        with ExitStack() as stack:
            folder = log or stack.enter_context(tempfile.TemporaryDirectory(prefix="ganbench-"))
            Path(folder).mkdir(parents=True, exist_ok=True)
            crew = stack.enter_context(Crew(jobs or cores(), timeout, folder, work))
            return Events(crew.events(iter(batches)), stack.pop_all())

    return run


class Events(Iterator[Event]):
    """What happens to the batches, one event after another; `close` ends it early, even before the first."""

    def __init__(self, told: Generator[Event, None, None], crew: ExitStack) -> None:
        self.told, self.crew = told, crew

    def __next__(self) -> Event:
        """Give the next event; with the last one the workers end, and with an exception too."""
        try:
            return next(self.told)
        except BaseException:
            self.crew.close()
            raise

    def close(self) -> None:
        """End the workers, whatever they do."""
        self.told.close()
        self.crew.close()


def cores() -> int:
    """Give the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Crew:
    """The workers of one run, and the tasks that they have in hand."""

    def __init__(self, jobs: int, timeout: float | None, log: str, work: Work) -> None:
        self.jobs, self.timeout, self.log, self.work = jobs, timeout, log, work
        self.context = Workers()
        self.reader, self.writer = self.context.Pipe(duplex=False)
        self.pool = self.hire()
        self.tasks: dict[int, Task] = {}

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        """Let idle workers end by themselves, so that they tidy up; stop those that still have something to do."""
        if not self.tasks and self.pool.active:
            self.pool.close()
            self.pool.join()
        else:
            dismiss(self.pool)
        self.reader.close()
        self.writer.close()

    def hire(self) -> ProcessPool:
        """Give a pool whose workers are on their way."""
        from pebble import ProcessPool

        try:
            work = pickle.dumps(self.work)
        except Exception:
            work = b""  # every batch will be lost for it, and say so
        start = (self.writer, self.log, work)
        pool = ProcessPool(self.jobs, initializer=prepare, initargs=start, context=self.context)
        with suppress(RuntimeError):  # the first task will tell
            _ = pool.active  # asking starts them
        return pool

    def events(self, batches: Iterator[Batch]) -> Generator[Event, None, None]:
        """Give what happens until every batch has ended."""
        numbered = enumerate(batches)
        while True:
            # Two tasks a worker: the next one waits at its door, and a plan of thousands is not pickled at once.
            for number, batch in islice(numbered, 2 * self.jobs - len(self.tasks)):
                yield from self.give(number, batch)
            if not self.tasks:
                return
            yield from self.heard(LOOK)
            broken = not self.pool.active
            for number in [number for number, task in self.tasks.items() if broken or task.future.done()]:
                yield from self.heard()  # a worker tells before it ends
                task = self.tasks.pop(number)
                if task.attempts < ATTEMPTS and died(task.future):
                    yield from self.give(number, task.batch, task.attempts + 1)
                else:
                    yield self.end(task)

    def give(self, number: int, batch: Batch, attempts: int = 1) -> Iterator[Event]:
        """Hand a batch to the pool, to a new one if this one broke; give its loss if it cannot travel."""
        try:
            task = pickle.dumps((self.work, batch))
        except Exception as error:
            yield Lost(batch, "failed", f"the batch cannot be sent to a worker: {error}")
            return
        if not self.pool.active:
            dismiss(self.pool)
            self.pool = self.hire()
        try:
            future = self.pool.schedule(labour, args=(number, task), timeout=self.timeout)
        except RuntimeError as error:
            yield Lost(batch, "failed", f"no worker could be started: {error.__cause__ or error}", attempts=attempts)
        else:
            self.tasks[number] = Task(batch, future, attempts)

    def heard(self, wait: float = 0.0) -> Iterator[Event]:
        """Give what the workers have told, waiting for the first word."""
        while self.reader.poll(wait):
            wait = 0.0
            message: tuple[int, ...] = self.reader.recv()
            task = self.tasks.get(message[0])
            match message:
                case _, worker if task:
                    task.worker = worker
                    yield Started(task.batch)
                case _, step, steps if task:
                    yield Progress(task.batch, step, steps)

    def end(self, task: Task) -> Event:
        """Give how a task ended: with records, or why without."""
        from pebble import ProcessExpired

        lost = partial(Lost, task.batch, "failed", attempts=task.attempts)
        if not task.future.done():
            return lost("the workers could not go on; the driver's own stderr may say why")
        try:
            result: Any = pickle.loads(task.future.result())
        except TimeoutError:
            late = f"no end after {self.timeout:g} seconds" + self.tail(task.worker)
            return Lost(task.batch, "timed-out", late, attempts=task.attempts)
        except ProcessExpired as error:
            return lost(death(error.pid, error.exitcode) + self.tail(error.pid))
        except Exception as error:
            return lost(f"{type(error).__name__}: {error}" + self.tail(task.worker))
        return lost(result) if isinstance(result, str) else Finished(task.batch, result, attempts=task.attempts)

    def tail(self, worker: int) -> str:
        """Give the last that a worker wrote about its batch, on a line of its own."""
        try:
            text = logfile(self.log, worker).read_text(errors="replace")
        except OSError:
            return ""
        return "\n" + text.rpartition("\n== ")[2][-TAIL:]


def died(future: Future[bytes]) -> bool:
    """Say whether a task ended because its worker died."""
    from pebble import ProcessExpired

    return future.done() and not future.cancelled() and isinstance(future.exception(), ProcessExpired)


def death(worker: int, code: int | None) -> str:
    """Say how a worker died: by which signal, or with which exit code."""
    how = f"was killed by {signal.Signals(-code).name}" if code and code < 0 else f"ended with exit code {code or 0}"
    return f"worker {worker} {how}"


def dismiss(pool: ProcessPool) -> None:
    """Stop the workers of a pool and wait until they are gone."""
    pool.stop()
    pool.join()


@hookimpl
def ganbench_executors() -> Iterable[Offer]:
    """Offer the cores of this machine."""
    yield Offer("local", build, "Worker processes on this machine, one thread each, with a time limit per batch.")
