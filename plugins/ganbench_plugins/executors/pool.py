"""A pool of worker processes: one thread each, replaced when they die; none outlives its driver.

Every worker has a pipe of its own, so what happens to one worker touches no other: it is replaced, and the rest go on.
"""

from __future__ import annotations

import atexit
import pickle
import signal
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from math import inf
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from time import monotonic
from typing import Any

from ganbench import Batch, Event, Lost, Progress, RunFailed, Started, Work

from ganbench_plugins.executors.process import Word, log_path, read_end, serve, shorten_log, start_process
from ganbench_plugins.executors.tasks import Task

POLL_INTERVAL = 0.1
"""Seconds between two checks by the driver for workers that exceed the time limit."""
ATTEMPTS = 2
"""Workers that may die with a batch before it is lost, or trained in halves: one may die of what others do."""
OUT_OF_MEMORY = (
    "\nThe system kills processes when memory runs out, and this trial was alone. Use fewer workers (--jobs), smaller "
    "networks or a smaller batch_size; where seeds train together, a smaller [engine] memory takes fewer of them."
)
"""What follows the end of a worker that was killed with a single trial."""
STARTS = 3
"""Workers for each job that may end, one after another, before any begins a batch; then the run ends."""
QUOTED_BYTES = 2000
"""Bytes at the end of a worker's log that an error message quotes."""


@dataclass
class Job:
    """A worker, the driver's end of its pipe, and the task that it was sent."""

    worker: BaseProcess
    pipe: Connection
    ready: bool = False
    task: Task | None = None
    begun: bool = False
    deadline: float = 0.0
    last_words: str = ""
    deaf: bool = False
    """Whether the pipe is closed at the other end."""
    place: int = 0
    """The number of the worker's place among those of the executor."""

    def stop(self) -> None:
        """Kill the worker if it still runs, and wait until it has ended."""
        self.worker.kill()
        self.worker.join()
        self.pipe.close()

    def describe_end(self) -> str:
        """Return how the worker ended: by which signal, or with which exit code."""
        code = self.worker.exitcode
        if code is None:
            return "its worker closed the connection to this process"
        if code < 0:
            return f"its worker was killed by {signal.Signals(-code).name}"
        return f"its worker ended with exit code {code}"


