"""What a plugin raises, told as an error of this plugin: also SystemExit, which would end the program."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ganbench.errors import GanbenchError, describe

GANBENCH = Path(__file__).parents[1]


@contextmanager
def blaming(place: str, what: str) -> Iterator[None]:
    """Raise GanbenchError, which begins with `place`, for what a plugin raises, except Ctrl-C; `what` failed."""
    try:
        yield
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except GanbenchError as error:
        raise GanbenchError(f"{place}: {error}") from error
    except BaseException as error:
        raise GanbenchError(f"{place}: {what} failed: {describe_fault(error)}") from error


@contextmanager
def explaining_exits(place: str) -> Iterator[None]:
    """Raise GanbenchError, which begins with `place`, for what would end the program; exceptions and Ctrl-C stay."""
    try:
        yield
    except (Exception, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        raise GanbenchError(f"{place}: {describe_fault(error)}") from error


def describe_fault(error: BaseException) -> str:
    """Return what a plugin raised; for what would end the program, also where, and what to do instead."""
    words = describe(error)
    if isinstance(error, Exception):
        return words
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not is_ours(frame.filename)]
    where = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    return f"it ends the program ({words}){where}. Raise an exception that says what is wrong instead."


def is_ours(file: str) -> bool:
    """Return whether a file of a traceback belongs to ganbench itself, or is no file."""
    return Path(file).is_relative_to(GANBENCH) or file.startswith("<")
