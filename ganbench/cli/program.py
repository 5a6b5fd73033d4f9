"""The command line as a process of its own: `ganbench`, or `python -m ganbench`."""

from __future__ import annotations

import atexit
import os
import sys

from ganbench.cli import workers


def run_program() -> None:
    """Run the command line in a process that ends with it.

    Freeing all memory that torch holds takes more than a second, and nothing needs that memory any more. So the
    process exits without it, after every other exit function has run (the one registered first is called last).
    """
    workers.own_process()
    open_standard_files()
    codes: list[int] = []
    atexit.register(lambda: leave(codes[0]) if codes else None)

    from ganbench.cli import main

    try:
        main()
    except SystemExit as ended:
        codes.append(ended.code if isinstance(ended.code, int) else int(ended.code is not None))
        raise
    codes.append(0)


def open_standard_files() -> None:
    """Open stdin, stdout and stderr on the null device where they are closed (`>&-`).

    Otherwise the next file to be opened, such as the database, would take their number, and libraries print there.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest free number


def leave(code: int) -> None:
    """End this process at once, once its output is written; an output that cannot be written makes the code 1."""
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # as it is where the shell closed it
                stream.flush()
    except OSError:
        code = code or 1
    if sys.stdout is None:
        code = code or 1
    os._exit(code)
