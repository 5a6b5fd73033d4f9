"""The places of a suite's parts, as error messages name them: file, line and key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from ganbench.api.offers import Use
from ganbench.suite.methods import PartTable
from ganbench.suite.toml_lines import Path, line_numbers, spell_path

if TYPE_CHECKING:
    from ganbench.suite.suite import Suite

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "loss": "losses",
        "constraints": "constraints",
        "add_constraints": "constraints",
        "inputs": "inputs",
        "dynamics": "dynamics",
        "optimizer": "optimizers",
        "critic_optimizer": "optimizers",
        "generator_optimizer": "optimizers",
    }
)
"""The kind of the offers that a key of a [[method]] table holds."""


def locate(suite: Suite, *path: str | int, option: str = "") -> str:
    """Return the place of a path as error messages write it, such as `suites/ring.toml:27: method[0].loss`.

    With `option`, the line is that of the option if the option has a line of its own.
    """
    lines = line_numbers(suite._text)
    candidates = [(*path, option), (*path[:1], "options", option), *(path[:end] for end in range(len(path), 0, -1))]
    line = next((lines[candidate] for candidate in candidates if candidate in lines), None)
    where = f"{suite.where}:{line}" if line else suite.where
    return f"{where}: {spell_path(path)}"


def locate_use(suite: Suite, kind: str, use: Use, method: str = "", option: str = "") -> str:
    """Return the place where a suite uses an offer; with `option`, of the table that sets it.

    A method's offer is looked for in the method's table, then in those that it starts from. If only a recipe uses the
    offer, the place is that of the `method`. An option that a configuration varies is where it is varied.
    """
    if varied := find_varied(suite, kind, method, option):
        return varied
    paths = [
        (option in {*table.options, *table.model_fields_set}, path)
        for path, each, table in list_uses(suite, list_tables(suite, method))
        if each == kind and is_part(table, use, whole=not method)
    ]
    path = next((path for has_option, path in paths if has_option), paths[0][1] if paths else None)
    return locate(suite, *path, option=option) if path else locate_method(suite, method)


def find_varied(suite: Suite, kind: str, label: str, option: str) -> str:
    """Return the place where a configuration's method varies this option of an offer of this kind; "" if nowhere."""
    settings = suite.configurations[label].settings if option and label in suite.configurations else {}
    for path in settings:
        if KINDS.get(path.partition(".")[0]) == kind and path.rpartition(".")[2] == option:
            return locate(suite, "method", list_tables(suite, label)[0], "vary", path)
    return ""


def is_part(table: PartTable, use: Use, *, whole: bool) -> bool:
    """Return whether a table is of this use: all of it, or else a part of its options, under its name or none."""
    if whole:
        return table.name == use.name and table.options == use.options
    return table.changes(use) and table.options.items() <= use.options.items()


def list_tables(suite: Suite, method: str) -> list[int]:
    """Return the indices of a method's [[method]] table and of those that it starts from, the method's own first."""
    names = [table.name for table in suite.method]
    chain: list[int] = []
    method = suite.declared_name(method)
    while method in names and names.index(method) not in chain:
        chain.append(names.index(method))
        method = suite.method[chain[-1]].from_ or ""
    return chain


def locate_method(suite: Suite, name: str) -> str:
    """Return the place of a method: in the list `methods`, or else its [[method]] table."""
    name = suite.declared_name(name)
    if name in suite.methods:
        return locate(suite, "methods", suite.methods.index(name))
    tables = [table.name for table in suite.method]
    return locate(suite, "method", tables.index(name)) if name in tables else suite.where


def list_uses(suite: Suite, methods: Iterable[int]) -> Iterator[tuple[Path, str, PartTable]]:
    """Yield the path, the kind and the table of every offer that the suite names, in these [[method]] tables only."""
    space = suite.architectures
    named = PartTable.model_construct(name=space.space, options=space.options)
    yield ("architectures", "space"), "architectures", named
    for i, dataset in enumerate(suite.dataset):
        yield ("dataset", i), "datasets", dataset
        yield from ((("dataset", i, "metrics", k), "metrics", each) for k, each in enumerate(dataset.metrics or ()))
        if dataset.extractor is not None:
            yield ("dataset", i, "extractor"), "extractors", dataset.extractor
    for i, metric in enumerate(suite.measurement.metrics or ()):
        yield ("measurement", "metrics", i), "metrics", metric
    if suite.measurement.extractor is not None:
        yield ("measurement", "extractor"), "extractors", suite.measurement.extractor
    for i in methods:
        for key, kind in KINDS.items():
            part = getattr(suite.method[i], key)
            if isinstance(part, tuple):
                yield from ((("method", i, key, k), kind, term) for k, term in enumerate(part))
            elif part is not None:
                yield ("method", i, key), kind, part
