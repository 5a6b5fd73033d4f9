"""The tables of offers and methods: how a suite writes a loss, a constraint or a whole method."""

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
from ganbench.suite.fields import Count, Name, Table, _allow_name_and_options


class OfferTable(Table):
    """An offer: its name, or a table with its name; keys that the table does not know are options of the offer."""

    TERMS_ONLY: ClassVar[frozenset[str]] = frozenset({"weight", "every", "where"})

    model_config = ConfigDict(json_schema_extra=_allow_name_and_options)

    name: Name
    options: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _gather_options(cls, value: Any) -> Any:
        if isinstance(value, OfferTable):
            return value
        if isinstance(value, str):
            return {"name": value}
        if not isinstance(value, Mapping):
            raise ValueError('it should be a name, or a table with a name, as in { name = "adam", lr = 1e-3 }')
        keys = cls.model_fields.keys() - {"options"}
        options = {key: item for key, item in value.items() if key not in keys}
        misplaced = sorted(cls.TERMS_ONLY & options.keys())
        if misplaced:
            raise ValueError(f"{misplaced[0]!r} is for constraints and inputs only. Leave it out")
        return {key: item for key, item in value.items() if key in keys} | {"options": options}

    @model_serializer(mode="wrap")
    def _spread_options(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data = serialise(self)
        return data | data.pop("options", {})

    def use(self) -> Use:
        """Return the offer as recipes hold it."""
        return Use(self.name, options=self.options)


class TermTable(OfferTable):
    """A constraint or an input: an offer with a weight, a period, and the architectures that it is for."""

    weight: Annotated[Any, AfterValidator(normalise_scalar)] = 1.0
    every: Count | None = Field(default=None, description="Apply it at every n-th update only.")
    where: dict[str, Any] = Field(
        default={}, description="Apply it to architectures with these properties only, as in { critic_depth = 3 }."
    )

    def use(self) -> Use:
        """Return the term as recipes hold it."""
        return Use(self.name, weight=self.weight, every=self.every, where=self.where, options=self.options)


class MethodTable(Table):
    """A method that the suite defines: it starts `from` a recipe or an earlier table, and changes some keys."""

    name: Name
    from_: Name | None = Field(
        default=None,
        alias="from",
        description="The recipe, or the [[method]] table above this one, that it starts from.",
    )
    loss: OfferTable | None = None
    constraints: tuple[TermTable, ...] | None = Field(default=None, description="Replace the inherited constraints.")
    add_constraints: tuple[TermTable, ...] = Field(default=(), description="Are added after the inherited constraints.")
    inputs: tuple[TermTable, ...] | None = None
    dynamics: OfferTable | None = None
    optimizer: OfferTable | None = Field(default=None, description="The optimizer of both players.")
    critic_optimizer: OfferTable | None = None
    generator_optimizer: OfferTable | None = None
    critic_steps: Annotated[Any, AfterValidator(normalise_critic_steps)] = 1
    order: Literal["critic-first", "generator-first"] = Field(
        default="critic-first", description="Which player updates first in each generator step."
    )
    critic_norm: Literal["batch", "layer"] = Field(
        default="layer", description="The kind of normalisation in a normalised critic."
    )
    ema: float = Field(
        default=0.0,
        strict=True,
        ge=0.0,
        lt=1.0,
        description="The decay of the average of the generator's weights; 0 for no average.",
    )

    def apply(self, base: Method) -> Method:
        """Return a recipe with the keys that this table has in place of the recipe's own."""
        changes: dict[str, Any] = {}
        for key in self.model_fields_set - {"name", "from_", "add_constraints"}:
            value = getattr(self, key)
            if isinstance(value, tuple):
                value = tuple(each.use() for each in value)
            changes[key] = value.use() if isinstance(value, OfferTable) else value
        if "optimizer" in changes:  # it also replaces the inherited optimizers of single players
            changes = {"critic_optimizer": None, "generator_optimizer": None} | changes
        inherited = changes.get("constraints", base.constraints)
        changes["constraints"] = (*inherited, *(each.use() for each in self.add_constraints))
        return dataclasses.replace(base, **changes)


def list_settings(method: Method) -> list[str]:
    """Return a recipe's settings as a suite would write them, without those that keep their defaults.

    `critic_steps` and `critic_norm` are always listed.
    """
    lines = []
    for field in dataclasses.fields(method):
        value = getattr(method, field.name)
        if value != field.default or field.name in ("critic_steps", "critic_norm"):
            lines.append(f"{field.name} = {write_value(value)}")
    return lines


def write_value(value: Any) -> str:
    """Return a value as TOML; the use of an offer becomes its name, or a table of its settings."""
    if isinstance(value, Use):
        table = {"name": value.name} | ({"weight": value.weight} if value.weight != 1.0 else {})
        table |= ({"every": value.every} if value.every else {}) | ({"where": value.where} if value.where else {})
        table |= dict(value.options)
        return write_value(table if len(table) > 1 else value.name)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {write_value(part)}" for key, part in value.items()) + " }"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(write_value, value))}]"
    return "inf" if value == "inf" else json.dumps(value)
