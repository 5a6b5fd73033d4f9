"""A dataset that is not here is replaced by its fallback, and the results say so."""

from __future__ import annotations

from typing import Any

import ganbench
import pytest
from ganbench import GanbenchError, NotInstalled, Offer, hookimpl, plan, registry
from ganbench.registry import Registry
from ganbench.suite.loading import parse, restore

from tests.support.tiny_suite import suite as small

RULES = [
    {"dataset": name, "metric": "modes", "thresholds": [most], "allow_trivial": True}
    for name, most in (("far", 3), ("ring", 7))
]


class Far:
    """A dataset whose file is never here."""

    @staticmethod
    @hookimpl
    def ganbench_datasets():
        def build(pixels: int = 8):
            raise NotInstalled("far.idx is missing: put it beside the others")

        yield Offer("far", build, "A set that is somewhere else.", metrics=("modes",))


@pytest.fixture(scope="module")
def plugins() -> Registry:
    return registry.load(plugins=[Far()])


def far(**changes: Any) -> dict[str, Any]:
    return small(dataset=[{"name": "far", "fallback": "ring"} | changes], success=RULES)


def test_a_missing_dataset_is_replaced_by_its_fallback_with_a_word(plugins):
    made = plan.make(parse(far(), "s.toml"), plugins)
    assert {trial.dataset.name for trial in made.trials} == {"ring"}
    assert made.suite is not None
    assert [rule.dataset for rule in made.suite.success] == ["ring"]
    assert [line for line in made.warnings if "far" in line] == [
        "caution: dataset 'far' is replaced by its fallback 'ring': far.idx is missing: put it beside the others"
    ]
    assert restore(made.suite.text) == made.suite


@pytest.mark.parametrize("rules", [None, RULES[:1]], ids=["no rule", "only a rule of the missing dataset"])
def test_a_suite_without_a_rule_for_the_used_dataset_can_be_read_again(plugins, rules):
    made = plan.make(parse(small(dataset=[{"name": "far", "fallback": "ring"}], success=rules)), plugins)
    assert made.suite is not None
    assert restore(made.suite.text) == made.suite
    assert "fallback" not in made.suite.text


def test_the_trials_are_those_of_a_suite_that_names_the_fallback_itself(plugins):
    named = small(dataset=[{"name": "ring"}], success=RULES[1:])
    assert plan.make(parse(far()), plugins).trials == plan.make(parse(named), plugins).trials


def test_a_dataset_that_is_here_is_used_and_the_rules_of_its_fallback_are_left_out(plugins):
    made = plan.make(parse(far(name="ring", fallback="far")), plugins)
    assert {trial.dataset.name for trial in made.trials} == {"ring"}
    assert made.suite is not None
    assert [rule.dataset for rule in made.suite.success] == ["ring"]
    assert not made.remarks


def test_a_fallback_may_have_a_fallback_and_options_of_its_own(plugins):
    last = {"name": "ring", "label": "four", "modes": 4}
    suite = far(fallback={"name": "far", "label": "further", "fallback": last}) | {"success": []}
    made = plan.make(parse({**suite, "success": [{**RULES[1], "dataset": "four"}]}), plugins)
    assert {trial.labels["dataset"] for trial in made.trials} == {"four"}
    assert len(made.remarks) == 2


def test_another_mistake_is_an_error_and_no_reason_for_the_fallback(plugins):
    with pytest.raises(GanbenchError, match="pixel"):
        plan.make(parse(far(pixel=3)), plugins)
    with pytest.raises(GanbenchError, match=r"far\.idx is missing"):
        plan.make(parse(small(dataset=[{"name": "far"}], success=None)), plugins)


def test_two_datasets_may_not_have_one_title(plugins):
    with pytest.raises(GanbenchError, match="it appears twice"):
        parse(far(fallback={"name": "ring", "label": "far"}))


def test_the_results_have_the_suite_that_was_run(tmp_path):
    frames = ganbench.run(far(), offers=[Far()], results=tmp_path / "r")
    assert set(frames.trials["dataset"]) == {"ring"}
    assert [table.name for table in restore(frames.suite).dataset] == ["ring"]


@pytest.mark.parametrize("rules", [None, RULES[:1]])
def test_a_suite_without_rules_for_what_is_used_is_stored_and_read_again(plugins, rules):
    made = plan.make(
        parse(far() | {"success": rules} if rules else small(dataset=far()["dataset"], success=None)), plugins
    )
    assert made.suite is not None
    assert made.suite.success == ()
    assert restore(made.suite.text) == made.suite
