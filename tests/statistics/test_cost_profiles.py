"""Cost profiles (Dolan, More 2002): an example by hand, and what holds for any costs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ganbench.statistics.cost_profiles import cost_profile, cost_ratios, profile_score

COSTS = [[1, 2, 4], [2, 1, math.inf]]


def test_the_example_by_hand() -> None:
    assert cost_ratios(COSTS).tolist() == [[1, 2, 1], [2, 1, math.inf]]
    assert cost_profile(COSTS, 1).tolist() == pytest.approx([2 / 3, 1 / 3])
    assert cost_profile(COSTS, 2).tolist() == pytest.approx([1, 2 / 3])
    assert profile_score(COSTS, 4).tolist() == pytest.approx([0.8889, 0.5556], abs=5e-5)


def test_the_score_is_the_mean_of_the_profile() -> None:
    costs = np.random.default_rng(0).exponential(size=(3, 40)) + 0.1
    ratios = np.linspace(1, 4, 20_001)
    mean = np.mean([cost_profile(costs, ratio) for ratio in ratios], axis=0)
    assert profile_score(costs, 4).tolist() == pytest.approx(mean.tolist(), abs=1e-3)


def test_a_unit_that_nobody_solves_counts_for_nobody() -> None:
    costs = [[1, math.inf], [2, math.inf]]
    assert cost_profile(costs, 1e9).tolist() == [0.5, 0.5]
    assert profile_score(costs).tolist() == pytest.approx([0.5, 1 / 3])
