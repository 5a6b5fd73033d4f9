"""The code behind an offer, as a hash that only changes of code can move.

Comments, docstrings, blank lines, layout and line breaks inside brackets do not count; the structure of blocks does.
Needs nothing but Python, and gives the same on every Python from 3.11 on.
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
"""Packages whose own numbers (ENGINE_NUMERICS, a version in the facts) stand for their code."""

SKIPPED = frozenset({tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER})
CONSTANTS = (str, bytes, int, float, complex, bool, tuple, type(None))


def normalise_source(source: str) -> str:
    """Give source without what does not count: one logical line a row, a tab for each block around it.

    Raises SyntaxError or tokenize.TokenError for what is no Python.
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
    """Give the tokens; an f-string is one STRING as written, which Pythons from 3.12 on take to pieces."""
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
                yield tokenize.STRING, _text_between(lines, start, token.end)
        elif not depth:
            yield token.type, token.string


def _text_between(lines: list[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    """Give the text between two positions (row from 1, column from 0)."""
    rows = lines[start[0] - 1 : end[0]]
    rows[-1] = rows[-1][: end[1]]
    rows[0] = rows[0][start[1] :]
    return "\n".join(rows)


def _is_plain_string(word: str) -> bool:
    """Say whether a string is a docstring's kind: f-strings run code, bytes are no text."""
    prefix = word[: min(word.find(quote) for quote in "'\"" if quote in word)]
    return not set(prefix.lower()) & set("fbt")


def hash_code(roots: Iterable[Callable[..., Any]]) -> str:
    """Give the SHA-256 of the sources behind some functions, 64 hexadecimal digits.

    The file of each and the modules of its own package that it imports, near and far, whatever their names and places.
    What a script or a notebook defines is hashed function by function, with all it refers to by name in its module.
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
    """Give the function or class that somebody wrote, behind partials, decorators, methods and callable objects."""
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
    """Give the file in which something is defined, None where there is none (a notebook, a built-in)."""
    try:
        name = inspect.getsourcefile(unwrap_definition(thing))
    except (TypeError, OSError):
        return None
    return Path(name) if name and Path(name).is_file() else None


def _collect_files(file: Path, module: str, files: set[Path]) -> None:
    """Add a file, and those of its own package that it imports, to `files`."""
    todo = [(file, module)]
    while todo:
        file, module = todo.pop()
        if file in files:
            continue
        files.add(file)
        for name in _imported_modules(file, file.stat().st_mtime_ns, module):
            imported = _find_module_file(name)
            if imported is not None:
                todo.append((imported, name))


@lru_cache(maxsize=4096)
def _hash_file(file: Path, changed: int) -> str:
    """Give the hash of a file; `changed` is its mtime."""
    return hashlib.sha256(normalise_source(_read_source(file)).encode()).hexdigest()


@lru_cache(maxsize=4096)
def _imported_modules(file: Path, changed: int, module: str) -> tuple[str, ...]:
    """Give the modules of its own package that a file may import; `changed` is its mtime."""
    return tuple(sorted(_imported_names(ast.parse(_read_source(file)), module, file.name == "__init__.py")))


def _read_source(file: Path) -> str:
    with tokenize.open(file) as stream:
        return stream.read()


def _imported_names(tree: ast.Module, module: str, is_package: bool) -> Iterator[str]:
    """Give the names that the import statements of a module may mean within its own top-level package."""
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
    """Give the file of a module of an imported package, without importing it."""
    top, *rest = name.split(".")
    for folder in getattr(sys.modules.get(top), "__path__", ()):
        path = Path(folder, *rest)
        for file in (path / "__init__.py", path.with_name(path.name + ".py")):
            if file.is_file() and (rest or file.name == "__init__.py"):
                return file
    return None


def _collect_texts(thing: Any, module: str, seen: set[int]) -> Iterator[str]:
    """Give the code of a function or class, and of all that it refers to by name in its own module."""
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, CONSTANTS):
        yield repr(thing)
    elif getattr(thing, "__module__", None) == module and isinstance(thing, type):
        yield _source_text(thing)
        for item in vars(thing).values():
            yield from _collect_texts(unwrap_definition(item), module, seen) if inspect.isroutine(item) else ()
    elif getattr(thing, "__module__", None) == module and isinstance(thing, FunctionType):
        yield _source_text(thing)
        names = sorted(set(_looked_up_names(thing.__code__)) & set(thing.__globals__))
        cells = [cell.cell_contents for cell in thing.__closure__ or ()]
        for item in [*(thing.__globals__[name] for name in names), *cells, *(thing.__defaults__ or ())]:
            yield from _collect_texts(item, module, seen)


def _source_text(thing: Any) -> str:
    """Give the normalised source of a function or class, or its bytecode (of this Python) where no source is kept."""
    try:
        source = inspect.getsource(thing)
    except (OSError, TypeError):
        return _describe_bytecode(thing.__code__) if isinstance(thing, FunctionType) else str(thing.__qualname__)
    try:
        return normalise_source(textwrap.dedent(source))
    except (SyntaxError, tokenize.TokenError):
        return source


def _looked_up_names(code: CodeType) -> Iterator[str]:
    """Give the names that a function and the functions inside it look up."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _looked_up_names(constant)


def _describe_bytecode(code: CodeType) -> str:
    """Give a function's instructions, names and constants as text; docstrings count here, and so does the Python."""
    constants = [
        _describe_bytecode(item)
        if isinstance(item, CodeType)
        else repr(sorted(item, key=repr) if isinstance(item, frozenset) else item)
        for item in code.co_consts
    ]
    return repr((code.co_code.hex(), code.co_names, constants))
