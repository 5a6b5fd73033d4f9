"""A worker process of the local executor: how it starts, what it tells its driver, and how it ends with it."""

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

THREADS = ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "VECLIB")
QUIET = 0.1
"""Seconds between two progress messages."""

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


def prepare(driver: Connection, log: str, work: bytes) -> None:
    """Make a fresh process a worker: it writes to its own log, tells the driver, ends with it, and knows its work."""
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
    with suppress(Exception):  # the first task will tell
        pickle.loads(work)  # imports what it takes, before there is anything to do


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


def logfile(log: str, worker: int) -> Path:
    """Give the path of a worker's log."""
    return Path(log) / f"worker-{worker}.log"
