"""The stages of a plan: what is tuned, what is reported, in which batches, and of which keys."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ganbench import GanbenchError, plan, registry
from ganbench.plan.plan import Plan
from ganbench.plan.stages import REPORT, TUNING, choose_first
from ganbench.registry.registry import Registry
from ganbench.suite.loading import parse
from ganbench.suite.suite import Suite

from tests.support.tiny_suite import suite as tiny

LR, WEIGHT = "optimizer.lr", "constraints.gradient-penalty.weight"
VARIED = [
    {"name": "ns-gan", "vary": {LR: [1e-4, 1e-3, 1e-2]}},
    {"name": "wgan-gp", "vary": {WEIGHT: [0.1, 1, 10]}},
]


@pytest.fixture(scope="module")
def plugins() -> Registry:
    return registry.load()


def make_suite(**changes: Any) -> Suite:
    """Return the small suite with two methods of three configurations and two seeds."""
    return parse(tiny(methods=[], method=VARIED, seeds=2, **changes), "s.toml")


def choose_last(suite: Suite) -> dict[tuple[str, str], str]:
    return {key: suite.configurations_of(key[1])[-1] for key in choose_first(suite)}


def count_stages(made: Plan) -> dict[str, int]:
    stages = [trial.labels["stage"] for trial in made.trials]
    return {stage: stages.count(stage) for stage in dict.fromkeys(stages)}


def test_without_tuning_configurations_are_methods_that_train_in_one_stack(plugins: Registry) -> None:
    suite = make_suite(success=None)
    made = plan.make(suite, plugins)
    assert [trial.labels["method"] for trial in made.trials] == [
        label for label in suite.method_names for _ in range(2)
    ]
    assert [(len(batch.trials), batch.mode) for batch in made.batches] == [(6, "stack"), (6, "stack")]
    assert not made.undecided
    assert made.methods["ns-gan lr=0.001"] == "ns-gan lr=0.001 = ns-gan with optimizer.lr = 0.001 (recipe: 0.0002)"


def test_a_configuration_has_the_key_of_the_method_written_by_hand(plugins: Registry) -> None:
    by_hand = tiny(methods=[], method=[{"name": "mine", "from": "ns-gan", "optimizer": {"lr": 1e-3}}], success=None)
    keys = {trial.key for trial in plan.make(parse(by_hand), plugins).trials if trial.seed < 2}
    made = plan.make(make_suite(success=None), plugins)
    assert keys == {trial.key for trial in made.trials if trial.labels["method"] == "ns-gan lr=0.001"}


def test_methods_written_by_hand_share_a_stack_too(plugins: Registry) -> None:
    methods = [{"name": f"m{i}", "from": "ns-gan", "optimizer": {"lr": 10.0**-i}} for i in range(1, 5)]
    other = {"name": "sgd", "from": "ns-gan", "optimizer": {"name": "sgd"}}
    made = plan.make(parse(tiny(methods=[], method=[*methods[:2], other, *methods[2:]], success=None)), plugins)
    assert [len(batch.trials) for batch in made.batches] == [12, 3]
    assert [trial.labels["method"] for trial in made.trials[::3]] == ["m1", "m2", "sgd", "m3", "m4"]


def test_the_report_is_planned_once_the_configurations_are_chosen(plugins: Registry) -> None:
    suite = make_suite(tuning={"report_seeds": 4})
    undecided = plan.make(suite, plugins)
    assert (undecided.undecided, count_stages(undecided)) == (True, {TUNING: 12})
    choices = choose_last(suite)
    made = plan.make(suite, plugins, choices=choices)
    assert (made.undecided, count_stages(made)) == (False, {TUNING: 12, REPORT: 8})
    assert [trial.key for trial in made.trials[:12]] == [trial.key for trial in undecided.trials]
    report = [trial for trial in made.trials if trial.labels["stage"] == REPORT]
    assert {trial.labels["method"] for trial in report} == {"ns-gan", "wgan-gp"}
    assert {trial.seed for trial in report} == {2, 3, 4, 5}
    chosen = {t.labels["method"]: t.recipe for t in undecided.trials if t.labels["method"] in choices.values()}
    for trial in report:
        assert trial.recipe == chosen[choices["ring", trial.labels["method"]]]
    keys = [trial.key for trial in made.trials]
    assert len(set(keys)) == len(keys)


def test_all_configurations_may_be_reported(plugins: Registry) -> None:
    suite = make_suite(tuning={"report_seeds": 4, "report": "all"})
    made = plan.make(suite, plugins, choices=choose_last(suite))
    assert count_stages(made) == {TUNING: 12, REPORT: 24}
    assert len({trial.key for trial in made.trials}) == 36
    labels = [trial.labels["method"] for trial in made.trials if trial.labels["stage"] == REPORT]
    assert list(dict.fromkeys(labels)) == [
        *("ns-gan", "wgan-gp", "ns-gan lr=0.0001", "ns-gan lr=0.001"),
        *("wgan-gp weight=0.1", "wgan-gp weight=1"),
    ]


def test_what_is_tuned_on_one_dataset_is_reported_on_others(plugins: Registry) -> None:
    rule = {"dataset": "ring", "metric": "modes", "thresholds": [7], "allow_trivial": True}
    suite = make_suite(
        tuning={"report_seeds": 1, "report": "all"},
        dataset=[{"name": "ring"}, {"name": "grid", "tuned_on": "ring"}],
        success=[rule],
    )
    made = plan.make(suite, plugins, choices=choose_last(suite))
    datasets = {(trial.labels["stage"], trial.labels["dataset"]) for trial in made.trials}
    assert datasets == {(TUNING, "ring"), (REPORT, "ring"), (REPORT, "grid")}
    recipes = {trial.labels["method"]: trial.recipe for trial in made.trials if trial.labels["dataset"] == "grid"}
    assert set(recipes) == {"ns-gan", "wgan-gp"}
    assert recipes["wgan-gp"].constraints[0].weight == 10.0
    assert recipes["ns-gan"].critic_optimizer.options["lr"] == 1e-2


def test_fresh_architectures_are_none_of_those_that_are_tuned_on(plugins: Registry) -> None:
    space = {"space": "random-mlp", "sample": 3, "seed": 4}
    suite = make_suite(tuning={"report_seeds": 1, "report_architectures": 5}, architectures=space)
    made = plan.make(suite, plugins, choices=choose_last(suite))
    specs = {
        stage: {trial.labels["architecture"] for trial in made.trials if trial.labels["stage"] == stage}
        for stage in (TUNING, REPORT)
    }
    assert (len(specs[TUNING]), len(specs[REPORT])) == (3, 5)
    assert not specs[TUNING] & specs[REPORT]


def test_a_method_that_varies_nothing_is_reported_as_it_is(plugins: Registry) -> None:
    tuning = {"report_seeds": 2, "unequal": "gan is the baseline, as published"}
    changes = tiny(
        methods=["gan"],
        method=VARIED,
        seeds=2,
        tuning=tuning,
        success=[{"dataset": "ring", "metric": "modes", "thresholds": [7], "allow_trivial": True}],
    )
    suite = parse(changes)
    made = plan.make(suite, plugins, choices=choose_last(suite))
    gan = [(trial.labels["stage"], trial.seed) for trial in made.trials if trial.labels["method"] == "gan"]
    assert gan == [(REPORT, 2), (REPORT, 3)]


def test_the_batches_of_a_plan_hold_its_trials_each_once(plugins: Registry) -> None:
    suite = make_suite(tuning={"report_seeds": 4})
    made = plan.make(suite, plugins, choices=choose_last(suite))
    assert sorted(trial.key for batch in made.batches for trial in batch.trials) == sorted(t.key for t in made.trials)
    for batch in made.batches:
        assert len({trial.labels["stage"] for trial in batch.trials}) == 1
        assert replace(batch, trials=batch.trials[::-1]).key != batch.key


def test_claims_about_the_report_are_checked_before_anything_is_tuned(plugins: Registry) -> None:
    claim = {"text": "few modes", "test": "less", "method": "wgan-gp", "value": "modes", "target": 9}
    plan.make(make_suite(tuning={"report_seeds": 8}, claim=[claim]), plugins)
    with pytest.raises(GanbenchError, match="2 units"):
        plan.make(make_suite(tuning={"report_seeds": 2}, claim=[claim]), plugins)
    with pytest.raises(GanbenchError, match="no value"):
        plan.make(make_suite(tuning={"report_seeds": 8}, claim=[{**claim, "value": "moods"}]), plugins)


def test_a_tuning_batch_is_the_same_before_and_after_the_choice(plugins: Registry) -> None:
    suite = make_suite(tuning={"report_seeds": 4})
    before, after = plan.make(suite, plugins), plan.make(suite, plugins, choices=choose_last(suite))
    assert {batch.key for batch in before.batches} < {batch.key for batch in after.batches}


def test_a_wrong_option_is_located_where_it_is_varied(plugins: Registry) -> None:
    varied = [{"name": "ns-gan", "vary": {"optimizer.beta9": [0.1, 0.2]}}]
    place = r"s\.toml: method\[0\]\.vary\.optimizer\.beta9: optimizer 'adam': no option 'beta9'"
    with pytest.raises(GanbenchError, match=place):
        plan.make(parse(tiny(methods=[], method=varied, success=None), "s.toml"), plugins)


def test_only_selects_the_configurations_of_a_method(plugins: Registry) -> None:
    made = plan.make(make_suite(tuning={"report_seeds": 4}), plugins)
    (batch,) = plan.select(made.batches, made, ["method=wgan-gp"], None)
    assert {trial.labels["method"] for trial in batch.trials} == {f"wgan-gp weight={w:g}" for w in (0.1, 1, 10)}
    (same,) = plan.select(made.batches, made, ["method=wgan-gp weight=1"], None)
    assert same == batch


def test_members_that_one_optimizer_steps_stand_side_by_side(plugins: Registry) -> None:
    varied = [{"name": "ns-gan", "vary": {LR: [1e-4, 1e-3], "optimizer.beta1": [0.0, 0.5]}}]
    made = plan.make(parse(tiny(methods=[], method=varied, seeds=2, success=None), "s.toml"), plugins)
    (batch,) = made.batches
    betas = [trial.recipe.critic_optimizer.options.get("beta1", 0.5) for trial in batch.trials]
    assert betas == [0.0] * 4 + [0.5] * 4
    rates = [trial.recipe.critic_optimizer.options.get("lr", 1e-4) for trial in made.trials]
    assert rates == [1e-4] * 4 + [1e-3] * 4
