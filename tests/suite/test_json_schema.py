"""The JSON Schema of suites accepts ours, and refuses the bad ones with a mistake that a schema can find."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ganbench import Offer, hookimpl, registry
from ganbench.suite import json_schema
from ganbench.suite.suite import Suite
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from tests.suite.test_suite import TEXT as WHOLE
from tests.support.bad_suites import SUITES, TEXT, Case
from tests.support.meaningless_suites import WITHOUT_SENSE

OURS = sorted((Path(__file__).parents[2] / "suites").glob("*.toml"))


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    """Return a validator of the schema that `ganbench schema` prints."""
    schema = json.loads(json.dumps(json_schema.make_json_schema(registry.load()), allow_nan=False))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_the_schema_accepts_our_suites(validator: Draft202012Validator, path: Path) -> None:
    error = best_match(validator.iter_errors(tomllib.loads(path.read_text())))
    assert error is None, f"{error.json_path}: {error.message}"


@pytest.mark.parametrize("case", [*SUITES, *WITHOUT_SENSE], ids=lambda case: case.new[:40])
def test_the_schema_refuses_the_bad_suites_whose_mistake_it_can_find(
    validator: Draft202012Validator, case: Case
) -> None:
    suite = tomllib.loads(TEXT.replace(case.old, case.new, 1))
    assert validator.is_valid(suite) is not case.schema


def test_the_schema_describes_itself_its_keys_and_its_offers(validator: Draft202012Validator) -> None:
    schema = validator.schema
    assert isinstance(schema, dict)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == "A ganbench suite"
    assert "description" in schema
    penalties = {table["title"]: table for table in schema["$defs"]["constraints"]["anyOf"] if "properties" in table}
    penalty = penalties["constraint 'gradient-penalty'"]
    assert penalty["properties"]["sides"] == {
        "enum": ["two", "one"],
        "type": "string",
        "default": "two",
    }
    assert penalty["properties"]["target"]["$ref"] == "#/$defs/scalar"
    assert "Options: target" in penalty["description"]


def test_the_schema_has_every_installed_name_that_a_suite_can_use(validator: Draft202012Validator) -> None:
    text = json.dumps(validator.schema)
    plugins = registry.load()
    for kind in set(plugins.kinds) - {"executors", "reports", "watch"}:
        for name in plugins.names(kind):
            assert json.dumps(name) in text, (kind, name)


def test_the_schema_has_the_offers_of_third_parties_with_their_options() -> None:
    class Mine:
        @hookimpl
        def ganbench_losses(self) -> Any:
            yield Offer("mine", lambda slope=0.5, depth=3: None, "Mine.")

    validator = Draft202012Validator(json_schema.make_json_schema(registry.load(plugins=[Mine()])))

    def is_valid(loss: Any) -> bool:
        suite = tomllib.loads(TEXT)
        suite["method"][0]["loss"] = loss
        return validator.is_valid(suite)

    assert is_valid("mine")
    assert is_valid({"name": "mine", "slope": 2.0})
    assert not is_valid({"name": "mine", "slop": 2.0})
    assert not is_valid({"name": "mine", "slope": "steep"})
    assert not is_valid("yours")


def test_the_schema_of_the_model_has_every_key_and_allows_any_option() -> None:
    schema = Suite.model_json_schema(by_alias=True)
    assert schema["properties"].keys() == tomllib.loads(WHOLE).keys() | {"tuning", "imported"}
    assert {"from", "add_constraints"} <= schema["$defs"]["MethodTable"]["properties"].keys()
    assert schema["$defs"]["MethodTable"]["additionalProperties"] is False
    name, table = schema["$defs"]["TermTable"]["anyOf"]
    assert name == {"type": "string"}
    assert table["additionalProperties"] is True
    assert table["properties"].keys() == {"name", "weight", "every", "where"}
