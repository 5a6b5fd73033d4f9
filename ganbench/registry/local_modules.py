"""The modules behind a plugin: its file, and every local module that it imports, directly or through others.

Local modules are those that a user may edit: modules of the plugin's own package, wherever it lies, and all modules
that belong neither to Python nor to an installed distribution. They are found in the text, without importing them.
This module needs only the standard library.
"""

from __future__ import annotations

import ast
import sys
import sysconfig
import tokenize
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from importlib.util import decode_source, find_spec
from pathlib import Path
from types import MappingProxyType

OUTSIDE = frozenset({"ganbench", "torch", *sys.stdlib_module_names})
"""Packages whose code is never hashed. Their own numbers represent it: ENGINE_NUMERICS, or a version in the facts."""

INSTALLED = frozenset({"site-packages", "dist-packages"})
"""The names of the folders in which distributions are installed, on all systems."""

STANDARD_LIBRARY = Path(sysconfig.get_path("stdlib")).resolve()

Texts = Mapping[str, str]
"""The text of files, by their paths."""

NO_TEXTS: Texts = MappingProxyType({})


def collect_files(file: Path, module: str, files: dict[Path, str], texts: Texts = NO_TEXTS) -> None:
    """Add to `files` a plugin's file and the local modules that it imports, each with the name of its module.

    `texts` are files that are not read again. Raise SyntaxError or OSError for a file that cannot be read.
    """
    top, todo = module.partition(".")[0], [(file, module)]
    while todo:
        file, module = todo.pop()
        if file in files:
            continue
        files[file] = module
        for name in _find_imported_modules(read_source(file, module, texts), module, file.name == "__init__.py"):
            imported = find_module_file(name)
            if imported is not None and (name.partition(".")[0] == top or is_local(imported)):
                todo.append((imported, name))


def read_source(file: Path, module: str, texts: Texts = NO_TEXTS) -> str:
    """Return the text of a module: for a plugin file as it was imported, else that of `texts`, else the file's now."""
    content = getattr(getattr(sys.modules.get(module), "__loader__", None), "content", None)
    if isinstance(content, bytes):
        return decode_source(content)
    if str(file) in texts:
        return texts[str(file)]
    with tokenize.open(file) as stream:
        return stream.read()


def read_imported(packages: Collection[str]) -> dict[str, str]:
    """Return the texts, by their paths, of the modules in memory that belong to these packages or may be edited."""
    texts: dict[str, str] = {}
    for name, module in list(sys.modules.items()):
        file, top = getattr(module, "__file__", None), name.partition(".")[0]
        if not isinstance(file, str) or not file.endswith(".py") or top in OUTSIDE:
            continue
        if top in packages or is_local(Path(file)):
            with suppress(OSError, SyntaxError):  # its hash says what is wrong with it
                texts[file] = read_source(Path(file), name)
    return texts


@lru_cache(maxsize=4096)
def is_local(file: Path) -> bool:
    """Return whether a file belongs neither to Python nor to an installed distribution.

    What is installed lies in a folder of that name, in whichever environment: one may borrow from another.
    """
    resolved = file.resolve()
    return not (INSTALLED & {*file.parts, *resolved.parts} or resolved.is_relative_to(STANDARD_LIBRARY))


@lru_cache(maxsize=1024)
def _find_imported_modules(text: str, module: str, is_package: bool) -> tuple[str, ...]:
    """Return the modules that the text of a module may import, except those in OUTSIDE."""
    names = set(_find_imported_names(ast.parse(text), module, is_package))
    return tuple(sorted(name for name in names if name and name.partition(".")[0] not in OUTSIDE))


def _find_imported_names(tree: ast.Module, module: str, is_package: bool) -> Iterator[str]:
    """Yield the modules that the import statements of a module may name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = module.split(".")[: len(module.split(".")) - node.level + is_package] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            yield from (base, *(f"{base}.{alias.name}" for alias in node.names))


def find_module_file(name: str) -> Path | None:
    """Return the file of a module, without importing it; None if it has none, or if there is no such module."""
    top, *rest = name.split(".")
    try:
        spec = getattr(sys.modules.get(top), "__spec__", None) or find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not rest:
        return Path(spec.origin) if spec.origin and spec.has_location and Path(spec.origin).is_file() else None
    for folder in getattr(sys.modules.get(top), "__path__", spec.submodule_search_locations) or ():
        path = Path(folder, *rest)
        for file in (path / "__init__.py", path.with_name(path.name + ".py")):
            if file.is_file():
                return file
    return None
