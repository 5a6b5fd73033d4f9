"""The error messages of suites: for each mistake the file, line, key, value, reason and way out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from ganbench.errors import GanbenchError, shorten, suggest
from ganbench.suite.toml_lines import Path, line_numbers, spell_path

TOML_REASONS = {
    "model_type": "it should be a table",
    "dict_type": "it should be a table",
    "tuple_type": "it should be a list",
    "list_type": "it should be a list",
    "string_type": "it should be a string",
}
"""Reasons in TOML's words, for pydantic's errors that name Python types."""


MOST_COMPLAINTS = 10
"""The largest number of mistakes that a message lists."""


class Complaint(NamedTuple):
    """A mistake in a suite: its path, the value (None if it is missing), and the reason with the way out.

    A reason that takes time to find, among many names, is a function: only those that are listed are called.
    """

    path: Path
    value: Any
    reason: str | Callable[[], object]


class Complaints(ValueError):
    """The mistakes that a check found; a ValueError, because pydantic collects those."""

    def __init__(self, complaints: Sequence[Complaint]) -> None:
        super().__init__(*complaints)
        self.complaints = complaints


def translate_error(
    error: ValidationError, tables: Mapping[str, type[BaseModel]], where: str, text: str
) -> GanbenchError:
    """Return pydantic's error as a GanbenchError with a line for each mistake.

    `tables` are the models of the suite's tables by key, with "" for the suite itself; `text` is the suite's TOML text.
    """
    return write_complaints(list_complaints(error, tables), where, text)


def list_complaints(error: ValidationError, tables: Mapping[str, type[BaseModel]]) -> list[Complaint]:
    """Return pydantic's errors as complaints in the words of suites."""
    return list(_translate_complaints(error, tables))


def write_complaints(complaints: Sequence[Complaint], where: str, text: str) -> GanbenchError:
    """Return mistakes as a GanbenchError with a line for each of the first `MOST_COMPLAINTS`, and one for the others.

    `text` is the suite's TOML text.
    """
    lines = line_numbers(text)
    messages = []
    for path, value, reason in complaints[:MOST_COMPLAINTS]:
        line = next((lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in lines), None)
        place = f"{where}:{line}" if line else where
        assignment = "" if value is None else f" = {shorten(value)}"
        why = reason() if callable(reason) else reason
        messages.append(f"{place}: {spell_path(path)}{assignment}: {why}" if path else f"{place}: {why}")
    if (others := len(complaints) - MOST_COMPLAINTS) > 0:
        messages.append(f"{where}: and {others:,} more mistake{'s' * (others > 1)}.")
    return GanbenchError("\n".join(messages))


def _translate_complaints(error: ValidationError, tables: Mapping[str, type[BaseModel]]) -> Iterator[Complaint]:
    """Yield pydantic's errors as complaints in the words of suites."""
    for item in error.errors(include_url=False):
        path, value, cause = item["loc"], item["input"], item.get("ctx", {}).get("error")
        meaning = _describe_key(path, tables)
        if isinstance(cause, Complaints):
            yield from (Complaint(path + each.path, each.value, each.reason) for each in cause.complaints)
        elif item["type"] == "missing" and isinstance(path[-1], int):
            yield Complaint(path[:-1], value, f"item {path[-1] + 1} is missing. {meaning}".rstrip())
        elif item["type"] == "missing":
            yield Complaint(path, None, f"missing. {meaning or f'Write {path[-1]} = ...'}")
        elif item["type"] == "extra_forbidden":
            yield Complaint(path, value, _explain_unknown_key(path, tables))
        elif item["type"] in TOML_REASONS:
            yield Complaint(path, value, f"{TOML_REASONS[item['type']]}. {meaning}".rstrip())
        else:
            yield Complaint(path, value, f"{cause or _reword(item['msg'])}.")


def _reword(message: str) -> str:
    """Return pydantic's message about a value without its words for Python types."""
    return re.sub(r"^(Input|String|Tuple|List) should", "it should", message).replace(" after validation", "")


def _find_model(path: Path, tables: Mapping[str, type[BaseModel]]) -> type[BaseModel] | None:
    """Return the model that has the last key of a path, or None inside of offers, whose keys are options."""
    names = [part for part in path if isinstance(part, str)]
    return tables.get("" if len(names) == 1 else names[0]) if len(names) in (1, 2) else None


def _describe_keys(model: type[BaseModel]) -> dict[str, str]:
    """Return the keys of a table and what each means."""
    return {field.alias or name: field.description or "" for name, field in model.model_fields.items()}


def _describe_key(path: Path, tables: Mapping[str, type[BaseModel]]) -> str:
    """Return what the last key of a path means, "" if it is unknown."""
    model = _find_model(path, tables)
    names = [part for part in path if isinstance(part, str)]
    return _describe_keys(model).get(names[-1], "") if model else ""


def _explain_unknown_key(path: Path, tables: Mapping[str, type[BaseModel]]) -> str:
    """Return the reason for an unknown key: the nearest known key, all known keys, and other tables with this key."""
    key, model = str(path[-1]), _find_model(path, tables)
    keys = _describe_keys(model) if model else {}
    homes = [name or "the suite itself" for name, table in tables.items() if key in _describe_keys(table)]
    elsewhere = f"{shorten(key)} is a key of {' and '.join(homes)}." if homes else ""
    parts = (f"no such key.{suggest(key, keys)} Known: {', '.join(sorted(keys))}.", elsewhere, keys.get("options", ""))
    return " ".join(filter(None, parts))
