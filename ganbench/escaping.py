"""What strangers wrote (names, labels, errors) made harmless: for eyes, for HTML, for file names."""

from __future__ import annotations

import hashlib
import html
import re
import unicodedata
from collections.abc import Iterable, Sequence

SLUG_LENGTH = 60
"""Characters of a file name that come from a stranger's text, at most."""


def visible(text: str) -> str:
    """Write every character that does not print (ANSI escapes, line ends, bidirectional marks) as its code."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def in_html(text: str) -> str:
    """Write text so that HTML shows it as it is, in an element or in a quoted attribute."""
    return html.escape(visible(text))


def html_table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]], notes: Iterable[str] = ()) -> str:
    """Write a printable HTML table with its title above and its notes below; every text is escaped."""
    cells = ["".join(f"<td>{in_html(cell)}</td>" for cell in row) for row in rows]
    return "\n".join(
        [
            f"<table><caption>{in_html(title)}</caption>",
            f"<thead><tr>{''.join(f'<th>{in_html(name)}</th>' for name in head)}</tr></thead>",
            f"<tbody>{''.join(f'<tr>{row}</tr>' for row in cells)}</tbody></table>",
            *(f"<p>{in_html(note)}</p>" for note in notes),
        ]
    )


def slug(text: str) -> str:
    """Give a file name of a-z, 0-9, dots within, underscores and hyphens; a text that is none gets its hash behind it.

    So two texts have two names, on file systems that know no capitals too.
    """
    simple = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9_.]+", "-", simple).strip("-._")[:SLUG_LENGTH].rstrip("-._")
    name = re.sub(r"\.{2,}", ".", name)
    if name and name == text and not re.search("-[0-9a-f]{8}$", text):
        return name
    mark = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{name}-{mark}" if name else mark


def printable(text: str, keep: str = "") -> str:
    """Make a stranger's text harmless for a terminal."""
    return "".join(c if c.isprintable() or c in keep else " " for c in text)
