"""Batches in worker processes of this machine: spawned, one thread each, none outlives its driver.

Pebble keeps the workers, replaces the dead and ends the late. It carries numbers and bytes only: what cannot be
pickled fails here, as an event, and never inside the pool, which would hang on it.
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing import connection, parent_process
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganbench import GanbenchError, Offer, hookimpl
from ganbench.trials import Batch, Event, Finished, Lost, Progress, Record, Started

if TYPE_CHECKING:
    from concurrent.futures import Future

    from pebble import ProcessPool

Work = Callable[[Batch, Callable[[int, int], None]], Iterable[Record]]

THREADS = ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "VECLIB")
QUIET = 0.1
"""Seconds between two progress messages of a worker, and between two looks of the driver at what has ended."""
ATTEMPTS = 2
"""Workers that may die of a batch before it is lost: the kernel takes one for the memory that others hold."""
TAIL = 2000
"""Characters of a worker's log that an error quotes."""

_driver: Connection
"""In a worker: where it tells its driver how far it is. Pebble hands nothing else over that lives as long."""


class Worker(SpawnProcess):
    """A process that starts with one thread for every numerical library and deaf to Ctrl-C."""

    def start(self) -> None:
        """Start with the environment it needs, for libraries read it once, when they are imported."""
        with one_thread(), deaf():
            super().start()

    @property
    def exitcode(self) -> int | None:
        """Its exit code, None for 0: pebble takes 0 for a good end and would wait for the result for ever."""
        return super().exitcode or None


class Workers(SpawnContext):
    """The spawn context whose processes are workers."""

    Process = Worker


@contextmanager
def one_thread() -> Iterator[None]:
    """Ask for one thread a process in the environment, and put it back as it was."""
    names = [f"{library}_NUM_THREADS" for library in THREADS]
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


@contextmanager
def deaf() -> Iterator[None]:
    """Block SIGINT in this thread: processes started meanwhile inherit that, and the driver alone decides."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def prepare(driver: Connection, log: str) -> None:
    """Make a fresh process a worker: it writes to its own log, tells the driver, and ends with it."""
    global _driver
    _driver = driver
    # Pebble's handler waits until Python runs again; a worker inside a long kernel must end at once too.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    file = os.open(logfile(log, os.getpid()), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    faulthandler.enable()
    threading.Thread(target=end_with_driver, daemon=True).start()


def end_with_driver() -> None:
    """End this worker as soon as its driver is gone, however that went."""
    driver = parent_process()
    if driver is not None:
        connection.wait([driver.sentinel])
        os._exit(1)


def labour(number: int, task: bytes) -> bytes:
    """Do one task in a worker; give the pickled records, or as text why there are none."""
    # One small write to a pipe is atomic (POSIX): no lock is left behind by a worker that is killed while telling.
    _driver.send((number, os.getpid()))
    told = -QUIET

    def report(step: int, steps: int) -> None:
        nonlocal told
        if (now := time.monotonic()) - told >= QUIET or step == steps:
            told = now
            _driver.send((number, step, steps))

    try:
        work, batch = pickle.loads(task)
        sys.stderr.write(f"\n== {batch.label}\n")
        return pickle.dumps(tuple(work(batch, report)))
    except BaseException:
        sys.stderr.write(text := traceback.format_exc(limit=-8))
        return pickle.dumps(text)


@dataclass
class Task:
    """A batch given to the pool for the so-manieth time, and the worker that has begun it (0: none yet)."""

    batch: Batch
    future: Future[bytes]
    attempts: int = 1
    worker: int = 0


def build(
    jobs: int = 0, timeout: float | None = None, log: str = ""
) -> Callable[[Work, Iterable[Batch]], Iterator[Event]]:
    """Run `jobs` batches at a time (0: one per core), each for `timeout` seconds at most from its start.

    Workers write what they and their libraries print to `worker-<pid>.log` in the folder `log`. They start when the
    first event is asked for, and stop when the events end or their generator is closed. The batch of a worker that
    dies is given to another, once; the death of that one loses the batch, and no other.
    """
    if jobs < 0:
        raise GanbenchError(f"executor 'local': jobs = {jobs}. Give a number of workers, or 0 for one per core.")
    if timeout is not None and timeout <= 0:
        raise GanbenchError(f"executor 'local': timeout = {timeout:g}. Give seconds above 0, or leave it out.")

    def run(work: Work, batches: Iterable[Batch]) -> Iterator[Event]:
        with ExitStack() as stack:
            folder = log or stack.enter_context(tempfile.TemporaryDirectory(prefix="ganbench-"))
            Path(folder).mkdir(parents=True, exist_ok=True)
            crew = stack.enter_context(Crew(jobs or cores(), timeout, folder))
            yield from crew.events(work, iter(batches))

    return run


def cores() -> int:
    """Give the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Crew:
    """The workers of one run, and the tasks that they have in hand."""

    def __init__(self, jobs: int, timeout: float | None, log: str) -> None:
        self.jobs, self.timeout, self.log = jobs, timeout, log
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
        """Give a pool whose workers start with its first task."""
        from pebble import ProcessPool

        return ProcessPool(self.jobs, initializer=prepare, initargs=(self.writer, self.log), context=self.context)

    def events(self, work: Work, batches: Iterator[Batch]) -> Iterator[Event]:
        """Give what happens until every batch has ended."""
        numbered = enumerate(batches)
        while True:
            # Two tasks a worker: the next one waits at its door, and a plan of thousands is not pickled at once.
            for number, batch in islice(numbered, 2 * self.jobs - len(self.tasks)):
                yield from self.give(number, work, batch)
            if not self.tasks:
                return
            yield from self.heard(QUIET)
            broken = not self.pool.active
            for number in [number for number, task in self.tasks.items() if broken or task.future.done()]:
                yield from self.heard()  # a worker tells before it ends
                task = self.tasks.pop(number)
                if task.attempts < ATTEMPTS and died(task.future):
                    yield from self.give(number, work, task.batch, task.attempts + 1)
                else:
                    yield self.end(task)

    def give(self, number: int, work: Work, batch: Batch, attempts: int = 1) -> Iterator[Event]:
        """Hand a batch to the pool, to a new one if this one broke; give its loss if it cannot travel."""
        try:
            task = pickle.dumps((work, batch))
        except Exception as error:
            yield Lost(batch, "failed", f"the batch cannot be sent to a worker: {error}")
            return
        if not self.pool.active:
            dismiss(self.pool)
            self.pool = self.hire()
        try:
            future = self.pool.schedule(labour, args=(number, task), timeout=self.timeout)
        except RuntimeError as error:
            yield Lost(batch, "failed", f"no worker could be started: {error.__cause__ or error}", attempts)
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
            return Lost(task.batch, "timeout", late, task.attempts)
        except ProcessExpired as error:
            return lost(death(error.pid, error.exitcode) + self.tail(error.pid))
        except Exception as error:
            return lost(f"{type(error).__name__}: {error}" + self.tail(task.worker))
        return lost(result) if isinstance(result, str) else Finished(task.batch, result, task.attempts)

    def tail(self, worker: int) -> str:
        """Give the last that a worker wrote about its batch, on a line of its own."""
        try:
            text = logfile(self.log, worker).read_text(errors="replace")
        except OSError:
            return ""
        return "\n" + text.rpartition("\n== ")[2][-TAIL:]


def logfile(log: str, worker: int) -> Path:
    """Give the path of a worker's log."""
    return Path(log) / f"worker-{worker}.log"


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
