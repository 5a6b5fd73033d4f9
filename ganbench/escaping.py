"""Escape text from third parties (names, labels, errors) for terminals, for HTML and for file names."""

from __future__ import annotations

import hashlib
import html
import re
import unicodedata
from collections.abc import Iterable, Sequence

SLUG_LENGTH = 60
"""The largest number of characters of a text that a file name takes over."""


def escape_unprintable(text: str) -> str:
    """Return the text with every unprintable character (ANSI escape, line end, bidirectional mark) as its code."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def escape_html(text: str) -> str:
    """Return the text escaped for HTML, for an element or a quoted attribute."""
    return html.escape(escape_unprintable(text))


def html_table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]], notes: Iterable[str] = ()) -> str:
    """Return an HTML table with its title above and its notes below; every text is escaped."""
    cells = ["".join(f"<td>{escape_html(cell)}</td>" for cell in row) for row in rows]
    return "\n".join(
        [
            f"<table><caption>{escape_html(title)}</caption>",
            f"<thead><tr>{''.join(f'<th>{escape_html(name)}</th>' for name in head)}</tr></thead>",
            f"<tbody>{''.join(f'<tr>{row}</tr>' for row in cells)}</tbody></table>",
            *(f"<p>{escape_html(note)}</p>" for note in notes),
        ]
    )


def is_unicode(text: str) -> bool:
    """Return whether a text is Unicode: bytes that are not UTF-8 come from the file system as lone surrogates."""
    return not any("\ud800" <= c <= "\udfff" for c in text)


def make_slug(text: str) -> str:
    """Return a file name for a text: a-z, 0-9, underscores and hyphens, with dots inside.

    If the text itself is not such a name, the name ends in a hash of the text. So different texts have different names,
    even on file systems that ignore case.
    """
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9_.]+", "-", ascii_text).strip("-._")[:SLUG_LENGTH].rstrip("-._")
    name = re.sub(r"\.{2,}", ".", name)
    if name and name == text and not re.search("-[0-9a-f]{8}$", text):
        return name
    suffix = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{name}-{suffix}" if name else suffix


def replace_unprintable(text: str, keep: str = "") -> str:
    """Return the text for a terminal, with a space for every unprintable character that is not in `keep`."""
    return "".join(c if c.isprintable() or c in keep else " " for c in text)
