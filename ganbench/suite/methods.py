"""The parts of a suite's tables: how a loss, a constraint, a whole method is written, and when an outcome holds."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from ganbench.api.schedules import plain_critic_steps, plain_scalar
from ganbench.api.training import Method, Use
from ganbench.suite.conditions import parse
from ganbench.suite.validation import Complaint, Complaints


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

    weight: Annotated[Any, AfterValidator(plain_scalar)] = 1.0
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
    critic_steps: Annotated[Any, AfterValidator(plain_critic_steps)] = 1
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


def _condition(text: str) -> str:
    return str(parse(text))


class SuccessTable(Table):
    """When a trial of a dataset is a success: a metric value beyond a threshold, a condition, or both."""

    dataset: Name = Field(description="The name (or label) of a [[dataset]].")
    metric: Name | None = Field(default=None, description='The name of a metric\'s value, such as "fid".')
    at: Literal["final", "best"] = "final"
    thresholds: Annotated[tuple[Number, ...], Some] = Field(
        default=(), description="Of rising difficulty, as in [90, 60, 40]."
    )
    primary: Number | None = Field(default=None, description="The one threshold that tests of significance are about.")
    condition: Annotated[str, Field(strict=True), AfterValidator(_condition)] | None = Field(
        default=None,
        description='What must hold beside every threshold, or alone, as in "modes >= 8 and high-quality > 0.8".',
    )
    compare: tuple[tuple[Name, Name], ...] = Field(default=(), description='Pairs of methods, as in [["a", "b"]].')
    allow_trivial: bool = Field(
        default=False, strict=True, description="Go on although a sampler that nobody trained passes a threshold."
    )

    @model_validator(mode="before")
    @classmethod
    def _only_threshold(cls, given: Any) -> Any:
        thresholds = given.get("thresholds") if isinstance(given, Mapping) else None
        if isinstance(thresholds, list | tuple) and len(thresholds) == 1:
            return {"primary": thresholds[0]} | dict(given)
        return given

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if found := list(self._gaps()):
            raise Complaints(found)
        return self

    def _gaps(self) -> Iterator[Complaint]:
        """Find what is missing of a rule, and thresholds that are no ladder."""
        if self.metric is None and self.condition is None:
            reason = "missing. Name a metric's value, or write a condition in place of metric and thresholds."
            yield Complaint(("metric",), None, reason)
        elif self.metric is None:
            for key in ("thresholds", "primary"):
                if value := getattr(self, key):
                    yield Complaint((key,), value, "of what? Name a metric, or leave it out: a condition needs none.")
        elif not self.thresholds:
            yield Complaint(("thresholds",), None, "missing. Of rising difficulty, as in [90, 60, 40].")
        elif self.primary is None:
            yield Complaint(("primary",), None, "missing. The one threshold that tests of significance are about.")
        elif self.primary not in self.thresholds:
            reason = f"not among the thresholds. Choose one of {list(self.thresholds)}, or add it."
            yield Complaint(("primary",), self.primary, reason)
        steps = [later - earlier for earlier, later in pairwise(self.thresholds)]
        if not (all(step > 0 for step in steps) or all(step < 0 for step in steps)):
            reason = "they must all rise or all fall. Put them in the order of rising difficulty."
            yield Complaint(("thresholds",), list(self.thresholds), reason)


class OutcomesTable(Table):
    """From where on an outcome holds, in place of the usual thresholds."""

    exploded: Annotated[Number, Field(gt=1)] | None = Field(
        default=None, description="Times its start that a loss or the weights reach. Usually 1e4."
    )
    collapsed: Annotated[Number, Field(gt=0)] | None = Field(
        default=None, description="Share of the data's mean pairwise distance. Usually 0.05."
    )
    degraded: Annotated[Number, Field(gt=1)] | None = Field(
        default=None, description="Factor by which the final score is worse than the best. Usually 1.5."
    )
    critic_dead: Annotated[Number, Field(gt=0)] | None = Field(
        default=None, description="Norm of the generator's gradient. Usually 1e-8."
    )
    oscillating: Annotated[Number, Field(gt=0, le=1)] | None = Field(
        default=None, description="Autocorrelation at the period. Usually 0.5."
    )
    periods: Annotated[int, Field(strict=True, ge=2)] | None = Field(
        default=None, description="Periods that an oscillation lasts at the least. Usually 3."
    )


def settings(method: Method) -> list[str]:
    """Give what a recipe sets, as a suite would write it; what it leaves alone is not mentioned."""
    said = []
    for item in dataclasses.fields(method):
        value = getattr(method, item.name)
        if value != item.default or item.name in ("critic_steps", "critic_norm"):
            said.append(f"{item.name} = {written(value)}")
    return said


def written(value: Any) -> str:
    """Give a value as TOML, and an offer in use as its name or as a table of what it sets."""
    if isinstance(value, Use):
        set_ = {"name": value.name} | ({"weight": value.weight} if value.weight != 1.0 else {})
        set_ |= ({"every": value.every} if value.every else {}) | ({"where": value.where} if value.where else {})
        set_ |= dict(value.options)
        return written(set_ if len(set_) > 1 else value.name)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {written(part)}" for key, part in value.items()) + " }"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(written, value))}]"
    return "inf" if value == "inf" else json.dumps(value)
