"""Where the keys of a suite stand in its TOML text, by line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from ganbench.errors import shorten

Path = tuple[str | int, ...]
"""Where something stands in a suite: keys, and the numbers of tables and items from 0."""

KEY = r"""(?:[\w-]+|"[^"]*"|'[^']*')"""
DOTTED = rf"{KEY}(?:\s*\.\s*{KEY})*"
HEADER = re.compile(rf"\s*(\[\[?)\s*({DOTTED})\s*\]\]?\s*(?:#.*)?$")
LONGEST_KEY = 40
ASSIGNMENT = re.compile(rf"\s*({DOTTED})\s*=")


def spell_path(path: Path) -> str:
    """Give a path as in `method[0].constraints[1].weight`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{_key(part)}" for part in path).removeprefix(".")


def _key(name: str) -> str:
    """Give a key as it is, or quoted and shortened where it is longer than any key of ours or does not print."""
    return name if name.isprintable() and len(name) <= LONGEST_KEY else shorten(name)


@lru_cache(maxsize=8)
def line_numbers(text: str) -> Mapping[Path, int]:
    """Give the line, from 1, on which each table and each key of a TOML text stands; not the items of arrays."""
    index: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    inside = ""
    for number, line in enumerate(text.splitlines(), 1):
        fences = re.findall(r'"""|\'\'\'', line)
        if inside:
            inside = "" if inside in fences else inside
            continue
        inside = fences[0] if len(fences) == 1 else ""
        header, assignment = HEADER.match(line), ASSIGNMENT.match(line)
        if header:
            table = _keys(header[2], (), counts)
            if header[1] == "[[":
                table = table[:-1] if isinstance(table[-1], int) else table
                counts[table] = counts.get(table, -1) + 1
                index.setdefault(table, number)
                table = (*table, counts[table])
            index.setdefault(table, number)
        elif assignment:
            index.setdefault(_keys(assignment[1], table, counts), number)
    return index


def _keys(dotted: str, table: Path, counts: Mapping[Path, int]) -> Path:
    """Give the path that a dotted key means inside a table; in an array of tables it is the latest one's."""
    for key in re.findall(KEY, dotted):
        table = (*table, key.strip("\"'"))
        table = (*table, counts[table]) if table in counts else table
    return table