def pickle_work(work: Work) -> tuple[bytes, str]:
    """Return the work as it is sent to workers and "", or nothing and why it cannot be pickled."""
    try:
        return pickle.dumps(work), ""
    except Exception as error:
        return b"", str(error)


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
    """The workers of one run, and the queue of the next task and of those whose workers died.

    `work` is pickled; `refusal` is why it cannot be, and then every batch is lost. `fruitless` counts the workers that
    ended before they began a task, since the last one that began; `last_words` is why the last of them ended.
    """

    def __init__(
        self,
        work: bytes,
        places: Sequence[Mapping[str, Any]],
        timeout: float | None = None,
        log: str = "",
        divisible: bool = True,
        refusal: str = "",
    ) -> None:
        self.work, self.places, self.timeout, self.log = work, places, timeout, log
        self.divisible, self.refusal = divisible, refusal
        self.size = len(places)
        self.jobs: list[Job] = []
        self.queue: deque[Task] = deque()
        self.fruitless, self.last_words = 0, ""

    def __enter__(self) -> WorkerPool:
        """Start the workers; they stop at the latest when this process exits."""
        atexit.register(self.stop)
        self.start_workers()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the workers, even in the middle of a task."""
        atexit.unregister(self.stop)
        self.stop()

    def stop(self) -> None:
        """Stop all workers at once."""
        for job in self.jobs:
            job.worker.kill()
        while self.jobs:
            self.jobs.pop().stop()

    def start_workers(self) -> None:
        """Start the workers that are missing, unless too many ended before they began a task."""
        while len(self.jobs) < self.size and self.fruitless < STARTS * self.size:
            pipe, other_end = connection.Pipe()
            place = min(set(range(self.size)) - {job.place for job in self.jobs})
            try:
                worker = start_process(serve, other_end, self.log, self.work, self.places[place])
            except OSError as error:
                self.fruitless, self.last_words = self.fruitless + 1, f"{type(error).__name__}: {error}"
                pipe.close()
                return
            finally:
                other_end.close()
            self.jobs.append(Job(worker, pipe, place=place))

    def events(self, batches: Iterator[Batch]) -> Generator[Event, None, None]:
        """Yield the events of all batches until every batch has ended; raise RunFailed if no worker can be started."""
        yield from self.hand_out(batches)
        while self.queue or any(job.task for job in self.jobs):
            if self.queue:
                self.start_workers()
            if not self.jobs and self.fruitless >= STARTS * self.size:
                raise self.explain_failure()
            events = self.listen()
            yield from self.hand_out(batches)
            yield from events  # while they are handled, the workers do their next tasks

    def hand_out(self, batches: Iterator[Batch]) -> Iterator[Lost]:
        """Send the next tasks to the workers that wait; yield Lost for batches that cannot be sent."""
        yield from self.fill_queue(batches)
        for job in self.jobs:
            if self.queue and job.ready and job.task is None:
                self.send(job, self.queue.popleft())
                yield from self.fill_queue(batches)

    def fill_queue(self, batches: Iterator[Batch]) -> Iterator[Lost]:
        """Put the next batch into an empty queue, if there is one; yield Lost for batches that cannot be sent."""
        while not self.queue and (batch := next(batches, None)) is not None:
            if self.refusal:
                yield Lost(batch, "failed", f"the batch cannot be sent to a worker: {self.refusal}")
            else:
                self.queue.append(Task(batch))

    def send(self, job: Job, task: Task) -> None:
        """Send a task to a worker that waits; its time limit begins."""
        job.task, job.deadline = task, monotonic() + (self.timeout or inf)
        with suppress(OSError):  # it has just died: `listen` finds that out
            job.pipe.send_bytes(pickle.dumps(task.batch))

    def listen(self) -> list[Event]:
        """Wait a moment for messages; return what workers report, and the ends of those that died or took too long."""
        events: list[Event] = []
        connection.wait([each for job in self.jobs for each in (job.pipe, job.worker.sentinel)], POLL_INTERVAL)
        for job in list(self.jobs):
            has_ended = not job.worker.is_alive()  # asked before its messages are read, so that none is missed
            events += self.read_messages(job)
            shorten_log(log_path(self.log, job.worker.pid or 0), job.task.batch.label if job.task else "")
            if job.task is not None and monotonic() > job.deadline:
                reason = f"not finished after {self.timeout:g} seconds" + self.quote_log(job)
                events += job.task.lose("timed-out", reason)
                self.remove(job)
            elif has_ended or job.deaf:
                events += self.handle_death(job)
        return events

    def read_messages(self, job: Job) -> Iterator[Event]:
        """Yield what a worker has reported; replace it if its task changed its process."""
        try:
            while job in self.jobs and job.pipe.poll():
                match job.pipe.recv():
                    case (Word.READY,):
                        job.ready = True
                    case (Word.UNABLE, str(reason)):
                        job.last_words = reason
                    case (Word.BEGUN,) if job.task:
                        job.begun, self.fruitless = True, 0
                        yield Started(job.task.reported)
                    case (Word.PROGRESS, step, steps) if job.task:
                        yield Progress(job.task.reported, step, steps)
                    case (Word.ENDED, bytes(result)) if job.task:
                        yield from self.end_task(job, job.task, result)
        except (EOFError, OSError):
            job.deaf = True

    def end_task(self, job: Job, task: Task, result: bytes) -> Iterator[Event]:
        """Yield the event of a task's end: Finished with its records, or Lost with the reason."""
        job.task, job.begun = None, False
        try:
            records = pickle.loads(result)
        except Exception as error:
            records = f"{type(error).__name__}: {error}"
        if isinstance(records, str):
            yield from task.lose("failed", records)
            return
        if any("process_changes" in record.facts for record in records):
            self.remove(job)
        yield from task.finish(records)

    def handle_death(self, job: Job) -> Iterator[Event]:
        """Put the task of a worker that died, or its halves, first in the queue; yield Lost if it killed too many."""
        job.worker.join(POLL_INTERVAL)  # a pipe closes just before its process ends
        end, killed = job.describe_end(), job.worker.exitcode == -signal.SIGKILL
        self.remove(job)
        if not job.begun:
            self.fruitless, self.last_words = self.fruitless + 1, job.last_words or end + self.quote_log(job)
        if job.task is None:
            return
        if not job.begun:
            self.queue.appendleft(job.task)
        elif job.task.attempts < ATTEMPTS:
            self.queue.appendleft(replace(job.task, attempts=job.task.attempts + 1))
        elif killed and self.divisible and (halves := job.task.halve()):
            self.queue.extendleft(reversed(halves))
        else:
            yield from job.task.lose("failed", end + OUT_OF_MEMORY * killed + self.quote_log(job))

    def remove(self, job: Job) -> None:
        """Stop a worker; `start_workers` replaces it if there is more to do."""
        self.jobs.remove(job)
        job.stop()

    def explain_failure(self) -> RunFailed:
        """Return the error for workers of which none begins a batch."""
        return RunFailed(
            f"no worker can be started: {self.fruitless} in a row ended before they began a batch. The last one: "
            f"{self.last_words}\nTry fewer workers, such as --jobs 1, or train in this process: --jobs 0."
        )

    def quote_log(self, job: Job) -> str:
        """Return the end of what a worker wrote to its log about its task, on new lines; "" without a log."""
        text = read_end(log_path(self.log, job.worker.pid or 0), QUOTED_BYTES).rpartition("\n== ")[2]
        return f"\nThe log of worker {job.worker.pid} ends:\n{text}" if text.strip() else ""
