"""The tables of offers and methods: how a suite writes a loss, a constraint or a whole method."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
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
from ganbench.api.schedules import MAX_STEPS, normalise_critic_steps, normalise_plateau, normalise_scalar
from ganbench.suite.fields import Count, Name, Table, _allow_name_and_options
from ganbench.suite.tuning import Varied
from ganbench.suite.validation import Complaint, Complaints

AVERAGE = ("ema", "ema_start", "ema_rampup", "critic_ema")
"""The keys of the averages of weights: the decays of both players, and what they share."""

PLAYERS = ("critic_optimizer", "generator_optimizer")


def check_plateau(value: Mapping[str, Any] | Literal[False] | None) -> Mapping[str, Any] | Literal[False] | None:
    """Return the settings of a plateau as they are written; raise ScheduleError for wrong ones."""
    if value:
        normalise_plateau(value)
    return value


class PartTable(Table):
    """A loss, dynamics or optimizer: its name, or a table; keys that the table does not know are options of the offer.

    The table changes the inherited offer if it has the same name, or none. Another name replaces it.
    """

    TERMS_ONLY: ClassVar[frozenset[str]] = frozenset({"weight", "every", "where"})

    model_config = ConfigDict(json_schema_extra=_allow_name_and_options)

    name: Name | None = Field(default=None, description="The name of the offer. Default: the inherited one.")
    options: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _gather_options(cls, value: Any) -> Any:
        if isinstance(value, PartTable):
            return value
        if isinstance(value, str):
            return {"name": value}
        if not isinstance(value, Mapping):
            raise ValueError('it should be a name, or a table with a name, as in { name = "adam", lr = 1e-3 }')
        if not value and not cls.model_fields["name"].is_required():
            raise ValueError("the table is empty. Write a name, or the options that change")
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

    def changes(self, use: Use) -> bool:
        """Return whether this table changes the offer of `use`; otherwise it replaces it."""
        return self.name in (None, use.name)

    def use(self, inherited: Use | None = None) -> Use:
        """Return the offer as recipes hold it; what this table leaves out is that of `inherited`, if it changes it."""
        if inherited is None or not self.changes(inherited):
            assert self.name is not None  # MethodTable.apply complains about a table without a name
            inherited = Use(self.name)
        return dataclasses.replace(inherited, options={**inherited.options, **self.options})


class OfferTable(PartTable):
    """An offer: its name, or a table with its name; keys that the table does not know are options of the offer."""

    name: Name = Field(description="The name of the offer.")


class TermTable(OfferTable):
    """A constraint or an input: an offer with a weight, a period, and the architectures that it is for.

    What is left out is that of the inherited term of the same name. Without one, the weight is 1, the period is that of
    the offer, and the term is for all architectures.
    """

    weight: Annotated[Any, AfterValidator(normalise_scalar)] = Field(
        default=None, description="The factor of the term: a number, or a schedule over the training. Default: 1."
    )
    every: Count | None = Field(default=None, description="Apply it at every n-th update only.")
    where: dict[str, Any] | None = Field(
        default=None, description="Apply it to architectures with these properties only, as in { critic_depth = 3 }."
    )

    def use(self, inherited: Use | None = None) -> Use:
        """Return the term as recipes hold it; what this table leaves out is that of `inherited`, of the same name."""
        own = {key: getattr(self, key) for key in sorted(self.TERMS_ONLY) if getattr(self, key) is not None}
        return dataclasses.replace(super().use(inherited), **own)


class MethodTable(Table):
    """A method that the suite defines: it starts `from` a recipe or an earlier table, and changes some keys."""

    name: Name = Field(description="The name of the method in tables, rules and claims.")
    from_: Name | None = Field(
        default=None,
        alias="from",
        description="The recipe, or the [[method]] table above this one, that it starts from.",
    )
    vary: Varied | None = Field(
        default=None,
        description="What its configurations differ in: lists form a grid, and laws are drawn from (uniform, "
        'log-uniform, integers, choice). As in { "optimizer.lr" = [1e-4, 1e-3], "loss.a" = { uniform = [0, 1] } }.',
    )
    loss: PartTable | None = Field(default=None, description="The loss of both players.")
    constraints: tuple[TermTable, ...] | None = Field(
        default=None,
        description="All constraints, in order; each keeps what the inherited constraint of its name has and it does "
        "not change.",
    )
    add_constraints: tuple[TermTable, ...] = Field(default=(), description="Are added after the inherited constraints.")
    inputs: tuple[TermTable, ...] | None = Field(
        default=None, description="All changes to what the networks receive, in order, such as noise, labels or codes."
    )
    dynamics: PartTable | None = Field(default=None, description="The rule by which the players update.")
    optimizer: PartTable | None = Field(default=None, description="The optimizer of both players.")
    critic_optimizer: PartTable | None = Field(
        default=None, description="The critic's optimizer, or what it changes in that of both players."
    )
    generator_optimizer: PartTable | None = Field(
        default=None, description="The generator's optimizer, or what it changes in that of both players."
    )
    critic_steps: Annotated[Any, AfterValidator(normalise_critic_steps)] = Field(
        default=1, description="The critic steps per generator step: a whole number, or a schedule over the steps."
    )
    order: Literal["critic-first", "generator-first"] = Field(
        default="critic-first", description="Which player updates first in each generator step."
    )
    critic_norm: Literal["batch", "layer", "none"] = Field(
        default="layer", description="The kind of normalisation in a normalised critic, or none."
    )
    ema: float = Field(
        default=0.0,
        strict=True,
        ge=0.0,
        lt=1.0,
        description="The decay of the average of the generator's weights; 0 for no average.",
    )
    ema_start: int = Field(
        default=0,
        strict=True,
        ge=0,
        le=MAX_STEPS,
        description="For so many generator steps at first, the average is the weights themselves.",
    )
    ema_rampup: float = Field(
        default=0.0,
        strict=True,
        ge=0.0,
        le=1000.0,
        description="If above 0, the half-life of the average is at most so many times the generator steps since "
        "`ema_start`; StyleGAN2-ADA: 0.05.",
    )
    critic_ema: float = Field(
        default=0.0,
        strict=True,
        ge=0.0,
        lt=1.0,
        description="The decay of an average of the critic's weights, which metrics of the networks see; 0 for none.",
    )
    plateau: Annotated[Mapping[str, Any] | Literal[False] | None, AfterValidator(check_plateau)] = Field(
        default=None,
        description='Smaller updates once a signal has stopped falling, as in { signal = "objective.measure", '
        "factor = 0.5, patience = 500, least = 0.0, smoothing = 0.0 }, which are the defaults; false for none.",
    )

    def apply(self, base: Method | None = None) -> Method:
        """Return the recipe that this table makes of `base`, or a recipe of its own.

        Offers and terms of the same name keep the options that the table leaves out. Raise Complaints if an offer has
        no name and inherits none, and for settings of an average that there is not.
        """
        base = base or Method(loss=self._change("loss", None))
        changes: dict[str, Any] = {
            key: getattr(self, key)
            for key in ("critic_steps", "order", "critic_norm", *AVERAGE)
            if key in self.model_fields_set
        }
        for key in ("loss", "dynamics"):
            if getattr(self, key) is not None:
                changes[key] = self._change(key, getattr(base, key))
        for key in ("constraints", "inputs"):
            if getattr(self, key) is not None:
                changes[key] = change_terms(getattr(self, key), getattr(base, key))
        if self.plateau is not None:
            changes["plateau"] = None if self.plateau is False else {**(base.plateau or {}), **self.plateau}
        inherited = changes.get("constraints", base.constraints)
        changes["constraints"] = (*inherited, *(each.use() for each in self.add_constraints))
        method = dataclasses.replace(base, **changes, **self._change_optimizers(base))
        for key in ("ema_start", "ema_rampup"):
            if not (method.ema or method.critic_ema) and key in changes and changes[key]:
                reason = "it does nothing, because there is no average. Add ema, as in ema = 0.999."
                raise Complaints([Complaint((key,), changes[key], reason)])
        return method

    def _change_optimizers(self, base: Method) -> dict[str, Any]:
        """Return the optimizers: `optimizer` changes those of both players, then each player's key its own."""
        both, players = base.optimizer, {key: getattr(base, key) for key in PLAYERS}
        if self.optimizer is not None:
            kept = {key: use for key, use in players.items() if use is not None and self.optimizer.changes(use)}
            players = {key: self.optimizer.use(kept[key]) if key in kept else None for key in PLAYERS}
            if self.optimizer.name or both or len(kept) < len(PLAYERS):  # otherwise nobody uses it
                both = self._change("optimizer", both)
        for key in PLAYERS:
            if getattr(self, key) is not None:
                players[key] = self._change(key, players[key] or both)
        return {"optimizer": both, **players}

    def _change(self, key: str, inherited: Use | None) -> Use:
        """Return the offer of a key; raise Complaints if it has no name and inherits none."""
        table: PartTable = getattr(self, key)
        if inherited is None and table.name is None:
            reason = f'it has no name, and no {key} is inherited whose name it could keep. Add name = "...".'
            raise Complaints([Complaint((key,), table.options, reason)])
        return table.use(inherited)


def change_terms(tables: Sequence[TermTable], inherited: Iterable[Use]) -> tuple[Use, ...]:
    """Return the terms of these tables; the k-th of a name changes the k-th inherited term of that name."""
    rest, terms = [*inherited], list[Use]()
    for table in tables:
        index = next((i for i, use in enumerate(rest) if use.name == table.name), None)
        terms.append(table.use(None if index is None else rest.pop(index)))
    return tuple(terms)


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
    if isinstance(value, float) or value in ("inf", "-inf"):
        return str(value)
    return json.dumps(value, default=str)  # a default may be of any type
