"""The JSON Schema of suites: what editors complete and check them by, from the tables' models and what is installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ganbench.api.offers import KINDS
from ganbench.registry.registry import Offered, Registry
from ganbench.suite import locations
from ganbench.suite.budget_units import BUDGET_UNITS
from ganbench.suite.suite import DEFAULTS, Suite

Schema = dict[str, Any]

DRAFT = "https://json-schema.org/draft/2020-12/schema"
ABOUT = (
    "One question for ganbench: methods x datasets x architectures x seeds, a budget, and what counts as success. "
    "What a schema cannot say, `ganbench plan` does."
)
TERMS = ("constraints", "inputs")

PAIR: Schema = {"type": "array", "prefixItems": [{"type": "number"}] * 2, "minItems": 2, "maxItems": 2}
NUMBER: Schema = {"anyOf": [{"type": "number"}, {"enum": ["inf", "-inf"]}]}
COUNT: Schema = {"type": "integer", "minimum": 0}
PHASE: Schema = {"type": "array", "prefixItems": [NUMBER, COUNT], "minItems": 2, "maxItems": 2}


def ramp_schema(shape: str) -> Schema:
    """Give the schema of a scalar's schedule."""
    share = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
    return table_schema({shape: PAIR, "over": share}, shape)


def table_schema(properties: Schema, *required: str, **others: Any) -> Schema:
    """Give the schema of a table in which no other key may stand."""
    return {
        "type": "object",
        **others,
        "properties": properties,
        "required": [*required],
        "additionalProperties": False,
    }


SCALAR: Schema = {
    "description": "A number, or a schedule over the run.",
    "anyOf": [NUMBER, ramp_schema("linear"), ramp_schema("cosine")],
}
STEPS: Schema = {
    "description": "Critic steps per generator step.",
    "anyOf": [COUNT, table_schema({"steps": {"type": "array", "items": PHASE, "minItems": 1}, "every": PAIR}, "steps")],
}


def make_json_schema(registry: Registry) -> Schema:
    """Give the JSON Schema (draft 2020-12) of suites that name what this registry offers."""
    made = drop_null(Suite.model_json_schema(by_alias=True))
    parts, whole = made["$defs"], made["properties"]
    named = {*locations.KINDS.values(), "metrics"}
    kinds = {kind: offer_schema(registry, kind) for kind in registry.kinds if kind in named}
    for key, kind in locations.KINDS.items():
        hold_offers(parts["MethodTable"]["properties"][key], kind)
    hold_offers(parts["MeasurementTable"]["properties"]["metrics"], "metrics")
    recipes = {"anyOf": [{"enum": list(registry.names("methods"))}, parts["MethodTable"]["properties"]["name"]]}
    parts["MethodTable"]["properties"]["from"] |= recipes
    parts["MethodTable"]["properties"]["critic_steps"] |= {"$ref": "#/$defs/critic_steps"}
    whole["methods"]["items"] = recipes
    whole["dataset"] |= {"minItems": 1, "items": {"$ref": "#/$defs/datasets"}}
    label, metrics = parts["SuccessTable"]["properties"]["dataset"], parts["MeasurementTable"]["properties"]["metrics"]
    kinds["datasets"] = {"anyOf": [*offer_tables(registry, "datasets", label=label, metrics=metrics)]}
    parts["ArchitecturesTable"] |= space_options(registry)
    parts["ArchitecturesTable"]["properties"]["space"]["enum"] = list(registry.names("architectures"))
    parts["BudgetTable"]["oneOf"] = [{"required": [unit]} for unit in BUDGET_UNITS]
    parts |= {**kinds, "scalar": SCALAR, "critic_steps": STEPS}
    for spare in ("OfferTable", "TermTable", "DatasetTable"):
        parts.pop(spare, None)
    return {"$schema": DRAFT, **made, "title": "A ganbench suite", "description": ABOUT, "$defs": parts}


def offer_schema(registry: Registry, kind: str) -> Schema:
    """Give the schema of an offer in use: its bare name, or a table of its name and its options."""
    names: Schema = {"title": KINDS[kind], "enum": list(registry.names(kind))}
    term: Schema = {"weight": {"$ref": "#/$defs/scalar"}, "every": {"type": "integer", "minimum": 1}}
    own = term | {"where": {"type": "object"}} if kind in TERMS else {}
    return {"anyOf": [names, *offer_tables(registry, kind, **own)]}


def offer_tables(registry: Registry, kind: str, **own: Schema) -> Iterator[Schema]:
    """Give the schema of a table for each offer of a kind; `own` are keys that stand beside its options."""
    for offered in registry.offers(kind):
        properties = {"name": {"const": offered.offer.name}, **option_schemas(offered), **own}
        needed = [name for name, one in offered.options.parameters.items() if one.default is one.empty]
        about = f"{offered.offer.summary} Options: {offered.options}."
        yield table_schema(properties, "name", *needed, title=str(offered), description=about)


def space_options(registry: Registry) -> Schema:
    """Give what holds of [architectures.options] where its space is named, or the default."""
    rules = []
    for offered in registry.offers("architectures"):
        named: Schema = {"properties": {"space": {"const": offered.offer.name}}}
        if offered.offer.name != DEFAULTS["architecture"]:
            named["required"] = ["space"]
        options = table_schema(option_schemas(offered), description=offered.offer.summary)
        rules.append({"if": named, "then": {"properties": {"options": options}}})
    return {"allOf": rules}


def option_schemas(offered: Offered) -> Schema:
    """Give the schema of each option; anything goes where its type has none in JSON."""
    found: Schema = {}
    for name, one in offered.options.parameters.items():
        if name in offered.options.scalars:
            found[name] = {"$ref": "#/$defs/scalar"}
        else:
            found[name] = offered.options.schema(name)
        if one.default is not one.empty and isinstance(one.default, bool | int | float | str):
            found[name] = {**found[name], "default": one.default}
    return found


def hold_offers(where: Schema, kind: str) -> None:
    """Let a key of a table hold offers of a kind: one, or a list of them."""
    several = where.get("type") == "array"
    if several:
        where["items"] = {"$ref": f"#/$defs/{kind}"}
    else:
        where.pop("anyOf", None)
        where["$ref"] = f"#/$defs/{kind}"


def drop_null(part: Any) -> Any:
    """Give a schema without null, which TOML does not have: what may be None may be left out."""
    if isinstance(part, list):
        return [drop_null(each) for each in part]
    if not isinstance(part, dict):
        return part
    kept = {key: drop_null(value) for key, value in part.items() if not (key == "default" and value is None)}
    choices = [each for each in kept.get("anyOf", ()) if each != {"type": "null"}]
    if "anyOf" in kept:
        kept["anyOf"] = choices
        if len(choices) == 1:
            kept = {**choices[0], **{key: value for key, value in kept.items() if key != "anyOf"}}
    return kept
