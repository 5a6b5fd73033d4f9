"""The table [[figure]]: what fits its kind and its horizontal axis, and names that the suite does not have."""

from __future__ import annotations

from typing import Any

import pytest
from ganbench import GanbenchError, registry
from ganbench.suite.loading import parse

from tests.support.tiny_suite import plan_small
from tests.support.tiny_suite import suite as small

FIGURE = {"name": "modes", "values": ["modes"]}


@pytest.mark.parametrize(
    ("figure", "fragment"),
    [
        ({"name": "modes"}, "figure[0].values: missing"),
        (FIGURE | {"kind": "surface"}, "figure[0].x = 'step': a surface is drawn of a profile"),
        (FIGURE | {"x": "methods"}, 'figure[0].methods: missing. x = "methods" needs them, in their order.'),
        (FIGURE | {"places": [1.0]}, 'figure[0].places = [1.0]: it belongs to x = "datasets" or "methods"'),
        (
            FIGURE | {"x": "methods", "methods": ["ns-gan", "wgan-gp"], "places": [1.0]},
            "figure[0].places = [1.0]: there are 2 methods, and a number for each is needed.",
        ),
        (FIGURE | {"methods": ["wgan"]}, "figure[0].methods[0] = 'wgan': no method of this suite called 'wgan'."),
        (FIGURE | {"datasets": ["rings"]}, "no [[dataset]] called 'rings'. Did you mean 'ring'?"),
        (FIGURE | {"x": "methods", "methods": ["ns-gan"], "at": "mean"}, "figure[0].at = 'mean': it should be"),
    ],
)
def test_a_figure_that_cannot_be_drawn_is_refused(figure: dict[str, Any], fragment: str) -> None:
    with pytest.raises(GanbenchError) as error:
        parse(small(figure=[figure]), "s.toml")
    assert fragment in str(error.value)


def test_two_figures_of_one_name_are_refused() -> None:
    with pytest.raises(GanbenchError, match=r"figure\[1\]\.name = 'modes': it appears twice"):
        parse(small(figure=[FIGURE, FIGURE]))


@pytest.mark.parametrize(
    ("figure", "fragment"),
    [
        (FIGURE | {"values": ["mode"]}, "figure[0]: no value called 'mode'. Did you mean 'modes'?"),
        (FIGURE | {"x": "position"}, "figure[0]: 'modes' is no profile, and x = 'position'."),
    ],
)
def test_a_value_that_nothing_measures_is_refused_by_the_plan(figure: dict[str, Any], fragment: str) -> None:
    with pytest.raises(GanbenchError) as error:
        plan_small(registry.load(), figure=[figure])
    assert fragment in str(error.value)


def test_signals_can_be_drawn() -> None:
    assert plan_small(registry.load(), figure=[FIGURE | {"values": ["loss.critic", "modes"]}]).trials
