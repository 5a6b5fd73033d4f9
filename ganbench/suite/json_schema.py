"""The JSON Schema of suites, with which editors complete and check them: from the tables' models and the registry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ganbench.api.offers import KINDS
from ganbench.errors import GanbenchError
from ganbench.registry.registry import Offered, Registry
from ganbench.suite import locations
from ganbench.suite.bounds import LONGEST_TEXT, MOST_ITEMS, MOST_SEEDS
from ganbench.suite.budget_units import BUDGET_UNITS
from ganbench.suite.examples import EXAMPLES, list_values
from ganbench.suite.suite import Suite
from ganbench.suite.tables import DEFAULTS, OWN

Schema = dict[str, Any]

DRAFT = "https://json-schema.org/draft/2020-12/schema"
ABOUT = (
    "One question for ganbench: methods x datasets x architectures x seeds, a budget, and what counts as success. "
    "`ganbench plan SUITE` also checks what a schema cannot express."
)
TERMS = ("constraints", "inputs")

PAIR: Schema = {"type": "array", "prefixItems": [{"type": "number"}] * 2, "minItems": 2, "maxItems": 2}
NUMBER: Schema = {"anyOf": [{"type": "number"}, {"enum": ["inf", "-inf"]}]}
COUNT: Schema = {"type": "integer", "minimum": 0}
PHASE: Schema = {"type": "array", "prefixItems": [NUMBER, COUNT], "minItems": 2, "maxItems": 2}


def ramp_schema(shape: str) -> Schema:
    """Return the schema of a schedule of this shape, "linear" or "cosine"."""
    share = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
    return table_schema({shape: PAIR, "over": share}, shape)


def table_schema(properties: Schema, *required: str, **others: Any) -> Schema:
    """Return the schema of a table with these keys and no others; `others` are further keywords of the schema."""
    return {
        "type": "object",
        **others,
        "properties": properties,
        "required": [*required],
        "additionalProperties": False,
    }


SCALAR: Schema = {
    "description": "A number, or a schedule over the training.",
    "anyOf": [NUMBER, ramp_schema("linear"), ramp_schema("cosine")],
}
STEPS: Schema = {
    "description": "Critic steps per generator step.",
    "anyOf": [COUNT, table_schema({"steps": {"type": "array", "items": PHASE, "minItems": 1}, "every": PAIR}, "steps")],
}
SEEDS: Schema = {
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": MOST_SEEDS},
        {
            "type": "array",
            "items": {"type": "integer", "minimum": 0, "maximum": 2**63 - 1},
            "minItems": 1,
            "maxItems": MOST_SEEDS,
            "uniqueItems": True,
        },
    ]
}
WHERE: Schema = {
    "description": "Apply it to architectures with these properties only.",
    "type": "object",
    "additionalProperties": {"not": {"type": "object"}},
}


def make_json_schema(registry: Registry) -> Schema:
    """Return the JSON Schema (draft 2020-12) of the suites that this registry's offers allow."""
    base = drop_null(Suite.model_json_schema(by_alias=True))
    tables, keys = base["$defs"], base["properties"]
    add_examples(tables | {"Suite": base})
    method, measurement = tables["MethodTable"]["properties"], tables["MeasurementTable"]["properties"]
    in_use = {*locations.KINDS.values(), "metrics", "extractors"}
    offers = {kind: offer_schema(registry, kind) for kind in registry.kinds if kind in in_use}
    for key, kind in locations.KINDS.items():
        refer_to_offers(method[key], kind)
    refer_to_offers(measurement["metrics"], "metrics")
    refer_to_offers(measurement["extractor"], "extractors")
    own_keys = tables["DatasetTable"]["anyOf"][1]["properties"]
    dataset = {key: own_keys[key] for key in ("label", "metrics", "extractor", "tuned_on", "fallback")}
    refer_to_offers(dataset["metrics"], "metrics")
    refer_to_offers(dataset["extractor"], "extractors")
    offers["extractors"]["anyOf"][0]["enum"].append(OWN)
    named: Schema = {"enum": list(registry.names("datasets"))}
    kept = {key: dataset["fallback"][key] for key in ("description", "examples")}
    dataset["fallback"] = {**kept, "anyOf": [named, {"$ref": "#/$defs/datasets"}]}
    offers["datasets"] = {"anyOf": [*offer_tables(registry, "datasets", **dataset)]}
    recipes = {"anyOf": [{"enum": list(registry.names("methods"))}, method["name"]]}
    method["from"] |= recipes
    method["critic_steps"] |= {"$ref": "#/$defs/critic_steps"}
    keys["methods"]["items"] = recipes
    keys["dataset"] |= {"minItems": 1, "items": {"$ref": "#/$defs/datasets"}}
    keys["question"] |= {"pattern": r"\S"}
    keys["seeds"] |= SEEDS
    tables["SuccessTable"]["properties"]["compare"] |= {"uniqueItems": True}
    tables["ArchitecturesTable"] |= space_option_rules(registry)
    tables["ArchitecturesTable"]["properties"]["space"]["enum"] = list(registry.names("architectures"))
    tables["BudgetTable"]["oneOf"] = [{"required": [unit]} for unit in BUDGET_UNITS]
    tables |= {**offers, "scalar": SCALAR, "critic_steps": STEPS}
    for replaced in ("PartTable", "OfferTable", "TermTable", "DatasetTable", "ExtractorTable"):
        tables.pop(replaced, None)
    return {"$schema": DRAFT, **add_bounds(base), "title": "A ganbench suite", "description": ABOUT}


