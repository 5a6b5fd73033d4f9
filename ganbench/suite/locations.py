"""The places of a suite's parts, as error messages name them: file, line and key."""

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
    """Return the place where a suite uses an offer; if only a recipe uses it, the place of the `method`."""
    path = next((path for path, *offer in list_uses(suite) if offer == [kind, use]), None)
    return locate(suite, *path, option=option) if path else locate_method(suite, method)


def locate_method(suite: Suite, name: str) -> str:
    """Return the place of a method: in the list `methods`, or else its [[method]] table."""
    if name in suite.methods:
        return locate(suite, "methods", suite.methods.index(name))
    tables = [table.name for table in suite.method]
    return locate(suite, "method", tables.index(name)) if name in tables else suite.where


def list_uses(suite: Suite) -> Iterator[tuple[Path, str, Use]]:
    """Yield the path, the kind and the use of every offer that the suite itself names."""
    space = suite.architectures
    yield ("architectures", "space"), "architectures", Use(space.space, options=space.options)
    for i, dataset in enumerate(suite.dataset):
        yield ("dataset", i), "datasets", Use(dataset.name, options=dataset.options)
        yield from (
            (("dataset", i, "metrics", k), "metrics", each.use()) for k, each in enumerate(dataset.metrics or ())
        )
    for i, metric in enumerate(suite.measurement.metrics or ()):
        yield ("measurement", "metrics", i), "metrics", metric.use()
    for i, method in enumerate(suite.method):
        for key, kind in KINDS.items():
            part = getattr(method, key)
            if isinstance(part, tuple):
                yield from ((("method", i, key, k), kind, term.use()) for k, term in enumerate(part))
            elif part is not None:
                yield ("method", i, key), kind, part.use()
