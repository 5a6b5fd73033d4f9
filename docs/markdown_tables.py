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


def code(text: str) -> str:
    """Return a text as code in a table's cell."""
    return "`{}`".format(text.replace("|", r"\|"))


def prose(text: str) -> str:
    """Return a text for a table's cell in which what stands in backticks is code."""
    parts = re.split("(`[^`]+`)", " ".join(text.split()))
    words = (re.sub(r"([|<>*_\[\]])", r"\\\1", part) for part in parts[::2])
    return "".join(word + code(part[1:-1]) * bool(part) for word, part in zip(words, [*parts[1::2], ""], strict=True))
