"""A worker process of the local executor: how it starts, what it reports to its driver, and how it ends."""

from __future__ import annotations

import faulthandler
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import connection, parent_process
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path

THREADED_LIBRARIES = ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "VECLIB")
"""Libraries whose number of threads is the environment variable <NAME>_NUM_THREADS."""
REPORT_INTERVAL = 0.1
"""Seconds between two progress messages."""
REPLACE_ME = 87
"""The exit code of a worker that leaves its next task to another: its process was changed by the task before."""

_driver: Connection
"""In a worker: the pipe on which it reports to its driver. A global, because pebble keeps no state between tasks."""
_changed = False
"""In a worker: whether a task changed its process, by the fact `process_changes` of its records."""


class Worker(SpawnProcess):
    """A process that starts with one thread per numerical library and ignores Ctrl-C."""

    def start(self) -> None:
        """Start with the environment it needs, because libraries read it only once, when they are imported."""
        with limit_threads(), block_sigint():
            super().start()

    @property
    def exitcode(self) -> int | None:
        """The exit code, but None for 0: after an exit code of 0 pebble would wait for a result for ever."""
        return super().exitcode or None


class WorkerContext(SpawnContext):
    """The spawn context whose processes are workers."""

    Process = Worker


@contextmanager
def limit_threads() -> Iterator[None]:
    """Set the environment to one thread per process, and restore it at the end."""
    names = [f"{library}_NUM_THREADS" for library in THREADED_LIBRARIES]
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
def block_sigint() -> Iterator[None]:
    """Block SIGINT in this thread: processes started inside inherit this, so that only the driver handles Ctrl-C."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def initialise_worker(driver: Connection, log: str, work: bytes) -> None:
    """Make a new process a worker: set its log, its pipe to the driver and its exit with the driver; import `work`."""
    global _driver
    _driver = driver
    # Pebble's handler would run only after a long kernel returns to Python; the worker must stop at once.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        file = os.open(log_path(log, os.getpid()), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
    except FileNotFoundError:
        os._exit(1)  # the driver has ended meanwhile, and removed the folder of the logs
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    faulthandler.enable()
    threading.Thread(target=exit_with_driver, daemon=True).start()
    with suppress(Exception):  # the first task reports it
        pickle.loads(work)  # imports what the work needs, before the first task comes


def exit_with_driver() -> None:
    """Exit from this worker as soon as its driver has ended, for whatever reason."""
    driver = parent_process()
    if driver is not None:
        connection.wait([driver.sentinel])
        os._exit(1)


def run_task(number: int, task: bytes) -> bytes:
    """Do one task in a worker; return the pickled records, or the pickled traceback as text if there are none.

    A worker whose process was changed by its last task exits before it begins this one.
    """
    global _changed
    if _changed:
        os._exit(REPLACE_ME)
    # One small write to a pipe is atomic (POSIX), so a worker killed while it sends leaves no lock behind.
    _driver.send((number, os.getpid()))
    last_report = -REPORT_INTERVAL

    def report(step: int, steps: int) -> None:
        nonlocal last_report
        if (now := time.monotonic()) - last_report >= REPORT_INTERVAL or step == steps:
            last_report = now
            _driver.send((number, step, steps))

    try:
        work, batch = pickle.loads(task)
        sys.stderr.write(f"\n== {batch.label}\n")
        records = tuple(work(batch, report))
        _changed = any("process_changes" in record.facts for record in records)
        return pickle.dumps(records)
    except BaseException:
        sys.stderr.write(text := traceback.format_exc(limit=-8))
        return pickle.dumps(text)


def log_path(log: str, worker: int) -> Path:
    """Return the path of the log of a worker, by its process id."""
    return Path(log.replace("{process}", str(worker)))
