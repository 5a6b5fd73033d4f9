"""Ctrl-C and SIGTERM: the first signal stops a run in good order, the second one at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """A signal to stop. `code` is the exit code that shells use for it: 128 + the number of the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


@contextmanager
def raise_on_signals() -> Iterator[None]:
    """Raise Stopped inside at the first signal, and end the process at the second.

    A signal that the process was started to ignore (nohup, a background job) stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():  # only the main thread gets signals
        yield
        return
    stopping = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        if stopping:
            if sys.stderr.isatty():
                sys.stderr.write("\x1b[?25h")  # the live display has hidden the cursor
                sys.stderr.flush()
            os._exit(128 + number)
        stopping = True
        raise Stopped(number)

    before = {each: signal.getsignal(each) for each in SIGNALS}
    for each, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(each, stop)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
