"""A suite as TOML, written from plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganbench.suite.methods import write_value


def write_toml(table: Mapping[str, Any]) -> str:
    """Return a suite, as plain data, as TOML: its values, then its tables, then its lists of tables."""
    values = {key: value for key, value in table.items() if not isinstance(value, dict) and not is_tables(value)}
    lines = write_lines(values)
    for key, value in table.items():
        if isinstance(value, dict):
            lines += ["", f"[{key}]", *write_lines(value)]
    for key, value in table.items():
        for part in value if is_tables(value) else ():
            lines += ["", f"[[{key}]]", *write_lines(part)]
    return "\n".join([*lines, ""])


def is_tables(value: Any) -> bool:
    """Return whether a value is a list of tables."""
    return isinstance(value, list) and bool(value) and all(isinstance(part, dict) for part in value)


def write_lines(table: Mapping[str, Any]) -> list[str]:
    """Return a line of TOML for each value of a table."""
    return [f"{key} = {write_value(value)}" for key, value in table.items() if value is not None]
