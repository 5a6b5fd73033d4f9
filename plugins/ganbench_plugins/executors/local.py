"""Batches in worker processes of this machine: spawned, with one thread each; no worker outlives its driver.

Pebble manages the workers: it replaces those that died and stops those that exceed the time limit. It transports only
numbers and bytes: what cannot be pickled becomes an event here, because pebble's pool would hang on it.
"""

from __future__ import annotations

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

from ganbench_plugins.executors.process import REPLACE_ME, WorkerContext, initialise_worker, log_path, run_task

if TYPE_CHECKING:
    from concurrent.futures import Future

    from pebble import ProcessPool

Work = Callable[[Batch, Callable[[int, int], None]], Iterable[Record]]

POLL_INTERVAL = 0.1
"""Seconds between two checks by the driver for batches that have ended."""
ATTEMPTS = 2
"""Workers that may die with a batch before it is lost: the kernel may kill one for the memory that others use."""
QUOTED_CHARACTERS = 2000
"""Characters at the end of a worker's log that an error message quotes."""


@dataclass
class Task:
    """A batch in the pool, the number of times it was submitted, and the worker that began it (0: none yet)."""

    batch: Batch
    future: Future[bytes]
    attempts: int = 1
    worker: int = 0


def build(jobs: int = 1, timeout: float | None = None, log: str = "") -> Callable[[Work, Iterable[Batch]], Events]:
    """Return a function that runs `jobs` batches at a time, each for at most `timeout` seconds from its own start.

    Workers write what they and their libraries print to the file `log`, in whose path "{process}" stands for the number
    of the worker's process. They start when the function is called, and stop when the events end or are closed. If a
    worker dies, its batch is given to another worker, once; if that one dies too, the batch is lost. Raises
    GanbenchError for options out of range.
    """
    if jobs < 1:
        raise GanbenchError(f"executor 'local': jobs = {jobs}: give a number of workers, 1 or more.")
    if timeout is not None and timeout <= 0:
        raise GanbenchError(f"executor 'local': timeout = {timeout:g}: give seconds above 0, or leave it out.")

    def run(work: Work, batches: Iterable[Batch]) -> Events:
        with ExitStack() as stack:
            file = Path(log or stack.enter_context(tempfile.TemporaryDirectory(prefix="ganbench-")) + "/{process}.log")
            file.parent.mkdir(parents=True, exist_ok=True)
            workers = stack.enter_context(WorkerPool(jobs, timeout, str(file), work))
            return Events(workers.events(iter(batches)), stack.pop_all())

    return run


class Events(Iterator[Event]):
    """The events of all batches, in order; `close` ends them early, even before the first one."""

    def __init__(self, events: Generator[Event, None, None], resources: ExitStack) -> None:
        self.events, self.resources = events, resources

    def __next__(self) -> Event:
        """Return the next event; after the last one, or after an exception, the workers are stopped."""
        try:
            return next(self.events)
        except BaseException:
            self.resources.close()
            raise

    def close(self) -> None:
        """Stop the workers, even in the middle of a batch."""
        self.events.close()
        self.resources.close()


