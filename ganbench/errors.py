"""Errors that the user can fix. Their messages name the value, the place, and the way out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, TypeVar

Cause = TypeVar("Cause", bound=BaseException)

LONGEST_VALUE = 80
"""The largest number of characters of a value that a message shows."""
LONGEST_REASON = 1000
"""The largest number of characters of a reason that is shown on one line."""
LONGEST_ERROR = 10_000
"""The largest number of characters of an error that is kept."""

FRAME = re.compile(r'  File ".*", line \d+')
"""The line of a traceback that names the place of a call."""

MOST_NAMES = 20
"""The largest number of known names that a message lists."""

TWINS = str.maketrans(
    "\u0430\u0441\u0501\u0435\u04bb\u0456\u0458\u04cf\u043e\u0440\u051b\u0455\u051d\u0445\u0443"
    "\u0410\u0412\u0421\u0415\u041d\u0406\u0408\u041a\u041c\u041e\u0420\u0405\u0422\u0425"
    "\u03b1\u03b9\u03ba\u03bf\u03c1\u03c5\u03bd\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4"
    "\u03a5\u03a7\u0131\u2010\u2011\u2012\u2013\u2014\u2015\u2212",
    "acdehijlopqswxyABCEHIJKMOPSTXaikopuvABEZHIKMNOPTYXi-------",
)
"""The Latin letter, or the hyphen, that each of these characters looks like: Cyrillic, Greek, dotless i, dashes."""


class GanbenchError(Exception):
    """An error that the user can fix; the user sees only its message."""

    exit_code = 2


class RunFailed(GanbenchError):
    """A run that cannot go on, although what was asked is right: the machine lacks something, or took it away."""

    exit_code = 1


class NotInstalled(GanbenchError):
    """A library or a file that an offer needs is not installed; the message says how to install it.

    A dataset whose samples have a known shape says it, with the number of its classes (0 without labels): so
    `ganbench plan --estimate` can count what a suite costs before anything is fetched.
    """

    def __init__(self, message: str, *, shape: tuple[int, ...] = (), classes: int = 0) -> None:
        super().__init__(message)
        self.shape, self.classes = shape, classes

    @classmethod
    def behind(cls, error: BaseException) -> NotInstalled | None:
        """Return the error of this kind that caused this one, with this one's message; None if none did."""
        cause = find_cause(error, cls)
        return None if cause is None else cls(str(error), shape=cause.shape, classes=cause.classes)


class WrongOption(GanbenchError):
    """An option that an offer does not have, or a value that the option does not allow; `option` is its name."""

    def __init__(self, message: str, option: str) -> None:
        super().__init__(message)
        self.option = option


class UnknownOffer(GanbenchError):
    """No plugin that is loaded has this offer; `kind` is one of `KINDS`, `name` the name of the offer."""

    def __init__(self, message: str, kind: str, name: str) -> None:
        super().__init__(message, kind, name)  # all arguments, so that it can be pickled
        self.kind, self.name = kind, name

    def __str__(self) -> str:
        return str(self.args[0])

    @classmethod
    def behind(cls, error: BaseException) -> UnknownOffer | None:
        """Return the error for an unknown offer that caused this one, with this one's message; None if none did."""
        cause = find_cause(error, cls)
        return None if cause is None else cls(str(error), cause.kind, cause.name)


def find_cause(error: BaseException | None, kind: type[Cause]) -> Cause | None:
    """Return the first error of a kind among an error, its cause, that one's cause and so on; None if there is none."""
    while error is not None and not isinstance(error, kind):
        error = error.__cause__
    return error


def unknown_name(kind: str, name: object, known: Iterable[str], where: str = "") -> GanbenchError:
    """Return the error for an unknown name; its message has the name, the nearest known name, and the known names.

    `kind` is the word for what is named, and `where` the place that opens the message. Up to `MOST_NAMES` are listed.
    """
    names = sorted(known)
    listing = ", ".join(names[:MOST_NAMES]) or "none"
    if (others := len(names) - MOST_NAMES) > 0:
        listing += f" and {others:,} more"
    place = f"{where}: " if where else ""
    return GanbenchError(f"{place}no {kind} {shorten(str(name))}.{suggest(name, names)} Known: {listing}.")


