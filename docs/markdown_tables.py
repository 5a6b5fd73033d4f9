"""Tables in Markdown, and what their cells can hold."""

from __future__ import annotations

import re
from collections.abc import Sequence


def cell(text: str) -> str:
    """Return a text that a Markdown table's cell can hold: one line, no bar, no markup of its own."""
    return re.sub(r"([|<>*_`\[\]])", r"\\\1", " ".join(text.split()))


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def formula(text: str) -> str:
    """Return a formula for a table's cell, as code: Markdown would take its stars and underscores away."""
    return "`{}`".format(" ".join(text.split()).replace("|", r"\|")) if text else ""
