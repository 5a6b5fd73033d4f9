"""The reference of the suite format: every key has a meaning and an example, and every example plans."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ganbench import plan, registry
from ganbench.api.schedules import PLATEAU, SHAPES
from ganbench.suite.budget_units import BUDGET_UNITS
from ganbench.suite.claims import ALLOWED, NEEDED, SideTable
from ganbench.suite.examples import EXAMPLES, list_lines, list_values
from ganbench.suite.fields import Table
from ganbench.suite.loading import parse
from ganbench.suite.methods import OfferTable, PartTable, TermTable
from ganbench.suite.suite import TABLES
from ganbench.suite.tables import ExtractorTable
from ganbench.suite.tuning import LAWS

from tests.support.documents import ROOT
from tests.support.tiny_suite import suite as tiny_suite

PAGE = ROOT / "docs/reference/suite_format.md"
MODELS = {
    model.__name__: model for model in (*TABLES.values(), PartTable, OfferTable, TermTable, ExtractorTable, SideTable)
}
KEYS = [(name, key) for name, model in MODELS.items() for key in list_values(name)]
VARYING = {"name": "mine", "from": "ns-gan", "vary": {"optimizer.lr": {"uniform": [1e-4, 1e-3]}}}
TUNED = {"methods": [], "method": [VARYING], "tuning": {"configurations": 2, "report_seeds": 3}}
TITLES = ["few", "more", "many", "all"]
PROFILED = {"dataset": [{"name": "ring", "metrics": ["sliced-w1", "critic-gradients"]}]}
KEY = {model.__name__: key for key, model in TABLES.items()}
LISTS = ("method", "dataset", "success", "claim", "figure", "imported")


def list_models(model: type[Table]) -> Iterator[type[Table]]:
    """Yield a model and all below it."""
    yield model
    for inner in model.__subclasses__():
        yield from list_models(inner)


def test_every_model_of_a_suite_is_in_the_reference() -> None:
    assert {model.__name__ for model in list_models(Table)} - {"Table"} == MODELS.keys() == EXAMPLES.keys()


@pytest.mark.parametrize("name", MODELS)
def test_every_key_has_an_example_on_a_line_of_its_own_and_a_row(name: str) -> None:
    model = MODELS[name]
    keys = {field.alias or key for key, field in model.model_fields.items()}
    if issubclass(model, PartTable):
        keys.remove("options")
        assert len(list_values(name).keys() - keys) <= 1  # one option of the offer
    else:
        assert list_values(name).keys() == keys
    assert keys <= list_values(name).keys()
    assert list_lines(name).keys() == list_values(name).keys()
    page = PAGE.read_text()
    assert all(f"| `{line}` |" in page for line in list_lines(name).values())


def test_every_form_of_a_value_and_every_test_of_a_claim_is_on_the_page() -> None:
    page = PAGE.read_text()
    for key in (*SHAPES, "over", "steps", "every", *PLATEAU, *LAWS):
        assert f"\n| `{key}` |" in page, key
    for test in NEEDED:
        assert f'\ntest = "{test}"\n' in page, test


@pytest.mark.parametrize(("name", "key"), KEYS, ids=lambda part: part)
def test_an_example_plans_in_a_suite_that_is_complete_otherwise(name: str, key: str) -> None:
    table = place(name, key, list_values(name)[key])
    base = tiny_suite(
        seeds=40,
        budget={"generator_steps": 20, "batch_size": 16, "snapshots": 20},
        dataset=[{"name": "digits", "metrics": ["fid", "inception-score", "sliced-w1"]}],
        success=[{"dataset": "digits", "metric": "fid", "thresholds": [60], "compare": []}],
    )
    written = {key: value for key, value in {**base, **table}.items() if value is not None}
    suite = parse(written, "example.toml")
    if not suite.imported:  # a suite of an import is only read
        plan.make(suite, registry.load())


def place(name: str, key: str, value: Any) -> dict[str, Any]:
    """Return the tables of a suite that hold an example, with what else its table needs."""
    table = {key: value}
    if name == "Suite":
        return (TUNED if key == "tuning" else {}) | table
    if name in ("PartTable", "TermTable"):
        inner = {"name": list_values(name)["name"]} | table
        return place("MethodTable", *(("optimizer", inner) if name == "PartTable" else ("add_constraints", [inner])))
    if name in ("OfferTable", "ExtractorTable"):
        inner = {"name": list_values(name)["name"]} | table
        return {"measurement": {"metrics": [inner]} if name == "OfferTable" else {"extractor": inner}}
    if name == "SideTable":
        return place_side(key, table)
    if name == "TuningTable":
        return place_tuning(key, value)
    whole = NEEDS[name](key) | table
    if name == "DatasetTable":
        return place_dataset(key, whole)
    more = {"dataset": [{"name": "digits", "label": title} for title in TITLES]} if key == "order" else {}
    more |= PROFILED if key == "position" else {"methods": None} if key == "vary" else {}
    return more | {"success": None, KEY[name]: [whole] if KEY[name] in LISTS else whole}


def need_method(key: str) -> dict[str, Any]:
    """Return the other keys of a method whose key is an example."""
    settings = {"ema": 0.9} if key.startswith("ema_") else {"from": "began"} if key == "plateau" else {}
    return {"name": "other", "from": "wgan-gp"} | settings


def need_claim(key: str) -> dict[str, Any]:
    """Return the other keys of a claim: those of the first test that reads the key."""
    test = {"order": "monotone", "relative": "within"}.get(key) or ALLOWED.get(key, ("less",))[0]
    values = {"value": "fid", "tolerance": 1, "direction": "falls", "than": {"value": "sliced-w1"}, "method": "wgan-gp"}
    claim = {"text": "It holds.", "test": test, **{each: values[each] for each in (*NEEDED[test], "method")}}
    if test in ("less", "greater", "within") and key != "than":
        claim["target"] = 60
    if test in ("always", "absent") and key not in ("condition", "outcome"):
        claim["outcome"] = "collapsed"
    claim |= {"value": "critic-gradient-by-layer"} if key == "position" else {}
    return claim | ({"along": "datasets"} if key == "order" else {})


def need_figure(key: str) -> dict[str, Any]:
    """Return the other keys of a figure."""
    listed = {"x": "methods", "methods": ["ns-gan", "wgan-gp"]} if key in ("x", "places", "at") else {}
    return {"name": "other", "values": ["fid"]} | listed


NEEDS: dict[str, Callable[[str], dict[str, Any]]] = {
    "MethodTable": need_method,
    "BudgetTable": lambda key: {} if key in BUDGET_UNITS else {"generator_steps": 20},
    "ArchitecturesTable": lambda key: {"space": "random-mlp"},
    "DatasetTable": lambda key: {"name": "digits", "metrics": ["fid", "sliced-w1"]},
    "MeasurementTable": lambda key: {},
    "SuccessTable": lambda key: (
        {"dataset": "digits", "metric": "fid", "thresholds": [60]} | ({"primary": 60} if key == "thresholds" else {})
    ),
    "ClaimTable": need_claim,
    "FigureTable": need_figure,
    "OutcomesTable": lambda key: {},
    "KeepTable": lambda key: {},
    "EngineTable": lambda key: {},
    "ImportedTable": lambda key: list_values("ImportedTable"),
}
"""The other keys that a table needs, so that one of its keys can be read."""


def place_side(key: str, table: dict[str, Any]) -> dict[str, Any]:
    """Return a suite with a claim about two sides that differ."""
    digits = {"name": "digits", "metrics": ["fid", "sliced-w1"]}
    others: dict[str, Any] = {"dataset": "ring" if key == "position" else "other" if key == "dataset" else "digits"}
    others |= {"where": {"critic_width": 16}} if key == "where" else {}
    others |= {"value": "critic-gradient-by-layer", "position": 1} if key == "position" else {}
    suite = place("ClaimTable", "than", table)
    suite["claim"][0] |= others
    if key == "where":
        suite["architectures"] = {"space": "random-mlp", "sample": 24, "options": {"widths": [8, 16], "depths": [2, 3]}}
    return suite | (PROFILED if key == "position" else {"dataset": [digits, digits | {"label": "other"}]})


def place_dataset(key: str, table: dict[str, Any]) -> dict[str, Any]:
    """Return the suite's dataset; one that reports what was tuned on another comes second."""
    if key != "tuned_on":
        return {"dataset": [table], "success": None}
    return TUNED | {"dataset": [{"name": "digits", "metrics": ["fid"]}, table | {"label": "other"}]}


def place_tuning(key: str, value: Any) -> dict[str, Any]:
    """Return a suite that tunes one method, or two with unequal numbers of configurations."""
    tuning = {"configurations": 2, "report_seeds": 3, key: value}
    space = {"architectures": {"space": "random-mlp"}} if key == "report_architectures" else {}
    methods = {"methods": ["ns-gan"], "method": [{**VARYING, "name": "mine"}]} if key == "unequal" else {}
    return TUNED | methods | space | {"tuning": tuning}
