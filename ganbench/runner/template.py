"""A copy of this process that makes workers: they begin with torch and the plugins in memory, and import nothing.

Importing torch and what training uses takes a process some three seconds. A copy that the system makes (a fork) takes
some milliseconds, and shares its memory. But only a process with a single thread, and without CUDA, can be copied
safely, so the template is made at the start of a command, before anything has run.

It is the fork server of `multiprocessing`, which is copied from this process instead of being started anew. Each worker
is a copy of the template, as it was then: nothing of a batch is in it.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from importlib.metadata import entry_points
from multiprocessing import util

from ganbench.registry.registry import GROUP
from ganbench.runner.apart import blocked_sigint
from ganbench.runner.isolation import importing
from ganbench.runner.planning import list_third_parties
from ganbench.runner.settings import Settings

THREADED_LIBRARIES = ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "VECLIB")
"""Libraries whose number of threads is the environment variable <NAME>_NUM_THREADS."""

Start = Callable[[bytes, Sequence[str], Sequence[int]], int]
"""A function that starts a program, given its path, its arguments and the files that stay open; it gives its number."""

COPIED_SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""Signals whose handlers in this process mean nothing in a copy of it."""


def wants_template(settings: Settings) -> bool:
    """Return whether workers of a run with these settings could be copies of a template, on this system."""
    return sys.platform == "linux" and not settings.in_process and not settings.offers


def limit_threads() -> None:
    """Limit numerical libraries that are imported from now on to one thread, as in workers."""
    os.environ.update(dict.fromkeys((f"{library}_NUM_THREADS" for library in THREADED_LIBRARIES), "1"))


def make_template() -> bool:
    """Import what workers use, and copy this process; return whether it could be copied.

    From then on processes that follow the start method of this program are copies of the template. Without it they are
    started as before. Our own plugins are imported, those of third parties never: each worker imports them itself.
    """
    import torch._dynamo
    import torch.fx.experimental.symbolic_shapes  # noqa: F401  # both are imported by the first step of any training

    from ganbench.runner import worker

    with importing([]):
        if list_third_parties(()):
            import_own_plugins()
        else:
            worker.load_plugins(())  # which each worker then has
    if not is_alone():
        return False
    gc.collect()
    gc.freeze()  # else the first collection in a worker would write to, and so copy, the memory that it shares
    start_copy()
    multiprocessing.set_start_method("forkserver")
    return True


def import_own_plugins() -> None:
    """Import the plugins of ganbench itself, without asking for their offers."""
    for entry in entry_points(group=GROUP):
        if entry.dist is not None and entry.dist.name == GROUP:
            with suppress(Exception):  # the registry says what is wrong with it
                entry.load()


def start_copy() -> None:
    """Start the fork server of `multiprocessing` as a copy of this process."""
    from multiprocessing.forkserver import ensure_running, set_forkserver_preload

    set_forkserver_preload([])
    start = util.spawnv_passfds
    util.spawnv_passfds = partial(copy_process, start)
    try:
        with blocked_sigint():
            ensure_running()
    finally:
        util.spawnv_passfds = start


def is_alone() -> bool:
    """Return whether this process has a single thread, and nothing of it has been started with CUDA."""
    import torch

    return len(os.listdir("/proc/self/task")) == 1 and not torch.cuda.is_initialized()


def copy_process(start: Start, path: bytes, arguments: Sequence[str], files: Sequence[int]) -> int:
    """Copy this process to run a Python command, the last of these arguments, with these open files; return its number.

    Any other command, such as that of the tracker of shared resources, is started as usual.
    """
    command, leave = arguments[-1], os._exit  # which a plugin may replace in a copy
    if "forkserver" not in command:
        return start(path, arguments, files)
    if process := os.fork():
        return process
    try:
        for number in COPIED_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        close_files(files)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))  # nothing unwritten
        exec(command, {})
    finally:
        leave(0)


def close_files(kept: Sequence[int]) -> None:
    """Close all open files of this process except the standard ones and these."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in kept:
            with suppress(OSError):
                os.close(int(name))
