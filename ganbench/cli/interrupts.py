"""Ctrl-C and SIGTERM: the first stops a run in good order, the second at once."""

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
    """A signal asked for the end; `code` is the exit code that tells of it, as shells have it: 128 + its number."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


@contextmanager
def raise_on_signals() -> Iterator[None]:
    """Raise Stopped inside at the first signal; end the process at the second, whatever it is doing.

    A signal that this process was started to ignore (nohup, a background job) stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield
        return
    asked = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            if sys.stderr.isatty():
                sys.stderr.write("\x1b[?25h")  # the live screen has hidden the cursor
                sys.stderr.flush()
            os._exit(128 + number)
        asked = True
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
