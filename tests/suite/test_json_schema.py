"""The JSON Schema of suites: ours fit it, and of bad ones those do not that a schema can tell."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ganbench import Offer, hookimpl, registry
from ganbench.suite import json_schema
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from tests.support.bad_suites import SUITES, TEXT, Case

OURS = sorted((Path(__file__).parents[2] / "suites").glob("*.toml"))


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    """The schema as `ganbench schema` prints it."""
    made = json.loads(json.dumps(json_schema.make_json_schema(registry.load()), allow_nan=False))
    Draft202012Validator.check_schema(made)
    return Draft202012Validator(made)


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_our_suites_fit_the_schema(validator: Draft202012Validator, path: Path) -> None:
    error = best_match(validator.iter_errors(tomllib.loads(path.read_text())))
    assert error is None, f"{error.json_path}: {error.message}"


@pytest.mark.parametrize("case", SUITES, ids=lambda case: case.new[:40])
def test_of_bad_suites_those_do_not_fit_that_a_schema_can_tell(validator: Draft202012Validator, case: Case) -> None:
    suite = tomllib.loads(TEXT.replace(case.old, case.new, 1))
    assert validator.is_valid(suite) is not case.schema


def test_the_schema_says_what_it_is_and_what_every_key_and_offer_means(validator: Draft202012Validator) -> None:
    made = validator.schema
    assert isinstance(made, dict)
    assert made["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert made["title"] == "A ganbench suite"
    assert "description" in made
    penalties = {one["title"]: one for one in made["$defs"]["constraints"]["anyOf"] if "properties" in one}
    penalty = penalties["constraint 'gradient-penalty'"]
    assert penalty["properties"]["sides"] == {
        "enum": ["two", "one"],
        "type": "string",
        "default": "two",
    }
    assert penalty["properties"]["target"]["$ref"] == "#/$defs/scalar"
    assert "Options: target" in penalty["description"]


def test_every_installed_name_that_a_suite_may_say_stands_in_the_schema(validator: Draft202012Validator) -> None:
    text = json.dumps(validator.schema)
    known = registry.load()
    for kind in set(known.kinds) - {"executors", "reports"}:
        for name in known.names(kind):
            assert json.dumps(name) in text, (kind, name)


def test_a_strangers_offer_stands_in_the_schema_with_its_options() -> None:
    class Mine:
        @hookimpl
        def ganbench_losses(self) -> Any:
            yield Offer("mine", lambda slope=0.5, depth=3: None, "Mine.")

    made = Draft202012Validator(json_schema.make_json_schema(registry.load(plugins=[Mine()])))

    def fits(loss: Any) -> bool:
        suite = tomllib.loads(TEXT)
        suite["method"][0]["loss"] = loss
        return made.is_valid(suite)

    assert fits("mine")
    assert fits({"name": "mine", "slope": 2.0})
    assert not fits({"name": "mine", "slop": 2.0})
    assert not fits({"name": "mine", "slope": "steep"})
    assert not fits("yours")