def suggest(name: object, known: Iterable[str]) -> str:
    """Return a question for the nearest known name, such as " Did you mean 'hinge'?", or "" if none is near.

    Where the two look alike, a letter that only one of them has is named.
    """
    names = {_fold(candidate): candidate for candidate in known}
    text = _fold(str(name)[:200])
    longer = [folded for folded in names if text in folded.split("-")]  # as in "steps" for "generator_steps"
    turned = {text[:i] + text[i + 1] + text[i] + text[i + 2 :] for i in range(len(text) - 1)}
    swapped = [folded for folded in names if folded in turned]  # as in "wgan-pg" for "wgan-gp"
    matches = longer if len(longer) == 1 else swapped or get_close_matches(text, names, n=1, cutoff=0.5)
    return f" Did you mean {names[matches[0]]!r}?{tell_apart(str(name), names[matches[0]])}" if matches else ""


def _fold(name: str) -> str:
    """Return a name in lower case, with hyphens between its words and Latin letters for their twins."""
    return fold_look_alikes(name).lower().replace("_", "-").replace(" ", "-")


def fold_look_alikes(name: str) -> str:
    """Return a name with a Latin letter or hyphen in the place of each character that looks like it, composed (NFKC).

    The twins are those of the Cyrillic and the Greek alphabet in Unicode's table of confusables (UTS 39).
    """
    return unicodedata.normalize("NFKC", name).translate(TWINS)


def tell_apart(name: str, other: str) -> str:
    """Return a sentence on a letter that only one of two names has, if they look alike, otherwise ""."""
    if name == other or fold_look_alikes(name) != fold_look_alikes(other):
        return ""
    for odd, plain in ((name, other), (other, name)):
        for letter in odd:
            if letter not in plain and not letter.isascii():
                return f" In {odd!r}, {letter!r} is U+{ord(letter):04X}, {unicodedata.name(letter, 'not ASCII')}."
    return ""


def shorten(value: Any) -> str:
    """Return a value as text that fits in one line and is safe in a terminal."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer with thousands of digits, or deeply nested tables
        text = f"<{type(value).__name__}>"
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."


def find_reason(error: str) -> str:
    """Return on one line why something failed, from the error that is stored of it; "" for an empty one.

    It is the first line, and for a traceback the first line of its exception. What follows is left out: the other lines
    of a message, or the end of a worker's log. A line that ends with a colon takes the next one with it.
    """
    text = error.strip()
    is_group, is_traceback = text.startswith("+ Exception Group Traceback ("), text.startswith("Traceback (")
    lines = (re.sub(r"(?m)^  [+|] ", "", text) if is_group else text).splitlines()
    if places := [i for i, line in enumerate(lines) if (is_traceback or is_group) and FRAME.match(line)]:
        rest = lines[places[-1] + 1 :]
        lines = rest[next((i for i, line in enumerate(rest) if not line.startswith("  ")), len(rest)) :] or lines[-1:]
    lines = [line.strip() for line in lines if line.strip()]
    reason = " ".join(lines[: 2 if lines and lines[0].endswith(":") else 1])
    return reason if len(reason) <= LONGEST_REASON else f"{reason[:LONGEST_REASON]}..."


def describe(error: BaseException) -> str:
    """Return the kind and the message of any exception, up to `LONGEST_ERROR` characters.

    A third party's exception may have a message of megabytes, or none that can be printed.
    """
    try:
        message = str(error)
    except Exception:
        message = "its message cannot be printed"
    return bound_error(f"{type(error).__name__}: {message}".removesuffix(": "))


def bound_error(error: str) -> str:
    """Return an error as it is kept: of a very long one the beginning and the end."""
    if (more := len(error) - LONGEST_ERROR) <= 0:
        return error
    half = LONGEST_ERROR // 2
    return f"{error[:half]}\n[... {more} characters are left out here ...]\n{error[-half:]}"
