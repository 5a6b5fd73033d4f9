"""A budget, in any unit, becomes generator steps; too large a one is refused, not counted for ever."""

from __future__ import annotations

import pytest
from ganbench import GanbenchError, plan, registry
from ganbench.plan.budget import MOST_STEPS, count_affordable_steps
from ganbench.suite.loading import parse

from tests.support.tiny_suite import suite as small

PLUGINS = registry.load()


@pytest.mark.parametrize("amount", [1e18, 1e100, 1.7e308])
def test_a_budget_of_more_steps_than_anyone_trains_is_an_error(amount: float) -> None:
    """A step of the tiny networks takes less than 1e6 FLOPs, so 1e18 FLOPs are more than 1e12 steps."""
    suite = parse(small(budget={"flops": amount, "batch_size": 1}, methods=["ns-gan"], success=None), "s.toml")
    with pytest.raises(GanbenchError, match=r"s.toml: budget.flops = .* pays for more than 1000000000000 generator"):
        plan.make(suite, PLUGINS)


@pytest.mark.parametrize("critic_steps", ["1", "5", '{"every":[500,100],"steps":[[25,100],["inf",5]]}'])
def test_the_largest_budgets_are_counted_exactly(critic_steps: str) -> None:
    """With prices of 0 and 1 the budget is the number of generator steps."""
    for amount in (1, MOST_STEPS - 1, MOST_STEPS):
        assert count_affordable_steps(amount, 0, 1, critic_steps, False) == amount
    assert count_affordable_steps(MOST_STEPS + 1, 0, 1, critic_steps, False) > MOST_STEPS
    assert count_affordable_steps(1e308, 3.0, 2.0, critic_steps, False) > MOST_STEPS


def test_the_flops_of_many_periods_are_refused_before_their_combinations_are_counted() -> None:
    """Thirty periods have 2^30 combinations, of which each takes memory and a count."""
    terms = [{"name": "r1", "every": i + 1} for i in range(30)]
    method = [{"name": "mine", "from": "ns-gan", "constraints": terms}]
    suite = small(budget={"flops": 1e12}, methods=None, method=method, success=None)
    with pytest.raises(GanbenchError, match=r"method 'mine': its terms have 30 different periods .* at most 6"):
        plan.make(parse(suite, "s.toml"), PLUGINS)
