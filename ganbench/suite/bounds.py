"""How large a suite may be: sizes are checked before it is parsed and validated, so that none takes minutes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ganbench.errors import GanbenchError, shorten
from ganbench.suite.toml_lines import Path
from ganbench.suite.validation import Complaint

MOST_BYTES = 1_000_000
"""Of a file, or of a suite from Python as JSON."""
MOST_VALUES = 100_000
"""Numbers, texts, lists and tables in all."""
MOST_DEPTH = 10
"""Tables and lists in each other."""
MOST_ITEMS = 1_000
"""Items of a list, and keys of a table."""
MOST_SEEDS = 10_000
"""As a number, or as a list."""
LONGEST_KEY = 200
LONGEST_TEXT = 10_000
"""In characters."""

TOO_DEEP = f"nested too deeply: at most {MOST_DEPTH} tables and lists in each other. Nest fewer."
UNIT = r"""(?:[\w-]++|"(?:\\.|[^"\\\n])*+"|'[^'\n]*+')"""
TOKENS = re.compile(
    r'"""(?:\\.|[^\\])*?"""|'
    rf"'''.*?'''|#[^\n]*+|(?P<deep>{UNIT}(?:[ \t]*+\.[ \t]*+{UNIT}){{{MOST_DEPTH},}}+)|{UNIT}",
    re.DOTALL,
)
"""Strings, comments and keys of a TOML text; `deep` are dotted keys of too many parts, which are slow to parse."""


def check_text(text: str, where: str) -> None:
    """Raise GanbenchError, which begins with `where`, for a text that is too long or has a dotted key that is."""
    if len(text) > MOST_BYTES:
        raise too_large(where)
    for token in TOKENS.finditer(text):
        if token["deep"]:
            line = text.count("\n", 0, token.start()) + 1
            raise GanbenchError(f"{where}:{line}: {shorten(token['deep'])}: {TOO_DEEP}")


def too_large(where: str) -> GanbenchError:
    """Return the error for a suite that is too large as a whole."""
    return GanbenchError(f"{where}: more than {MOST_BYTES:,} bytes or {MOST_VALUES:,} values. Split the suite.")


def check_table(suite: Mapping[str, Any], where: str) -> list[Complaint]:
    """Return a complaint about each value of a table that is too large or too deep, and about each wrong key.

    Raise GanbenchError, which begins with `where`, if there are too many values in all.
    """
    complaints: list[Complaint] = []
    for number, complaint in enumerate(walk(suite, ())):
        if number == MOST_VALUES:
            raise too_large(where)
        if complaint is not None:
            complaints.append(complaint)
    return complaints


def walk(value: Any, path: Path) -> Iterator[Complaint | None]:
    """Yield a complaint or None about each value, in order; nothing below a complaint is looked at."""
    if reason := describe_excess(value, path):
        yield Complaint(path, None, reason)  # without the value: its text may be endless
        return
    yield None
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list | tuple) else ()
    for key, item in items:
        if isinstance(value, Mapping) and not isinstance(key, str):
            yield Complaint(path, None, f"a key is {shorten(key)}, but keys are strings. Write it as a string.")
        elif isinstance(key, str) and len(key) > LONGEST_KEY:
            yield Complaint((*path, key), None, f"a key has at most {LONGEST_KEY} characters. Write a shorter one.")
        else:
            yield from walk(item, (*path, key))


def describe_excess(value: Any, path: Path) -> str:
    """Return why a value is too large or too deep, "" if it is neither."""
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            return f"it has {len(value):,} characters, but a text has at most {LONGEST_TEXT:,}. Write a shorter one."
    elif isinstance(value, Mapping | list | tuple):
        most = MOST_SEEDS if path == ("seeds",) else MOST_ITEMS
        if len(path) >= MOST_DEPTH:
            return TOO_DEEP
        if len(value) > most:
            what = "keys, but a table" if isinstance(value, Mapping) else "items, but this list"
            return f"it has {len(value):,} {what} has at most {most:,}. Write fewer."
    return ""
