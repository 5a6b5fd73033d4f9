"""The parts of a suite's tables: how a loss, a constraint, a whole method is written, and when an outcome holds."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from ganbench.api.offers import Method, Use
from ganbench.api.schedules import normalise_critic_steps, normalise_scalar
from ganbench.suite.fields import Count, Name, Table, _loosen


class OfferTable(Table):
    """An offer by name, or a table with its name; every key that is not ours is an option of the offer."""

    TERMS_ONLY: ClassVar[frozenset[str]] = frozenset({"weight", "every", "where"})

    model_config = ConfigDict(json_schema_extra=_loosen)

    name: Name
    options: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"name": given}
        if not isinstance(given, Mapping):
            return given
        own = cls.model_fields.keys() - {"options"}
        options = {key: value for key, value in given.items() if key not in own}
        strange = sorted(cls.TERMS_ONLY & options.keys())
        if strange:
            raise ValueError(f"{strange[0]!r} is for constraints and inputs only. Leave it out")
        return {key: value for key, value in given.items() if key in own} | {"options": options}

    @model_serializer(mode="wrap")
    def _spread(self, inner: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data = inner(self)
        return data | data.pop("options", {})

    def use(self) -> Use:
        """Give it as recipes write it."""
        return Use(self.name, options=self.options)


class TermTable(OfferTable):
    """A constraint or an input: an offer with a weight, a lazy period, and the architectures that it is for."""

    weight: Annotated[Any, AfterValidator(normalise_scalar)] = 1.0
    every: Count | None = None
    where: dict[str, Any] = {}

    def use(self) -> Use:
        """Give it as recipes write it."""
        return Use(self.name, weight=self.weight, every=self.every, where=self.where, options=self.options)


class MethodTable(Table):
    """A method of the suite's own: starts `from` a recipe or an earlier table, and replaces what it names."""

    name: Name
    from_: Name | None = Field(
        default=None, alias="from", description="A recipe, or a [[method]] table above this one."
    )
    loss: OfferTable | None = None
    constraints: tuple[TermTable, ...] | None = Field(default=None, description="In place of the inherited ones.")
    add_constraints: tuple[TermTable, ...] = Field(default=(), description="After the inherited ones.")
    inputs: tuple[TermTable, ...] | None = None
    dynamics: OfferTable | None = None
    optimizer: OfferTable | None = Field(default=None, description="For both players.")
    critic_optimizer: OfferTable | None = None
    generator_optimizer: OfferTable | None = None
    critic_steps: Annotated[Any, AfterValidator(normalise_critic_steps)] = 1
    order: Literal["critic-first", "generator-first"] = "critic-first"
    critic_norm: Literal["batch", "layer"] = "layer"
    ema: float = Field(
        default=0.0, strict=True, ge=0.0, lt=1.0, description="Decay of the averaged weights, 0 for none."
    )

    def applied(self, base: Method) -> Method:
        """Give a recipe with what this table says in place of its own."""
        changes: dict[str, Any] = {}
        for key in self.model_fields_set - {"name", "from_", "add_constraints"}:
            value = getattr(self, key)
            if isinstance(value, tuple):
                value = tuple(each.use() for each in value)
            changes[key] = value.use() if isinstance(value, OfferTable) else value
        if "optimizer" in changes:  # said later than what a player inherits, so it counts
            changes = {"critic_optimizer": None, "generator_optimizer": None} | changes
        inherited = changes.get("constraints", base.constraints)
        changes["constraints"] = (*inherited, *(each.use() for each in self.add_constraints))
        return dataclasses.replace(base, **changes)


def list_settings(method: Method) -> list[str]:
    """Give what a recipe sets, as a suite would write it; what it leaves alone is not mentioned."""
    said = []
    for item in dataclasses.fields(method):
        value = getattr(method, item.name)
        if value != item.default or item.name in ("critic_steps", "critic_norm"):
            said.append(f"{item.name} = {write_value(value)}")
    return said


def write_value(value: Any) -> str:
    """Give a value as TOML, and an offer in use as its name or as a table of what it sets."""
    if isinstance(value, Use):
        set_ = {"name": value.name} | ({"weight": value.weight} if value.weight != 1.0 else {})
        set_ |= ({"every": value.every} if value.every else {}) | ({"where": value.where} if value.where else {})
        set_ |= dict(value.options)
        return write_value(set_ if len(set_) > 1 else value.name)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {write_value(part)}" for key, part in value.items()) + " }"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(write_value, value))}]"
    return "inf" if value == "inf" else json.dumps(value)
