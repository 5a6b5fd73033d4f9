"""Work in a process of its own: a plugin that exits, crashes or hangs there ends this work, and not the program.

The process reports to this one over a pipe that no other process can write to. What it reports is pickled, by
`multiprocessing`.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import connection, get_context, get_start_method, parent_process
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, NoReturn, TextIO

from ganbench.errors import GanbenchError, NotInstalled, UnknownOffer, describe
from ganbench.runner.tracebacks import find_place

Tell = Callable[..., None]
"""A function that is called with what is being done, in words; a second argument is yielded like what work yields."""

SILENCE = 1800.0
"""Seconds after which a process that reports nothing is stopped; data may be downloaded when it is first built."""
START = 300.0
"""Seconds that a process may take to start, before any plugin is imported."""
ERROR_LINES = 12
"""Frames of the traceback of an exception that nobody expected."""


def iterate_apart(
    work: Callable[[Tell], Iterator[Any]], files: Collection[str], silence: float | None = None
) -> Generator[Any, None, None]:
    """Yield what `work(tell)` yields in a process of its own; `work` and what it yields must be picklable.

    `tell` takes what is being done, for messages. Raise GanbenchError where the work does, and where its process ends
    early or reports nothing for `silence` seconds (default: `SILENCE`). The message names the place in the plugin
    `files`.
    """
    with TemporaryDirectory(prefix="ganbench-") as folder:
        trace, context = Path(folder, "traceback"), choose_context()
        reader, writer = context.Pipe(duplex=False)
        process: BaseProcess = context.Process(target=serve, args=(writer, work, str(trace)))
        with hidden_main(), blocked_sigint():
            process.start()
        writer.close()
        try:
            yield from Reports(process, reader, trace, files, silence or SILENCE)
        finally:
            process.kill()
            process.join()
            reader.close()


def choose_context() -> Any:
    """Return how processes start: as copies of the template (`runner.template`) if there is one, else anew."""
    return get_context("forkserver" if get_start_method(allow_none=True) == "forkserver" else "spawn")


class Reports(Iterator[Any]):
    """What the work in a process yields."""

    def __init__(
        self, process: BaseProcess, reader: Connection, trace: Path, files: Collection[str], silence: float
    ) -> None:
        self.process, self.reader, self.trace = process, reader, trace
        self.files, self.silence = files, silence
        self.doing, self.limit = "starting a process", START

    def __next__(self) -> Any:
        """Return what the work yields next; raise GanbenchError where it fails."""
        while True:
            ready = connection.wait([self.reader, self.process.sentinel], self.limit)
            if not ready:
                raise self.explain_silence()
            try:
                kind, value = self.reader.recv()
            except (EOFError, OSError):
                raise self.explain_end() from None
            if kind == "item":
                return value
            if kind == "end":
                raise StopIteration
            if kind == "error":
                raise value
            if kind == "raised":
                raise self.explain_exception(*value)
            self.doing, self.limit = value, self.silence

    def explain_end(self) -> GanbenchError:
        """Return the error for a process that ended before its work did."""
        self.process.join()
        code = self.process.exitcode or 0
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return GanbenchError(f"{self.doing}: a plugin ended it: its process {how}{self.place}. Nothing has trained.")

    def explain_exception(self, error: str, frames: str) -> GanbenchError:
        """Return the error for an exception that nobody expected: a plugin's with its line, ours with a traceback."""
        if self.place.startswith(","):
            return GanbenchError(f"{self.doing}: a plugin raised {error}{self.place}. Nothing has trained.")
        return GanbenchError(f"{self.doing}: {error}\n{frames}")

    def explain_silence(self) -> GanbenchError:
        """Return the error for a process that hangs, after asking it where it is."""
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGUSR1)
        deadline = time.monotonic() + 1.0
        while not self.place.startswith(",") and time.monotonic() < deadline:
            time.sleep(0.01)
        return GanbenchError(
            f"{self.doing}: no progress for {self.limit:g} seconds{self.place}. Nothing has trained. If it only takes "
            "long, `ganbench run --timeout SECONDS` waits longer."
        )

    @property
    def place(self) -> str:
        """The line of a plugin that the process was at, else the plugin files."""
        with suppress(OSError):
            if place := find_place(self.trace.read_text(errors="replace"), self.files):
                return f", {place}"
        return f" (plugins: {', '.join(self.files)})"


def serve(writer: Connection, work: Callable[[Tell], Iterator[Any]], trace: str) -> None:
    """Do the work in this process and report what it yields, or the message of its error."""
    with open(trace, "w", buffering=1) as file:
        leave = prepare_traces(file)
        threading.Thread(target=exit_with_parent, daemon=True).start()

        process = os.getpid()

        def send(message: tuple[str, Any]) -> None:
            if os.getpid() != process:  # a plugin forked: its copy of this process would report everything twice
                os.kill(os.getpid(), signal.SIGKILL)
            writer.send(message)

        def tell(doing: str, *items: Any) -> None:
            for message in (("doing", doing), *(("item", item) for item in items)):
                send(message)

        report: tuple[str, Any] = "end", None
        try:
            for item in work(tell):
                send(("item", item))
        except GanbenchError as error:
            known = UnknownOffer.behind(error) or NotInstalled.behind(error)
            report = "error", known or GanbenchError(str(error))
        except BaseException as error:
            frames = traceback.format_tb(error.__traceback__)
            file.writelines(reversed(frames))  # the innermost first, as faulthandler writes them
            report = "raised", (describe(error), "".join(frames[-ERROR_LINES:]))
        send(report)
        os._exit = leave  # type: ignore[assignment]  # the file of the traces is closed now


def prepare_traces(file: TextIO) -> Callable[[int], NoReturn]:
    """Make this process write its tracebacks into a file: when it crashes, when it is asked to, and at `os._exit`.

    Return `os._exit` as it was.
    """
    leave = os._exit

    def exit_with_trace(code: int) -> None:
        faulthandler.dump_traceback(file, all_threads=False)
        leave(code)

    faulthandler.enable(file)
    faulthandler.register(signal.SIGUSR1, file)
    os._exit = exit_with_trace  # type: ignore[assignment]
    return leave


def exit_with_parent() -> None:
    """Exit from this process as soon as its parent has ended, for whatever reason."""
    if (parent := parent_process()) is not None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def hidden_main() -> Iterator[None]:
    """Hide the program's main module, so that a process started inside does not run the user's script again."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def blocked_sigint() -> Iterator[None]:
    """Block SIGINT for processes started inside: only this process handles Ctrl-C."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
