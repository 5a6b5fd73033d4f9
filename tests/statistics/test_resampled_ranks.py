"""The stability of ranks on resamples of whole units."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ganbench.statistics.resampled_ranks import rank_stability
from scipy.stats import binom


def test_a_method_that_is_better_everywhere_is_always_first() -> None:
    first, second = rank_stability([[1] * 8, [0] * 8], range(8))
    assert first == (1, 1, (1, 1))
    assert second == (2, 0, (2, 2))


def test_equal_methods_share_ranks_and_the_first_place() -> None:
    for each in rank_stability([[1, 0] * 4] * 2, range(8)):
        assert each == (1.5, 0.5, (1.5, 1.5))


def test_the_share_of_first_places_is_that_of_the_multinomial_law() -> None:
    """A wins on 6 of 10 units and B on 4: A is first where it is drawn more than 5 times, and shares it at 5."""
    wins = np.array([1] * 6 + [0] * 4)
    first, _ = rank_stability([wins, 1 - wins], range(10), resamples=20_000)
    assert first.first == pytest.approx(binom.sf(5, 10, 0.6) + binom.pmf(5, 10, 0.6) / 2, abs=0.01)


def test_seeds_of_one_architecture_stay_together() -> None:
    wins = np.array([1] * 6 + [0] * 4)
    one = rank_stability([wins, 1 - wins], range(10))
    assert rank_stability(np.repeat([wins, 1 - wins], 3, axis=1), np.repeat(np.arange(10), 3)) == one


def test_fewer_than_six_units_have_a_rank_but_no_range() -> None:
    first, second = rank_stability([[1] * 5, [0] * 5], range(5))
    assert (first.rank, second.rank) == (1, 2)
    assert math.isnan(first.first)
    assert math.isnan(second.interval.low)