def add_examples(tables: Schema) -> None:
    """Change the schemas of the tables in place: add to each key its example, which editors show."""
    for name in EXAMPLES.keys() & tables.keys():
        table = tables[name]["anyOf"][1] if "anyOf" in tables[name] else tables[name]
        for key, value in list_values(name).items():
            if key in table["properties"]:
                table["properties"][key]["examples"] = [value]


def offer_schema(registry: Registry, kind: str) -> Schema:
    """Return the schema of an offer in use: its bare name, or a table with its name and its options.

    The options of a method's offers may be inherited, and the names of all but its terms.
    """
    names: Schema = {"title": KINDS[kind], "enum": list(registry.names(kind))}
    tables = [*offer_tables(registry, kind)]
    if kind in TERMS:
        for offered, table in zip(registry.offers(kind), tables, strict=True):
            table["properties"] |= term_keys(registry, offered)
    if kind in locations.KINDS.values():
        needs: Schema = {"required": ["name"]} if kind in TERMS else {"required": [], "minProperties": 1}
        tables = [table | needs for table in tables]
    return {"anyOf": [names, *tables]}


def term_keys(registry: Registry, offered: Offered) -> Schema:
    """Return the schema of a term's keys beside its options: weight and period, if it adds a term to a loss, and where.

    A term that cannot be built without options may have both.
    """
    keys: Schema = {"weight": {"$ref": "#/$defs/scalar"}, "every": {"type": "integer", "minimum": 1}}
    try:
        built = registry.build(offered.kind, offered.offer.name)
    except GanbenchError:
        built = None
    if built is not None and built.critic is None and built.generator is None:
        keys = {"weight": {"const": 1}, "every": {"const": 1}}
    return keys | ({"where": WHERE} if offered.kind == "constraints" else {})


def offer_tables(registry: Registry, kind: str, **table_keys: Schema) -> Iterator[Schema]:
    """Yield the schema of a table for each offer of a kind; `table_keys` are its keys that are not options."""
    for offered in registry.offers(kind):
        properties = {"name": {"const": offered.offer.name}, **option_schemas(offered), **table_keys}
        required = [name for name, option in offered.options.parameters.items() if option.default is option.empty]
        description = f"{offered.offer.summary} Options: {offered.options}."
        yield table_schema(properties, "name", *required, title=str(offered), description=description)


def space_option_rules(registry: Registry) -> Schema:
    """Return the rules that tie [architectures.options] to the named space, or else to the default space."""
    rules = []
    for offered in registry.offers("architectures"):
        is_named: Schema = {"properties": {"space": {"const": offered.offer.name}}}
        if offered.offer.name != DEFAULTS["architecture"]:
            is_named["required"] = ["space"]
        options = table_schema(option_schemas(offered), description=offered.offer.summary)
        rules.append({"if": is_named, "then": {"properties": {"options": options}}})
    return {"allOf": rules}


def option_schemas(offered: Offered) -> Schema:
    """Return the schema of each option; it allows any value if the option's type has no JSON form."""
    schemas: Schema = {}
    for name, option in offered.options.parameters.items():
        if name in offered.options.scalars:
            schemas[name] = {"$ref": "#/$defs/scalar"}
        else:
            schemas[name] = offered.options.schema(name)
        if option.default is not option.empty and isinstance(option.default, bool | int | float | str):
            schemas[name] = {**schemas[name], "default": option.default}
    return schemas


def refer_to_offers(key: Schema, kind: str) -> None:
    """Change the schema of a key in place, so that it refers to the offers of a kind: to one, or to a list of them."""
    if key.get("type") == "array":
        key["items"] = {"$ref": f"#/$defs/{kind}"}
    else:
        key.pop("anyOf", None)
        key["$ref"] = f"#/$defs/{kind}"


def add_bounds(part: Any) -> Any:
    """Return a schema with the largest sizes of lists and texts that have no smaller ones."""
    if isinstance(part, list):
        return [add_bounds(each) for each in part]
    if not isinstance(part, dict):
        return part
    most = {"array": {"maxItems": MOST_ITEMS}, "string": {"maxLength": LONGEST_TEXT}}
    kind = part.get("type")
    bounds: Schema = most.get(kind, {}) if isinstance(kind, str) and "enum" not in part else {}
    return bounds | {key: add_bounds(value) for key, value in part.items()}


def drop_null(part: Any) -> Any:
    """Return a schema without null, which TOML does not have: a key that may be None may be left out."""
    if isinstance(part, list):
        return [drop_null(each) for each in part]
    if not isinstance(part, dict):
        return part
    schema = {key: drop_null(value) for key, value in part.items() if not (key == "default" and value is None)}
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if "anyOf" in schema:
        schema["anyOf"] = choices
        if len(choices) == 1:
            schema = {**choices[0], **{key: value for key, value in schema.items() if key != "anyOf"}}
    return schema
