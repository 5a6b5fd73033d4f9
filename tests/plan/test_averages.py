"""A plan cautions where most of an average of the generator's weights is still the initial generator."""

from __future__ import annotations

from typing import Any

import pytest
from ganbench import plan, registry
from ganbench.suite.loading import parse

from tests.support.tiny_suite import suite as small

PLUGINS = registry.load()


def plan_small(**changes: Any) -> plan.Plan:
    """Return the plan of the small suite with some keys replaced."""
    return plan.make(parse(small(**changes)), PLUGINS)


def plan_average(steps: int, **ema: float) -> plan.Plan:
    """Return the plan of methods with averages of these decays."""
    tables = [{"name": name, "from": "ns-gan", "ema": decay} for name, decay in ema.items()]
    budget = {"generator_steps": steps, "snapshots": 1}
    return plan_small(methods=None, method=tables, budget=budget, success=None, dataset=[{"name": "ring"}])


def test_a_long_average_over_a_short_run_is_a_caution() -> None:
    """0.9999^300 = 0.970; 0.991^300 = 0.066; 0.99^300 = 0.049, below 5%."""
    warnings = plan_average(300, mine=0.9999, also=0.9999, short=0.99, longer=0.991, none=0.0).warnings
    assert warnings[:2] == [
        "caution (mine, also): with ema = 0.9999 over 300 generator steps, 97% of what is scored is the initial "
        "generator. Use ema = 0.99 or less, or train longer.",
        "caution (longer): with ema = 0.991 over 300 generator steps, 7% of what is scored is the initial generator. "
        "Use ema = 0.99 or less, or train longer.",
    ]
    assert not any("ema" in sentence for sentence in warnings[2:])


def caution(**average: Any) -> list[str]:
    """Return the cautions of a plan with one method of 100 generator steps, with an average of these settings."""
    table = [{"name": "mine", "from": "ns-gan", **average}]
    budget = {"generator_steps": 100, "snapshots": 1}
    grid = plan_small(methods=None, method=table, budget=budget, success=None, dataset=[{"name": "ring"}])
    return [sentence for sentence in grid.cautions if "ema" in sentence]


def test_a_rampup_makes_a_long_average_short_enough() -> None:
    """0.999^100 = 0.90 without one; with half-lives of 5% of the steps, the first weights are forgotten."""
    assert caution(ema=0.999)
    assert caution(ema=0.999, ema_rampup=0.05) == []


def test_a_caution_counts_from_the_start_of_the_average() -> None:
    """0.95^100 = 0.6%, but 0.95^30 = 21%; ramped, 1 + 1/2 + ... + 1/79 = 4.95, and 0.5^(4.95 / 2) = 18%."""
    assert caution(ema=0.95) == []
    assert caution(ema=0.95, ema_start=70) == [
        "with ema = 0.95, ema_start = 70 over 100 generator steps, 21% of what is scored is the generator at step 70. "
        "Use ema = 0.9 or less, or train longer."
    ]
    assert caution(ema=0.9999, ema_start=20, ema_rampup=2) == [
        "with ema = 0.9999, ema_start = 20, ema_rampup = 2 over 100 generator steps, 18% of what is scored is the "
        "generator at step 21. Use a smaller ema_rampup, or train longer."
    ]


@pytest.mark.parametrize("average", [{"ema_start": 100}, {"ema_start": 99, "ema_rampup": 0.05}])
def test_an_average_that_never_begins_is_a_caution(average: dict[str, Any]) -> None:
    (sentence,) = caution(ema=0.9, **average)
    assert "nothing is averaged in a run of 100 generator steps" in sentence


@pytest.mark.parametrize("steps", [4, 7, 29, 30, 31, 1234, 5000, 100_000])
def test_the_average_that_a_caution_proposes_is_short_enough(steps: int) -> None:
    (sentence, *_) = plan_average(steps, mine=0.9999999).cautions
    proposed = float(sentence.partition("Use ema = ")[2].partition(" or less")[0])
    assert 0 < proposed < 1
    assert proposed**steps < 0.05
    assert not plan_average(steps, mine=proposed).cautions


def test_for_three_steps_no_average_is_short_enough_to_propose() -> None:
    assert next(iter(plan_average(3, mine=0.9).cautions)).endswith("Use no ema, or train longer.")


def test_the_shortest_run_of_a_method_decides_about_its_average() -> None:
    """Under a budget of FLOPs, the largest architecture trains for the fewest steps."""
    space = {"space": "random-mlp", "sample": 6, "seed": 1}
    table = [{"name": "mine", "from": "ns-gan", "ema": 0.999}]
    changes = {"methods": None, "method": table, "architectures": space, "success": None}
    grid = plan_small(budget={"flops": 1e9, "batch_size": 16, "snapshots": 1}, **changes)
    steps = {trial.budget.generator_steps for trial in grid.trials}
    assert len(steps) > 1
    assert f"over {min(steps)} generator steps" in next(iter(grid.cautions))
