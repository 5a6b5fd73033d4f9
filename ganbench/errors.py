"""What goes wrong in a way its reader can mend: the value, the place, the way out."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class GanbenchError(Exception):
    """Something the user can mend; its message is all they are shown."""


def unknown(kind: str, name: object, known: Iterable[str], where: str = "") -> GanbenchError:
    """The error for a name that nobody knows: the value, the nearest right name, all the names."""
    names = sorted(known)
    near = get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    listing = ", ".join(names) or "none"
    return GanbenchError(f"{where + ': ' if where else ''}no {kind} {str(name)!r}.{hint} Known: {listing}.")
