"""The reason of an error is the sentence that says what went wrong, whatever is stored after it."""

from __future__ import annotations

import traceback
from collections.abc import Callable

import pytest
from ganbench.errors import LONGEST_ERROR, LONGEST_REASON, bound_error, find_reason


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def raise_from_another() -> None:
    try:
        raise KeyError("k")
    except KeyError as error:
        raise ValueError("the second") from error


def fail(error: Exception) -> Callable[[], None]:
    def raise_it() -> None:
        raise error

    return raise_it


def recurse() -> None:
    recurse()


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (fail(ArithmeticError("the loss raises")), "ArithmeticError: the loss raises"),
        (fail(ValueError("one\ntwo\n'")), "ValueError: one"),
        (fail(ValueError("\n\nlate\nlater")), "ValueError: late"),
        (fail(RuntimeError("sizes do not match:\n\t3 and 4")), "RuntimeError: sizes do not match: 3 and 4"),
        (fail(ValueError()), "ValueError"),
        (fail(Unprintable()), "tests.progress.test_reasons.Unprintable: <exception str() failed>"),
        (
            fail(ExceptionGroup("two at once", [KeyError("k"), ValueError("v")])),
            "ExceptionGroup: two at once (2 sub-exceptions)",
        ),
        (raise_from_another, "ValueError: the second"),
        (recurse, "RecursionError: maximum recursion depth exceeded"),
        (lambda: exec("1 +"), "SyntaxError: invalid syntax"),
    ],
)
def test_the_reason_of_a_traceback_is_what_its_exception_says(act: Callable[[], None], reason: str) -> None:
    try:
        act()
    except Exception:
        stored = traceback.format_exc(limit=-8)
    assert find_reason(stored) == reason
    assert find_reason(bound_error(stored.strip())) == reason


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        ('its worker was killed by SIGKILL\nThe log of worker 3 ends:\nring\n"', "its worker was killed by SIGKILL"),
        (
            "its worker was killed by SIGSEGV\nThe log of worker 3 ends:\nring\nTraceback (most recent call last):\n"
            '  File "x.py", line 1\n\nExtension modules: numpy._core (total: 20)',
            "its worker was killed by SIGSEGV",
        ),
        ("suite.toml: no loss 'x'. Did you mean 'y'?", "suite.toml: no loss 'x'. Did you mean 'y'?"),
        ("", ""),
    ],
)
def test_the_reason_of_any_other_error_is_its_first_line(stored: str, reason: str) -> None:
    assert find_reason(stored) == reason


def test_a_message_of_millions_of_characters_is_cut_in_the_middle_and_its_reason_at_the_end() -> None:
    message = "begin " + 5_000_000 * "x" + " end"
    kept = bound_error(message)
    assert kept.startswith("begin x")
    assert kept.endswith("x end")
    assert f"[... {len(message) - LONGEST_ERROR} characters are left out here ...]" in kept
    assert len(kept) < LONGEST_ERROR + 100
    assert find_reason(kept) == message[:LONGEST_REASON] + "..."
    assert bound_error("short") == "short"
