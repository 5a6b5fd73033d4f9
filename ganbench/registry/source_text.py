"""Source as text in which only a change of code is a change, and the definitions behind functions and classes.

Comments, docstrings, blank lines, layout and line breaks inside brackets do not count; the structure of blocks counts.
This module needs only the standard library, and returns the same text on every Python from 3.11 on.
"""

from __future__ import annotations

import inspect
import io
import sys
import textwrap
import tokenize
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

HAS_DOCSTRING = 0x4000000
"""The flag of a code object whose first constant is a docstring, from Python 3.13 on."""

SKIPPED = frozenset({tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER})


@lru_cache(maxsize=1024)
def normalise_source(source: str) -> str:
    """Return source without the parts that do not count: one row per logical line, indented by one tab per block.

    Raise SyntaxError or tokenize.TokenError for text that is not Python.
    """
    source = source.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    rows: list[str] = []
    words: list[tuple[int, str]] = []
    depth = 0
    for kind, word in _read_tokens(source):
        if kind == tokenize.INDENT:
            depth += 1
        elif kind == tokenize.DEDENT:
            depth -= 1
        elif kind == tokenize.NEWLINE:
            if not all(kind == tokenize.STRING and _is_plain_string(word) for kind, word in words):
                rows.append("\t" * depth + " ".join(word for _, word in words))
            words = []
        elif kind not in SKIPPED:
            words.append((kind, word))
    return "\n".join(rows)


def _read_tokens(source: str) -> Iterator[tuple[int, str]]:
    """Yield the tokens. An f-string is one STRING as written, although Python splits it from 3.12 on."""
    lines = source.split("\n")
    depth, start = 0, (0, 0)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        name = tokenize.tok_name[token.type]
        if name in ("FSTRING_START", "TSTRING_START"):
            start = start if depth else token.start
            depth += 1
        elif name in ("FSTRING_END", "TSTRING_END"):
            depth -= 1
            if not depth:
                yield tokenize.STRING, _extract_text(lines, start, token.end)
        elif not depth:
            yield token.type, token.string


def _extract_text(lines: list[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    """Return the text between two positions; rows count from 1, columns from 0."""
    rows = lines[start[0] - 1 : end[0]]
    rows[-1] = rows[-1][: end[1]]
    rows[0] = rows[0][start[1] :]
    return "\n".join(rows)


def _is_plain_string(word: str) -> bool:
    """Return whether a string may be a docstring: f-strings run code, and bytes are not text."""
    prefix = word[: min(word.find(quote) for quote in "'\"" if quote in word)]
    return not set(prefix.lower()) & set("fbt")


def unwrap_definition(thing: Any) -> Any:
    """Return the function or class that an author wrote, behind partials, decorators, methods and callable objects."""
    while True:
        if isinstance(thing, partial):
            thing = thing.func
        elif inspect.ismethod(thing):
            thing = thing.__func__
        elif hasattr(thing, "__wrapped__"):
            thing = thing.__wrapped__
        else:
            return thing if inspect.isroutine(thing) or isinstance(thing, type) else type(thing)


def find_source_file(thing: Any) -> Path | None:
    """Return the file that defines something, or None if there is no file (a notebook, a built-in).

    The file of a plugin that was sent to a worker need not exist there: its text came along.
    """
    definition = unwrap_definition(thing)
    try:
        name = inspect.getsourcefile(definition)
    except (TypeError, OSError):
        return None
    loader = getattr(sys.modules.get(getattr(definition, "__module__", "")), "__loader__", None)
    return Path(name) if name and (Path(name).is_file() or hasattr(loader, "content")) else None


def read_definition(thing: Any) -> str:
    """Return the normalised source of a function or class, or its bytecode (of this Python) if it has no source."""
    try:
        source = inspect.getsource(thing)
    except (OSError, TypeError):
        return describe_bytecode(thing.__code__) if isinstance(thing, FunctionType) else str(thing.__qualname__)
    try:
        return normalise_source(textwrap.dedent(source))
    except (SyntaxError, tokenize.TokenError):
        return source


def find_global_names(code: CodeType) -> Iterator[str]:
    """Yield the names that a function and the functions inside it look up."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from find_global_names(constant)


def describe_bytecode(code: CodeType) -> str:
    """Return the instructions, names and constants of a function as text, without its docstring.

    It depends on the version of Python.
    """
    constants = list(code.co_consts)
    if constants and isinstance(constants[0], str) and (sys.version_info < (3, 13) or code.co_flags & HAS_DOCSTRING):
        constants[0] = None
    described = [
        describe_bytecode(item)
        if isinstance(item, CodeType)
        else repr(sorted(item, key=repr) if isinstance(item, frozenset) else item)
        for item in constants
    ]
    return repr((code.co_code.hex(), code.co_names, described))
