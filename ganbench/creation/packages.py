"""A new package with one plugin: a working example of its kind, with tests, a suite, a README and a workflow."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ganbench.api.offers import KINDS
from ganbench.api.version import API_VERSION
from ganbench.creation.rendering import find_templates, render
from ganbench.errors import GanbenchError, shorten, unknown_name

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry

KEBAB = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST_NAME = 40
FILES: Mapping[str, str] = {
    "pyproject.toml": "package/pyproject.toml.jinja",
    "README.md": "package/README.md.jinja",
    ".gitignore": "package/gitignore.jinja",
    ".github/workflows/test.yml": "package/test.yml.jinja",
    "src/{module}/__init__.py": "kinds/{kind}/plugin.py.jinja",
    "suites/{name}.toml": "kinds/{kind}/suite.toml.jinja",
    "tests/test_contracts.py": "package/test_contracts.py.jinja",
    "tests/test_suite.py": "package/test_suite.py.jinja",
    "tests/test_values.py": "kinds/{kind}/test_values.py.jinja",
}
"""The files of a package, each with its template."""


def list_kinds() -> tuple[str, ...]:
    """Return the kinds that a package can be made for, in the singular: those with templates."""
    available = {folder.name for folder in find_templates().joinpath("kinds").iterdir()}
    return tuple(kind for kind in KINDS.values() if kind in available)


def create_package(kind: str, name: str, into: Path, plugins: Registry, author: str = "") -> tuple[Path, list[Path]]:
    """Write the package of a new plugin into a folder, and return its own folder with its files.

    `kind` is one of `list_kinds`, `plugins` are those that are installed. Raise GanbenchError for a name that is not
    kebab-case or that is taken, and for a folder that exists. Nothing is left behind then.
    """
    if kind not in list_kinds():
        raise unknown_name("kind", kind, list_kinds(), "new")
    place = f"new {kind}"
    refuse_name(name, place)
    refuse_taken(kind, name, plugins)
    if not author.isprintable():
        raise GanbenchError(f"{place}: --author {shorten(author)}: it has characters that cannot be printed.")
    files = render_package(kind, name, author)
    folder = into / f"ganbench-{name}"
    write_folder(folder, files, place)
    return folder, [folder / file for file in files]


def refuse_name(name: str, place: str) -> None:
    """Raise GanbenchError, with a name near it, for a name that is not kebab-case or is too long."""
    if not KEBAB.fullmatch(name):
        words = re.findall(r"[a-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower())
        near = "-".join(words).lstrip("-0123456789")[:LONGEST_NAME].strip("-") or "my-name"
        raise GanbenchError(
            f"{place}: {shorten(name)} is not kebab-case: lower-case letters and digits, words joined by hyphens, a "
            f"letter first. Write {near!r}."
        )
    if len(name) > LONGEST_NAME:
        raise GanbenchError(f"{place}: {shorten(name)} has {len(name)} characters. Use up to {LONGEST_NAME}.")


def refuse_taken(kind: str, name: str, plugins: Registry) -> None:
    """Raise GanbenchError if an offer of the kind, a distribution or a module has the name already."""
    kinds = find_hook(kind)
    if name in plugins.names(kinds):
        provider = plugins.get(kinds, name).provider
        raise GanbenchError(
            f"new {kind}: {name!r} is there already, from {provider}. Choose another name, such as 'my-{name}'."
        )
    module = name_module(name)
    try:
        taken = f"the distribution 'ganbench-{name}' {distribution(f'ganbench-{name}').version}"
    except PackageNotFoundError:
        taken = f"a module {module!r}" if find_spec(module) else ""
    if taken:
        raise GanbenchError(f"new {kind}: {name!r}: {taken} is installed here. Choose another name, or uninstall it.")


def find_hook(kind: str) -> str:
    """Return the plural of a kind, as in the name of its hook: "losses" for "loss"."""
    return next(kinds for kinds, word in KINDS.items() if word == kind)


def name_module(name: str) -> str:
    """Return the name of the module in the package of a plugin."""
    return f"ganbench_{name.replace('-', '_')}"


def render_package(kind: str, name: str, author: str = "") -> dict[str, str]:
    """Return the texts of a package by their paths."""
    values = {
        "kind": kind,
        "kinds": find_hook(kind),
        "name": name,
        "distribution": f"ganbench-{name}",
        "module": name_module(name),
        "author": author,
        "api": API_VERSION,
        "release": ".".join(version("ganbench").split(".")[:2]),
    }
    return {file.format(**values): render(template.format(**values), **values) for file, template in FILES.items()}


def refuse_path(path: Path, place: str) -> None:
    """Raise GanbenchError for a path that exists already, and for one in a folder that does not."""
    if path.exists() or path.is_symlink():
        raise GanbenchError(f"{place}: {path} exists already. Choose another name, or another folder by --into DIR.")
    if not path.parent.is_dir():
        raise GanbenchError(f"{place}: {path.parent} is no folder. Make it first, or choose another one by --into.")


def write_folder(folder: Path, files: Mapping[str, str], place: str) -> None:
    """Write files into a new folder, all of them or none; raise GanbenchError, which begins with `place`."""
    refuse_path(folder, place)
    try:
        with tempfile.TemporaryDirectory(prefix=".ganbench-new-", dir=folder.parent) as scratch:
            for file, text in files.items():
                path = Path(scratch, folder.name, file)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            shutil.move(Path(scratch, folder.name), folder)
    except OSError as error:
        raise GanbenchError(f"{place}: {folder} cannot be written: {error.strerror}.") from error
