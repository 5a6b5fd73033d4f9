"""The field types that the tables of a suite share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
)

from ganbench.suite.bounds import MOST_SEEDS


def _check_name(name: str) -> str:
    if not name.strip() or name != name.strip() or not name.isprintable() or len(name) > 100:
        raise ValueError("a name is 1 to 100 printable characters, without spaces around them")
    return name


def _check_not_empty(items: Any) -> Any:
    if isinstance(items, Mapping):
        raise ValueError("it should be a list. The header of a list of tables has two brackets, as in [[dataset]]")
    if isinstance(items, list | tuple) and not items:
        raise ValueError("the list is empty. Leave it out, or add an item")
    return items


NotEmpty = BeforeValidator(_check_not_empty)
"""The check of a list that, if present, has items, and is not a single table."""

_NAME_SCHEMA: dict[str, Any] = {"minLength": 1, "maxLength": 100, "pattern": r"^\S(.*\S)?$"}
Name = Annotated[str, Field(strict=True, json_schema_extra=_NAME_SCHEMA), AfterValidator(_check_name)]
Count = Annotated[int, Field(strict=True, ge=1, le=10**12)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
"""The units of sizes of memory, in bytes."""


def parse_size(text: str) -> int:
    """Return a size of memory in bytes; raise ValueError for what is no number above 0 with a unit."""
    number, _, unit = text.strip().partition(" ")
    try:
        size = round(float(number) * UNITS[unit.strip()])
    except (KeyError, ValueError, OverflowError):
        size = 0
    if not 0 < size <= 2**60:
        raise ValueError(f'it should be a number and a unit, as in "8 GiB". Units: {", ".join(UNITS)}')
    return size


def _check_size(text: str) -> str:
    parse_size(text)
    return text


_SIZE_SCHEMA: dict[str, Any] = {"pattern": rf"^\s*[0-9.]+ ({'|'.join(UNITS)})\s*$"}
Size = Annotated[str, Field(strict=True, json_schema_extra=_SIZE_SCHEMA), AfterValidator(_check_size)]


def check_seeds(seeds: Any) -> Any:
    """Return a number of seeds, or a list of seeds, as it is; raise ValueError for anything else."""
    is_list = isinstance(seeds, list | tuple)
    items, least, most = (seeds, 0, 2**63 - 1) if is_list else ([seeds], 1, MOST_SEEDS)
    if not items or any(type(item) is not int or not least <= item <= most for item in items):
        raise ValueError(
            f"it should be a number of seeds from 1 to {MOST_SEEDS}, or a list of integers >= 0 and below 2**63"
        )
    return seeds


class Table(BaseModel):
    """The base of a suite's tables: immutable, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _allow_name_and_options(schema: dict[str, Any]) -> None:
    """Change the schema of a `PartTable` in place: allow a bare name, and any options beside its own keys."""
    table = schema | {"additionalProperties": True}
    table["properties"] = {key: value for key, value in schema["properties"].items() if key != "options"}
    schema.clear()
    schema["anyOf"] = [{"type": "string"}, table]
