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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import IntEnum
from multiprocessing import connection, get_context, get_start_method, parent_process, spawn
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

THREADED_LIBRARIES = ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "VECLIB")
"""Libraries whose number of threads is the environment variable <NAME>_NUM_THREADS."""
REPORT_INTERVAL = 0.1
"""Seconds between two progress messages."""

LOG_BYTES = 10_000_000
"""Bytes that a worker's log may have; of a longer one only the end is kept."""
KEPT_BYTES = 2000
"""Bytes at the end of a log that became too long that are kept."""


class Word(IntEnum):
    """What a message of a worker says, as its first element; the comments say what follows it."""

    READY = 0
    UNABLE = 1  # the reason
    BEGUN = 2
    PROGRESS = 3  # the step, and the number of steps
    ENDED = 4  # what `do_task` returns


_starting = threading.Lock()


def start_process(target: Callable[..., None], *arguments: Any) -> BaseProcess:
    """Start a process that calls a function, with one thread per numerical library; it ignores Ctrl-C.

    It never imports the user's script, so a script needs no `if __name__ == "__main__"`: what the worker is given must
    be importable from other modules. It starts anew, or as a copy of the fork server where the program has chosen that
    start method. Libraries read their environment only once, when they are imported.
    """
    context: Any = get_context("forkserver" if get_start_method(allow_none=True) == "forkserver" else "spawn")
    process: BaseProcess = context.Process(target=target, args=arguments)
    with _starting, limit_threads(), block_sigint(), hide_main_module():
        process.start()
    return process


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


@contextmanager
def hide_main_module() -> Iterator[None]:
    """Let processes that start inside not import the main module: a script would run its own start again in each."""
    whole = spawn.get_preparation_data

    def without_main(name: str) -> dict[str, Any]:
        return {key: value for key, value in whole(name).items() if not key.startswith("init_main")}

    spawn.get_preparation_data = without_main
    try:
        yield
    finally:
        spawn.get_preparation_data = whole


def serve(driver: Connection, log: str, work: bytes, place: Mapping[str, Any]) -> None:
    """Do the tasks that the driver sends, one after another, until it closes the pipe; import `work` before the first.

    `place` are arguments by name that this worker gives its work, such as the device that it trains on.
    The worker first says READY or UNABLE, then of each task BEGUN, PROGRESS and ENDED.
    """
    try:
        prepare_process(log)
        pickle.loads(work)
    except BaseException as error:
        driver.send((Word.UNABLE, "".join(traceback.format_exception_only(error)).strip()))
        os._exit(1)
    driver.send((Word.READY,))
    process = os.getpid()
    with suppress(EOFError):
        while True:
            task = driver.recv_bytes()
            driver.send((Word.BEGUN,))
            result = do_task(driver, work, task, place)
            if os.getpid() != process:  # a plugin forked: its copy of this worker would report everything twice
                os._exit(1)
            driver.send((Word.ENDED, result))


def prepare_process(log: str) -> None:
    """Send what this process and its libraries print to its log, and let it end with its driver."""
    file = os.open(log_path(log, os.getpid()), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    faulthandler.enable()
    threading.Thread(target=exit_with_driver, daemon=True).start()


def exit_with_driver() -> None:
    """Exit from this worker as soon as its driver has ended, for whatever reason."""
    driver = parent_process()
    if driver is not None:
        connection.wait([driver.sentinel])
        os._exit(1)


def do_task(driver: Connection, work: bytes, task: bytes, place: Mapping[str, Any]) -> bytes:
    """Do one task in a worker; return the pickled records, or the pickled traceback as text if there are none."""
    last_report = -REPORT_INTERVAL

    def report(step: int, steps: int) -> None:
        nonlocal last_report
        if (now := time.monotonic()) - last_report >= REPORT_INTERVAL or step == steps:
            last_report = now
            driver.send((Word.PROGRESS, step, steps))

    try:
        batch = pickle.loads(task)
        write_log(f"\n== {batch.label}\n")
        return pickle.dumps(tuple(pickle.loads(work)(batch, report, **place)))
    except BaseException:
        write_log(text := traceback.format_exc(limit=-8))
        return pickle.dumps(text)


def write_log(text: str) -> None:
    """Write to this worker's log, also where a task has closed or replaced `sys.stderr`."""
    with suppress(OSError):
        os.write(2, text.encode(errors="replace"))


def log_path(log: str, worker: int) -> Path:
    """Return the path of the log of a worker, by its process id."""
    return Path(log.replace("{process}", str(worker)))


def read_end(log: Path, size: int) -> str:
    """Return the text at the end of a log, at most `size` bytes of it; "" where it cannot be read."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - size))
            return file.read(size).decode(errors="replace")
    except OSError:
        return ""


def shorten_log(log: Path, label: str) -> None:
    """Keep of a log that became too long only this label of a batch and its end: a plugin may print at each step.

    The driver does it while the worker writes on: what is written in the same moment is lost.
    """
    with suppress(OSError):  # no log yet, or no log any more
        if (size := log.stat().st_size) > LOG_BYTES:
            end = read_end(log, KEPT_BYTES)
            with log.open("a", errors="replace") as file:
                file.truncate(0)
                file.write(f"\n== {label}\n[... only the end of {size} bytes is kept ...]\n{end}")
