"""Settings that have no effect, or another one than it seems, are planned with a caution."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.tiny_suite import plan_small

GP = "gradient-penalty"


def of(name: str = "wgan-gp", **changes: Any) -> dict[str, Any]:
    """Return the changes of the small suite that make it train one method."""
    return {"methods": [], "success": None, "method": [{"name": "mine", "from": name, **changes}]}


def term(**keys: Any) -> dict[str, Any]:
    return of(constraints=[{"name": GP, **keys}])


def steps(value: Any) -> dict[str, Any]:
    return of(critic_steps=value)


TOGETHER = {"dynamics": "simultaneous"}
TINY_OVER = {"linear": [1e-3, 0], "over": 0.25}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (term(where={"critic_depth": 7}), f"'{GP}' is never used: no architecture of the sample has critic_depth = 7."),
        (steps(0), "the critic takes no step in this budget"),
        (steps({"steps": [["inf", 5]], "every": [1, 0]}), "the critic takes no step in this budget"),
        (
            steps({"steps": [[4, 1], ["inf", 5]]}),
            "its phase from step 4 on never begins; the run has 4",
        ),
        (
            steps({"steps": [["inf", 5]], "every": [4, 9]}),
            "every = [4, 9] counts at the first of 4 generator step",
        ),
        (of(**TOGETHER), "critic_steps = 5 without effect: with dynamics 'simultaneous' both players take one step"),
        (of(**TOGETHER, critic_steps=1, order="generator-first"), "order = 'generator-first' without effect"),
        (
            of("ns-gan", dynamics="consensus", critic_steps=0),
            "critic_steps = 0 without effect: with dynamics",
        ),
        (term(every=10**12), f"'{GP}' with every = 1000000000000 counts at the first of 20 updates only"),
        (term(every=20), f"'{GP}' with every = 20 counts at the first of 20 updates only, 20-fold."),
        (term(weight=-10.0), f"'{GP}' with a weight below 0 rewards what it should punish."),
        (term(weight={"linear": [1, -1]}), f"'{GP}', weight: the schedule changes its sign, from 1 to -1."),
        (
            of(inputs=[{"name": "instance-noise", "sigma": {"cosine": [0.1, -0.1]}}]),
            "'instance-noise', sigma: the sch",
        ),
        (
            of(optimizer={"name": "adam", "lr": TINY_OVER}),
            "'adam', lr: the schedule is at its end after one of 4",
        ),
        (
            {"budget": {"generator_steps": 4, "batch_size": 16, "snapshots": 5}},
            "snapshots = 5, but the budget is 4 generator steps: each model is evaluated 4 times.",
        ),
        (
            {"dataset": [{"name": "ring"}, {"name": "ring", "modes": 8, "label": "other"}]},
            "the same dataset with the same options, under several labels",
        ),
    ],
)
def test_what_may_not_be_meant_is_a_caution(plugins, changes: dict[str, Any], sentence: str) -> None:
    warnings = plan_small(plugins, **changes).warnings
    assert any(sentence in line for line in warnings), warnings


@pytest.mark.parametrize(
    "changes",
    [
        {},
        term(where={"critic_depth": 3}),
        steps({"steps": [[3, 1], ["inf", 5]], "every": [3, 9]}),
        of("ns-gan", dynamics="simultaneous"),
        of(**TOGETHER, critic_steps=1),
        term(every=19),
        term(weight=0.0),
        of(optimizer={"name": "adam", "lr": {"linear": [1e-3, 0], "over": 0.5}}),
        {"dataset": [{"name": "ring"}, {"name": "ring", "modes": 7, "label": "other"}], "success": None},
    ],
)
def test_what_has_an_effect_goes_without_a_caution(plugins, changes: dict[str, Any]) -> None:
    assert not plan_small(plugins, **changes).cautions


def test_a_constraint_for_some_architectures_of_the_sample_is_used(plugins) -> None:
    space = {"space": "random-mlp", "sample": 20, "seed": 1}
    partly = of("ns-gan", constraints=[{"name": "weight-decay", "where": {"critic_depth": 4}}])
    assert not plan_small(plugins, **partly, architectures=space).cautions
