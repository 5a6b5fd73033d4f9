"""The lines of the keys in the TOML text of a suite."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from ganbench.errors import shorten

Path = tuple[str | int, ...]
"""A path into a suite: keys, and the indices of tables and items, from 0."""

KEY = r"""(?:[\w-]+|"[^"]*"|'[^']*')"""
DOTTED = rf"{KEY}(?:\s*\.\s*{KEY})*"
HEADER = re.compile(rf"\s*(\[\[?)\s*({DOTTED})\s*\]\]?\s*(?:#.*)?$")
LONGEST_KEY = 40
ASSIGNMENT = re.compile(rf"\s*({DOTTED})\s*=")


def spell_path(path: Path) -> str:
    """Return a path as text, such as `method[0].constraints[1].weight`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{_spell_key(part)}" for part in path).removeprefix(".")


def _spell_key(name: str) -> str:
    """Return a key unchanged, or quoted and shortened if it is long or has characters that do not print."""
    return name if name.isprintable() and len(name) <= LONGEST_KEY else shorten(name)


@lru_cache(maxsize=8)
def line_numbers(text: str) -> Mapping[Path, int]:
    """Return the line (the first is 1) of each table and key of a TOML text; the items of arrays have none."""
    lines: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    quotes = ""  # the quotes of the multi-line string that is open
    for number, line in enumerate(text.splitlines(), 1):
        fences = re.findall(r'"""|\'\'\'', line)
        if quotes:
            quotes = "" if quotes in fences else quotes
            continue
        quotes = fences[0] if len(fences) == 1 else ""
        header, assignment = HEADER.match(line), ASSIGNMENT.match(line)
        if header:
            table = _resolve_key(header[2], (), counts)
            if header[1] == "[[":
                table = table[:-1] if isinstance(table[-1], int) else table
                counts[table] = counts.get(table, -1) + 1
                lines.setdefault(table, number)
                table = (*table, counts[table])
            lines.setdefault(table, number)
        elif assignment:
            lines.setdefault(_resolve_key(assignment[1], table, counts), number)
    return lines


def _resolve_key(dotted: str, table: Path, counts: Mapping[Path, int]) -> Path:
    """Return the path of a dotted key inside a table; in an array of tables, that of the last table so far."""
    for key in re.findall(KEY, dotted):
        table = (*table, key.strip("\"'"))
        table = (*table, counts[table]) if table in counts else table
    return table
