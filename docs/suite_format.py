"""The tables of docs/reference/suite_format.md: every key of every table of a suite, from the models of the suite."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ganbench.suite.claims import SideTable
from ganbench.suite.examples import list_lines
from ganbench.suite.json_schema import drop_null
from ganbench.suite.methods import OfferTable, PartTable, TermTable
from ganbench.suite.suite import TABLES
from ganbench.suite.tables import ExtractorTable
from markdown_tables import code, prose, table
from pydantic import BaseModel

Schema = Mapping[str, Any]

LISTS = ("method", "dataset", "success", "claim", "figure", "imported")
HEADINGS: Mapping[str, str] = {
    "Suite": "The suite itself",
    **{model.__name__: f"`[[{key}]]`" if key in LISTS else f"`[{key}]`" for key, model in TABLES.items() if key},
    "PartTable": "A loss, dynamics or an optimizer",
    "TermTable": "A constraint or an input",
    "OfferTable": "A metric",
    "ExtractorTable": "An extractor",
    "SideTable": "The other side of a claim",
}
"""The heading of each model's section, in order after that of its parent."""

NESTED: Mapping[str, tuple[type[BaseModel], ...]] = {
    "method": (PartTable, TermTable),
    "measurement": (OfferTable, ExtractorTable),
    "claim": (SideTable,),
}
"""The tables inside other tables, by the key of the one that they follow."""

MORE: Mapping[str, str] = {
    "method": "[methods](methods.md)",
    "architectures": "[components](components.md#architectures)",
    "dataset": "[components](components.md#datasets), [a fallback](suites.md#a-dataset-that-may-not-be-here)",
    "tuning": "[tuning](../how_to/tuning.md)",
    "measurement": "[how models are evaluated](suites.md#how-models-are-evaluated)",
    "success": "[outcomes and success](outcomes.md)",
    "claim": "[claims](claims.md)",
    "figure": "[figures of a suite's own](suites.md#figures-of-a-suites-own)",
    "outcomes": "[outcomes and success](outcomes.md)",
    "keep": "[what is kept of a trial](suites.md#what-is-kept-of-a-trial)",
    "engine": "[how trials train](suites.md#how-trials-train)",
    "imported": "[imports](../how_to/import_runs.md)",
}
"""The pages that say more of a table."""

SPECIAL: Mapping[str, str] = {
    "weight": "number, or a [schedule](#schedules-over-the-training)",
    "critic_steps": "whole number, or [critic steps by phase](#critic-steps-by-phase)",
    "vary": "table of lists, or of [laws](#laws-to-draw-from)",
    "plateau": "table of [its settings](#a-plateau), or false",
    "scale": "tables of changed keys",
    "options": "table of the space's options",
}
"""The types of the keys whose values pydantic does not describe."""


def suite_tables() -> str:
    """Return a section for each table of a suite: what it is, and its keys."""
    return "\n".join(section(key, model) for key, model in list_models())


def list_models() -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield each table's model with its key; what stands inside other tables has none."""
    for key, model in TABLES.items():
        yield key, model
        for inner in NESTED.get(key, ()):
            yield "", inner


def section(key: str, model: type[BaseModel]) -> str:
    """Return the section of one table."""
    about = (inspect.getdoc(model) or "").replace("docs/reference/claims.md", "[claims](claims.md)")
    about += f"\n\nMore: {MORE[key]}." if key in MORE else ""
    head = ("key", "type", "default", "meaning", "example")
    return f"### {HEADINGS[model.__name__]}\n\n{about}\n\n{table(head, list(rows(model)))}"


def rows(model: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    """Yield the row of each key of a table; of an offer, also that of one of its options."""
    schema = drop_null(model.model_json_schema(by_alias=True))
    properties, required = find_table(schema, model.__name__)
    lines = list_lines(model.__name__)
    for key in list_keys(model):
        kind = SPECIAL.get(key) or cell_type(properties[key])
        default = write_default(properties[key], key in required)
        yield f"`{key}`", kind, default, prose(describe(model, key, properties[key])), code(lines[key])
    for key in lines.keys() - set(list_keys(model)):
        yield "any other", "that of the option", "that of the option", "An option of the offer.", code(lines[key])


def list_keys(model: type[BaseModel]) -> list[str]:
    """Return the keys that a suite writes into a table; the options of an offer stand among them, under their names."""
    offers = issubclass(model, PartTable)
    return [field.alias or key for key, field in model.model_fields.items() if not (offers and key == "options")]


def find_table(schema: Schema, name: str) -> tuple[Schema, list[str]]:
    """Return the properties of a model's schema, and which are required; that of an offer is one of two forms."""
    schema = schema.get("$defs", {}).get(name, schema) if "$ref" in schema else schema
    form = schema["anyOf"][1] if "properties" not in schema else schema
    return form["properties"], form.get("required", [])


def describe(model: type[BaseModel], key: str, schema: Schema) -> str:
    """Return what a key means: its description, or the first sentence about the table that it holds."""
    if model is TABLES[""] and key in TABLES:
        return re.split(r"(?<=\.)\s", inspect.getdoc(TABLES[key]) or "")[0]
    return str(schema["description"])


def write_default(schema: Schema, required: bool) -> str:
    """Return the default of a key as TOML; nothing where a key may be left out and has none of its own."""
    value = schema.get("default")
    if required:
        return "(required)"
    return "" if value in (None, [], {}, "") or isinstance(value, Mapping) else code(json.dumps(value))


def cell_type(schema: Schema) -> str:
    """Return the type of a key in plain words, for a table's cell."""
    return spell_type(schema).replace("|", r"\|")


def spell_type(schema: Schema) -> str:
    """Return a type in plain words, such as "whole number from 1" or "list of text"."""
    if "$ref" in schema:
        return link(schema["$ref"].rpartition("/")[2])
    if "enum" in schema:
        return " or ".join(code(json.dumps(each)) for each in schema["enum"])
    if "anyOf" in schema:
        return ", or ".join(dict.fromkeys(spell_type(each) for each in schema["anyOf"]))
    if "const" in schema:
        return code(json.dumps(schema["const"]))
    kind = schema.get("type")
    if kind == "array":
        if "prefixItems" in schema:
            return f"pair of {spell_type(schema['prefixItems'][0])}"
        return f"list of {spell_plural(schema.get('items', {}))}"
    words = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}
    return words.get(str(kind), "table" if kind == "object" else "any value") + spell_bounds(schema)


def spell_plural(schema: Schema) -> str:
    """Return the type of a list's items in plain words, such as "texts" or "pairs of text"."""
    return re.sub("^(whole number|number|text|pair|table)", r"\1s", spell_type(schema))


def spell_bounds(schema: Schema) -> str:
    """Return the range of a number in words."""
    words = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    return "".join(f" {word} {spell_number(schema[key])}" for key, word in words.items() if key in schema)


def spell_number(value: float) -> str:
    """Return a number for people: long ones with commas, 2^63 as a power."""
    return "2^63" if value >= 2**63 - 1 else f"{value:,.10g}"


def link(model: str) -> str:
    """Return a link to the section of a table."""
    heading = HEADINGS[model]
    anchor = re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
    return f"[{heading if '`' in heading else heading[0].lower() + heading[1:]}](#{anchor})"
