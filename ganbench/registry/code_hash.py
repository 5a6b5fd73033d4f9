"""The hash of the code behind an offer. Only a change of code changes the hash.

Comments, docstrings, blank lines, layout and line breaks inside brackets do not count; the structure of blocks counts.
This module needs only the standard library, and returns the same hash on every Python from 3.11 on.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import io
import sys
import textwrap
import tokenize
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

OUTSIDE = frozenset({"ganbench", "torch", *sys.stdlib_module_names})
"""Packages whose code is not hashed. Their own numbers represent it: ENGINE_NUMERICS, or a version in the facts."""

SKIPPED = frozenset({tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER})
CONSTANTS = (str, bytes, int, float, complex, bool, tuple, type(None))


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


def hash_code(roots: Iterable[Callable[..., Any]]) -> str:
    """Return the SHA-256 of the sources behind functions, 64 hexadecimal digits.

    The sources of a function are its file and all modules of its own package that the file imports, directly or through
    other modules. Their names and places do not count. A function defined in a script or a notebook is hashed with
    everything in its module that it refers to by name.
    """
    files: set[Path] = set()
    texts: set[str] = set()
    for root in map(unwrap_definition, roots):
        file, module = find_source_file(root), str(getattr(root, "__module__", ""))
        if module.partition(".")[0] in OUTSIDE:
            continue
        if file is None or module == "__main__":
            texts |= set(_collect_texts(root, module, set()))
        else:
            _collect_files(file, module, files)
    digests = {_hash_file(file, file.stat().st_mtime_ns) for file in files}
    digests |= {hashlib.sha256(text.encode()).hexdigest() for text in texts}
    return hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()


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
    """Return the file that defines something, or None if there is no file (a notebook, a built-in)."""
    try:
        name = inspect.getsourcefile(unwrap_definition(thing))
    except (TypeError, OSError):
        return None
    return Path(name) if name and Path(name).is_file() else None


def _collect_files(file: Path, module: str, files: set[Path]) -> None:
    """Add to `files` a file and the files of its own package that it imports, directly or indirectly."""
    todo = [(file, module)]
    while todo:
        file, module = todo.pop()
        if file in files:
            continue
        files.add(file)
        for name in _find_imported_modules(file, file.stat().st_mtime_ns, module):
            imported = _find_module_file(name)
            if imported is not None:
                todo.append((imported, name))


@lru_cache(maxsize=4096)
def _hash_file(file: Path, mtime: int) -> str:
    """Return the hash of a file. Its mtime, in nanoseconds, makes the cache notice edits."""
    return hashlib.sha256(normalise_source(_read_source(file)).encode()).hexdigest()


@lru_cache(maxsize=4096)
def _find_imported_modules(file: Path, mtime: int, module: str) -> tuple[str, ...]:
    """Return the modules of its own package that a file may import. Its mtime makes the cache notice edits."""
    return tuple(sorted(_find_imported_names(ast.parse(_read_source(file)), module, file.name == "__init__.py")))


def _read_source(file: Path) -> str:
    with tokenize.open(file) as stream:
        return stream.read()


def _find_imported_names(tree: ast.Module, module: str, is_package: bool) -> Iterator[str]:
    """Yield the modules of its own top-level package that the import statements of a module may name."""
    top = module.partition(".")[0]
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = module.split(".")[: len(module.split(".")) - node.level + is_package] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        yield from (name for name in names if name.partition(".")[0] == top)


def _find_module_file(name: str) -> Path | None:
    """Return the file of a module in a package that is already imported, without importing the module."""
    top, *rest = name.split(".")
    for folder in getattr(sys.modules.get(top), "__path__", ()):
        path = Path(folder, *rest)
        for file in (path / "__init__.py", path.with_name(path.name + ".py")):
            if file.is_file() and (rest or file.name == "__init__.py"):
                return file
    return None


def _collect_texts(thing: Any, module: str, seen: set[int]) -> Iterator[str]:
    """Yield the code of a function or class, and of everything in its own module that it refers to by name."""
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, CONSTANTS):
        yield repr(thing)
    elif getattr(thing, "__module__", None) == module and isinstance(thing, type):
        yield _read_definition(thing)
        for item in vars(thing).values():
            yield from _collect_texts(unwrap_definition(item), module, seen) if inspect.isroutine(item) else ()
    elif getattr(thing, "__module__", None) == module and isinstance(thing, FunctionType):
        yield _read_definition(thing)
        names = sorted(set(_find_global_names(thing.__code__)) & set(thing.__globals__))
        cells = [cell.cell_contents for cell in thing.__closure__ or ()]
        for item in [*(thing.__globals__[name] for name in names), *cells, *(thing.__defaults__ or ())]:
            yield from _collect_texts(item, module, seen)


def _read_definition(thing: Any) -> str:
    """Return the normalised source of a function or class, or its bytecode (of this Python) if it has no source."""
    try:
        source = inspect.getsource(thing)
    except (OSError, TypeError):
        return _describe_bytecode(thing.__code__) if isinstance(thing, FunctionType) else str(thing.__qualname__)
    try:
        return normalise_source(textwrap.dedent(source))
    except (SyntaxError, tokenize.TokenError):
        return source


def _find_global_names(code: CodeType) -> Iterator[str]:
    """Yield the names that a function and the functions inside it look up."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _find_global_names(constant)


def _describe_bytecode(code: CodeType) -> str:
    """Return the instructions, names and constants of a function as text.

    Here docstrings count, and so does the version of Python.
    """
    constants = [
        _describe_bytecode(item)
        if isinstance(item, CodeType)
        else repr(sorted(item, key=repr) if isinstance(item, frozenset) else item)
        for item in code.co_consts
    ]
    return repr((code.co_code.hex(), code.co_names, constants))
