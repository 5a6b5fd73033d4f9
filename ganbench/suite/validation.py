"""What is wrong with a suite, so that its writer can mend it: file, line, key, value, way out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from ganbench.errors import GanbenchError, shorten, suggest
from ganbench.suite.toml_lines import Path, line_numbers, spell_path

OURS = {
    "model_type": "it should be a table",
    "dict_type": "it should be a table",
    "tuple_type": "it should be a list",
    "list_type": "it should be a list",
}
"""Pydantic's complaints that speak of Python's types, as TOML has it."""


class Complaint(NamedTuple):
    """One thing that is wrong: where in the suite, the value (None: it is missing), why and the way out."""

    path: Path
    value: Any
    reason: str


class Complaints(ValueError):
    """What a check over a whole suite found; a ValueError, so that pydantic passes it on."""

    def __init__(self, complaints: Sequence[Complaint]) -> None:
        super().__init__(*complaints)
        self.complaints = complaints


def translate_error(
    error: ValidationError, tables: Mapping[str, type[BaseModel]], where: str, text: str
) -> GanbenchError:
    """Give pydantic's error as ours, one line for each complaint.

    `tables` are the models by the key under which they stand, "" for the whole suite; `text` is searched for lines.
    """
    index = line_numbers(text)
    rows = []
    for path, value, reason in _complaints(error, tables):
        numbers = [index[path[:end]] for end in range(len(path), 0, -1) if path[:end] in index]
        place = f"{where}:{numbers[0]}" if numbers else where
        shown = "" if value is None else f" = {shorten(value)}"
        rows.append(f"{place}: {spell_path(path)}{shown}: {reason}" if path else f"{place}: {reason}")
    return GanbenchError("\n".join(rows))


def _complaints(error: ValidationError, tables: Mapping[str, type[BaseModel]]) -> Iterator[Complaint]:
    """Give pydantic's complaints in our words."""
    for one in error.errors(include_url=False):
        path: Path = one["loc"]
        cause = one.get("ctx", {}).get("error")
        if isinstance(cause, Complaints):
            yield from (Complaint(path + each.path, each.value, each.reason) for each in cause.complaints)
        elif one["type"] == "missing":
            yield Complaint(path, None, f"missing. {_description(path, tables) or f'Write {path[-1]} = ...'}")
        elif one["type"] == "extra_forbidden":
            yield Complaint(path, one["input"], _unknown(path, tables))
        else:
            own = OURS.get(one["type"]) or one["msg"].replace("Input should", "it should")
            reason = str(cause or own.replace("String should", "it should"))
            yield Complaint(path, one["input"], f"{reason}.")


def _model(path: Path, tables: Mapping[str, type[BaseModel]]) -> type[BaseModel] | None:
    """Give the model whose key is the last of a path, where we know it."""
    names = [part for part in path if isinstance(part, str)]
    return tables.get("" if len(names) == 1 else names[0]) if len(names) in (1, 2) else None


def _known(model: type[BaseModel]) -> dict[str, str]:
    """Give the keys of a table and what each means."""
    return {field.alias or name: field.description or "" for name, field in model.model_fields.items()}


def _description(path: Path, tables: Mapping[str, type[BaseModel]]) -> str:
    """Give what a key means."""
    model = _model(path, tables)
    return _known(model).get(str(path[-1]), "") if model and path else ""


def _unknown(path: Path, tables: Mapping[str, type[BaseModel]]) -> str:
    """Give the nearest right key and all the right ones."""
    model = _model(path, tables)
    known = sorted(_known(model)) if model else []
    own = f" {_known(model).get('options', '')}" if model else ""
    return f"no such key.{suggest(path[-1], known)} Known: {', '.join(known)}.{own}".rstrip()
