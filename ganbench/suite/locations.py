"""Where in a suite something stands: what opens every complaint about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from ganbench.api.offers import Use
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
"""The kind of the offers that stand under a key of a [[method]] table."""


def locate(suite: Suite, *path: str | int, option: str = "") -> str:
    """Give the place of a path as complaints write it: `suites/ring.toml:27: method[0].loss`.

    The line is that of an `option` of what stands there, where it has one of its own.
    """
    index = line_numbers(suite._text)
    nearest = [(*path, option), (*path[:1], "options", option), *(path[:end] for end in range(len(path), 0, -1))]
    numbers = [index[each] for each in nearest if each in index]
    where = f"{suite.where}:{numbers[0]}" if numbers else suite.where
    return f"{where}: {spell_path(path)}"


def locate_use(suite: Suite, kind: str, use: Use, method: str = "", option: str = "") -> str:
    """Give the place where a suite asks for this; what only a recipe asks for stands where its `method` does."""
    found = next((path for path, its_kind, its_use in uses(suite) if (its_kind, its_use) == (kind, use)), None)
    return locate(suite, *found, option=option) if found else locate_method(suite, method)


def locate_method(suite: Suite, name: str) -> str:
    """Give the place where a suite asks for a method: in its list, else as a table."""
    if name in suite.methods:
        return locate(suite, "methods", suite.methods.index(name))
    tables = [table.name for table in suite.method]
    return locate(suite, "method", tables.index(name)) if name in tables else suite.where


def uses(suite: Suite) -> Iterator[tuple[Path, str, Use]]:
    """Give every offer that a suite itself asks for: where, of which kind, and how."""
    space = suite.architectures
    yield ("architectures", "space"), "architectures", Use(space.space, options=space.options)
    for i, dataset in enumerate(suite.dataset):
        yield ("dataset", i), "datasets", Use(dataset.name, options=dataset.options)
    for i, metric in enumerate(suite.measurement.metrics or ()):
        yield ("measurement", "metrics", i), "metrics", metric.use()
    for i, method in enumerate(suite.method):
        for key, kind in KINDS.items():
            asked = getattr(method, key)
            if isinstance(asked, tuple):
                yield from ((("method", i, key, k), kind, each.use()) for k, each in enumerate(asked))
            elif asked is not None:
                yield ("method", i, key), kind, asked.use()
