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


def _name(name: str) -> str:
    if not name.strip() or name != name.strip() or not name.isprintable() or len(name) > 100:
        raise ValueError("a name is 1 to 100 printable characters, without spaces around them")
    return name


def _some(items: Any) -> Any:
    if isinstance(items, Mapping):
        raise ValueError("one table where a list of them goes. Write its header with two brackets, as in [[dataset]]")
    if isinstance(items, list | tuple) and not items:
        raise ValueError("it is empty. Leave it out, or name something")
    return items


Some = BeforeValidator(_some)
"""Of a field that is a list: it is no lone table, and it is not empty."""

_NAMED: dict[str, Any] = {"minLength": 1, "maxLength": 100, "pattern": r"^\S(.*\S)?$"}
Name = Annotated[str, Field(strict=True, json_schema_extra=_NAMED), AfterValidator(_name)]
Count = Annotated[int, Field(strict=True, ge=1, le=10**12)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class Table(BaseModel):
    """A table of a suite: frozen, and every key in it is known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _loosen(schema: dict[str, Any]) -> None:
    """Tell editors what `_gather` accepts: a bare name, and the offer's options beside our keys."""
    table = schema | {"additionalProperties": True}
    table["properties"] = {key: value for key, value in schema["properties"].items() if key != "options"}
    schema.clear()
    schema["anyOf"] = [{"type": "string"}, table]
