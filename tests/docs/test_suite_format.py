"""The reference of the suite format: every key has a meaning and an example, and every example plans."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ganbench import plan, registry
from ganbench.api.schedules import PLATEAU, SHAPES
from ganbench.suite.claims import NEEDED, SideTable
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
RESULT: dict[str, Any] = {"value": "fid", "target": 60, "tolerance": 1, "direction": "falls", "than": {"at": "first"}}


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
    assert all(f"| `{line.replace('|', '\\|')}` |" in page for line in list_lines(name).values())


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
        seeds=20,
        budget={"generator_steps": 20, "batch_size": 16, "snapshots": 6},
        dataset=[{"name": "digits", "metrics": ["fid", "inception-score", "sliced-w1"]}],
        success=[{"dataset": "digits", "metric": "fid", "thresholds": [60], "compare": []}],
    )
    suite = parse({**base, **table}, "example.toml")
    if not suite.imported:  # a suite of an import is only read
        plan.make(suite, registry.load())
    assert find(suite, name, key)


def place(name: str, key: str, value: Any) -> dict[str, Any]:
    """Return the tables of a suite that hold an example, with what else its table needs."""
    if name == "Suite":
        return complete_suite(key, value)
    if name in ("PartTable", "TermTable", "OfferTable", "ExtractorTable"):
        return place_offer(name, {"name": list_values(name)["name"], key: value})
    if name == "MethodTable":
        others = {"ema": 0.9} if key.startswith("ema_") else {"loss": "began"} if key == "plateau" else {}
        return {"methods": ["ns-gan"], "method": [{"name": "mine", "from": "wgan-gp", **others, key: value}]}
    if name == "TuningTable":
        return complete_tuning(key, value)
    if name in ("ClaimTable", "SideTable"):
        return complete_claim(name, key, value)
    return complete_table(name, key, value)
