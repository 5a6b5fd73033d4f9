"""Interquartile means: examples by hand, scipy's trimmed mean, dead trials, and intervals over whole units."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ganbench.statistics.interquartile import interquartile_interval, interquartile_mean, weighted_means
from scipy.stats import trim_mean

INF = math.inf


@pytest.mark.parametrize(
    ("values", "mean"),
    [
        (range(1, 9), 4.5),
        ([1, 2, 3, INF], 2.5),
        (range(1, 101), 50.5),
        ([1, 2, 2, 2, 1, 1, 2, 1], 1.5),
        ([1, 1, 2, 2, 3, 3], 2),
        ([3, INF, INF, 1], INF),
        ([-INF, 1, 2, 3], 1.5),
        ([5], 5),
    ],
)
def test_the_outer_quarters_are_dropped(values: list[float], mean: float) -> None:
    assert interquartile_mean(values) == pytest.approx(mean)


@pytest.mark.parametrize("n", [4, 7, 48, 50])
def test_it_is_scipys_trimmed_mean(n: int) -> None:
    values = np.random.default_rng(n).standard_normal(n)
    assert interquartile_mean(values) == pytest.approx(trim_mean(values, 0.25))


@pytest.mark.parametrize("n", [4, 7, 20])
def test_it_is_finite_exactly_while_no_more_than_a_quarter_is_dead(n: int) -> None:
    for dead in range(n + 1):
        values = [*range(n - dead), *[INF] * dead]
        assert math.isfinite(interquartile_mean(values)) == (dead <= n // 4)


def test_without_values_or_with_a_nan_there_is_no_mean() -> None:
    assert math.isnan(interquartile_mean([]))
    assert math.isnan(interquartile_mean([1.0, math.nan]))


def test_a_resample_counts_a_value_as_often_as_it_was_drawn() -> None:
    ordered, times = np.array([1.0, 2.0, 5.0, INF]), np.array([[3, 0, 4, 1], [0, 0, 2, 2], [8, 0, 0, 0]])
    by_hand = [interquartile_mean(np.repeat(ordered, row)) for row in times]
    assert weighted_means(ordered, times).tolist() == pytest.approx(by_hand)


def test_whole_units_are_resampled() -> None:
    """Units of equal values: four values of each tell no more than one."""
    effects = np.random.default_rng(0).standard_normal(24)
    alone = interquartile_interval(effects, np.arange(24))
    four = interquartile_interval(np.repeat(effects, 4), np.repeat(np.arange(24), 4))
    assert four == pytest.approx(alone, abs=0.05)
    assert alone.low < interquartile_mean(effects) < alone.high


def test_the_end_of_an_interval_is_infinite_if_resamples_have_too_many_dead() -> None:
    low, high = interquartile_interval([*range(15), *[INF] * 5], range(20))
    assert math.isfinite(low)
    assert high == INF


def test_fewer_than_six_units_have_no_interval() -> None:
    assert all(map(math.isnan, interquartile_interval(range(10), [0, 1, 2, 3, 4] * 2)))
    assert all(map(math.isnan, interquartile_interval([math.nan, *range(9)], range(10))))
