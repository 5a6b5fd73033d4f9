"""The door as a program of its own: `ganbench`, or `python -m ganbench.cli`."""

from __future__ import annotations

import atexit
import os
import sys


def run_program() -> None:
    """Run the command line in a process that ends with it.

    To free all that torch holds takes more than a second, and nobody waits for that memory. So once everybody else has
    tidied up (what is registered first is called last), the process is left as it is.
    """
    codes: list[int] = []
    atexit.register(lambda: leave(codes[0]) if codes else None)

    from ganbench.cli import main

    try:
        main()
    except SystemExit as ended:
        codes.append(ended.code if isinstance(ended.code, int) else int(ended.code is not None))
        raise
    codes.append(0)


def leave(code: int) -> None:
    """End this process at once, with what it has said written out; not being able to is an error of its own."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = code or 1
    os._exit(code)


if __name__ == "__main__":
    run_program()