class WorkerPool:
    """The workers of one run, and the tasks that they have not finished yet."""

    def __init__(self, jobs: int, timeout: float | None, log: str, work: Work) -> None:
        self.jobs, self.timeout, self.log, self.work = jobs, timeout, log, work
        self.context = WorkerContext()
        self.reader, self.writer = self.context.Pipe(duplex=False)
        self.pool = self.start_pool()
        self.tasks: dict[int, Task] = {}

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *_: object) -> None:
        """Let idle workers exit by themselves, so that they clean up; stop workers that still have tasks."""
        if not self.tasks and self.pool.active:
            self.pool.close()
            self.pool.join()
        else:
            stop_pool(self.pool)
        self.reader.close()
        self.writer.close()

    def start_pool(self) -> ProcessPool:
        """Return a pool whose workers have begun to start."""
        from pebble import ProcessPool

        try:
            work = pickle.dumps(self.work)
        except Exception:
            work = b""  # `submit` reports this for every batch
        start = (self.writer, self.log, work)
        pool = ProcessPool(self.jobs, initializer=initialise_worker, initargs=start, context=self.context)
        with suppress(RuntimeError):  # `submit` reports it
            _ = pool.active  # reading this starts the workers
        return pool

    def events(self, batches: Iterator[Batch]) -> Generator[Event, None, None]:
        """Yield the events of all batches until every batch has ended."""
        numbered = enumerate(batches)
        while True:
            # Two tasks per worker: its next task is ready, and thousands of batches are not pickled at once.
            for number, batch in islice(numbered, 2 * self.jobs - len(self.tasks)):
                yield from self.submit(number, batch)
            if not self.tasks:
                return
            yield from self.read_messages(POLL_INTERVAL)
            broken = not self.pool.active
            for number in [number for number, task in self.tasks.items() if broken or task.future.done()]:
                yield from self.read_messages()  # sent before the worker ended
                task = self.tasks.pop(number)
                if task.worker == 0 and exit_code(task.future) == REPLACE_ME:  # its worker never began it
                    yield from self.submit(number, task.batch, task.attempts)
                elif task.attempts < ATTEMPTS and has_worker_died(task.future):
                    yield from self.submit(number, task.batch, task.attempts + 1)
                else:
                    yield self.build_end_event(task)

    def submit(self, number: int, batch: Batch, attempts: int = 1) -> Iterator[Event]:
        """Send a batch to the pool, or to a new pool if this one broke; yield Lost if it cannot be sent."""
        try:
            task = pickle.dumps((self.work, batch))
        except Exception as error:
            yield Lost(batch, "failed", f"the batch cannot be sent to a worker: {error}")
            return
        if not self.pool.active:
            stop_pool(self.pool)
            self.pool = self.start_pool()
        try:
            future = self.pool.schedule(run_task, args=(number, task), timeout=self.timeout)
        except RuntimeError as error:
            yield Lost(batch, "failed", f"no worker could be started: {error.__cause__ or error}", attempts=attempts)
        else:
            self.tasks[number] = Task(batch, future, attempts)

    def read_messages(self, wait: float = 0.0) -> Iterator[Event]:
        """Yield what the workers have reported; wait up to `wait` seconds for the first message."""
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

    def build_end_event(self, task: Task) -> Event:
        """Return the event of a task's end: Finished with its records, or Lost with the reason."""
        from pebble import ProcessExpired

        lost = partial(Lost, task.batch, "failed", attempts=task.attempts)
        if not task.future.done():
            return lost("the worker pool broke; see the stderr of the driver for the reason")
        try:
            result: Any = pickle.loads(task.future.result())
        except TimeoutError:
            reason = f"not finished after {self.timeout:g} seconds" + self.quote_log(task.worker)
            return Lost(task.batch, "timed-out", reason, attempts=task.attempts)
        except ProcessExpired as error:
            return lost(describe_exit(error.pid, error.exitcode) + self.quote_log(error.pid))
        except Exception as error:
            return lost(f"{type(error).__name__}: {error}" + self.quote_log(task.worker))
        return lost(result) if isinstance(result, str) else Finished(task.batch, result, attempts=task.attempts)

    def quote_log(self, worker: int) -> str:
        """Return the end of what a worker wrote to its log about its batch, on a new line; "" without a log."""
        try:
            text = log_path(self.log, worker).read_text(errors="replace")
        except OSError:
            return ""
        return "\n" + text.rpartition("\n== ")[2][-QUOTED_CHARACTERS:]


def has_worker_died(future: Future[bytes]) -> bool:
    """Return whether a task ended because its worker died."""
    from pebble import ProcessExpired

    return future.done() and not future.cancelled() and isinstance(future.exception(), ProcessExpired)


def exit_code(future: Future[bytes]) -> int | None:
    """Return the exit code of the worker that died with a task, None if none did."""
    return getattr(future.exception(), "exitcode", None) if has_worker_died(future) else None


def describe_exit(worker: int, code: int | None) -> str:
    """Return how a worker ended: by which signal, or with which exit code."""
    if code and code < 0:
        return f"worker {worker} was killed by {signal.Signals(-code).name}"
    return f"worker {worker} ended with exit code {code or 0}"


def stop_pool(pool: ProcessPool) -> None:
    """Stop the workers of a pool and wait until they have exited."""
    pool.stop()
    pool.join()


@hookimpl
def ganbench_executors() -> Iterable[Offer]:
    yield Offer("local", build, "Worker processes on this machine, one thread each, with a time limit per batch.")
