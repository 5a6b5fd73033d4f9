"""What goes wrong in a way its reader can mend: the value, the place, the way out."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

LONGEST_VALUE = 80
"""Characters of a value that a message shows."""


class GanbenchError(Exception):
    """Something the user can mend; its message is all they are shown."""


class WrongOption(GanbenchError):
    """An option that an offer does not have, or not with this value; `option` is its name."""

    def __init__(self, message: str, option: str) -> None:
        super().__init__(message)
        self.option = option


def unknown(kind: str, name: object, known: Iterable[str], where: str = "") -> GanbenchError:
    """The error for a name that nobody knows: the value, the nearest right name, all the names."""
    names = sorted(known)
    listing = ", ".join(names) or "none"
    place = f"{where}: " if where else ""
    return GanbenchError(f"{place}no {kind} {shorten(str(name))}.{suggest(name, names)} Known: {listing}.")


def suggest(name: object, known: Iterable[str]) -> str:
    """Ask for the nearest right name, as in " Did you mean 'hinge'?"; nothing where none is near."""
    near = get_close_matches(str(name)[:200], known, n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""


def shorten(value: Any) -> str:
    """Give a value as text that fits in a line and is safe in a terminal."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, a table in a table in a table ...
        text = f"<{type(value).__name__}>"
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."
