from __future__ import annotations

import math

import numpy as np
import pytest
from ganbench.statistics.bootstrap import bootstrap_median
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap

INF = math.inf


@pytest.mark.parametrize("n", [21, 40])
def test_with_one_value_per_unit_it_is_scipys_bca_interval_up_to_the_next_value(n: int) -> None:
    sample = np.sort(np.random.default_rng(n).standard_normal(n))
    expected = bootstrap((sample,), np.median, method="BCa", rng=np.random.default_rng(1)).confidence_interval
    interval = bootstrap_median(sample, np.arange(n))
    for end, expected_end in zip(interval, expected, strict=True):
        rank = np.searchsorted(sample, end)
        assert sample[max(0, rank - 1)] <= expected_end <= sample[min(n - 1, rank + 1)]


@settings(max_examples=20)
@given(st.lists(st.integers(-500, 500).map(lambda n: n / 100) | st.just(INF), min_size=6, max_size=20))
def test_an_increasing_scale_changes_the_ends_by_the_scale_alone(values: list[float]) -> None:
    units = np.arange(len(values))
    plain, scaled = (
        bootstrap_median(values, units, resamples=200),
        bootstrap_median(np.exp(values), units, resamples=200),
    )
    assert scaled == pytest.approx(tuple(np.exp(plain)))


def test_infinities_are_ranks_like_any_other_value() -> None:
    units = np.arange(12)
    assert bootstrap_median([INF] * 12, units) == (INF, INF)
    assert bootstrap_median([-INF] * 12, units) == (-INF, -INF)
    low, high = bootstrap_median([*range(7), *[INF] * 5], units)
    assert 0 <= low < 5
    assert high == INF


def test_the_same_sample_has_the_same_interval_and_another_seed_a_similar_one() -> None:
    sample, units = np.random.default_rng(0).standard_normal(60), np.repeat(np.arange(20), 3)
    assert bootstrap_median(sample, units) == bootstrap_median(sample, units)
    assert bootstrap_median(sample, units, seed=1) == pytest.approx(bootstrap_median(sample, units), abs=0.3)


def test_copies_of_values_within_a_unit_change_nothing() -> None:
    sample = np.random.default_rng(0).standard_normal(20)
    once, thrice = (
        bootstrap_median(sample, np.arange(20)),
        bootstrap_median(np.repeat(sample, 3), np.repeat(np.arange(20), 3)),
    )
    assert thrice == once


def test_there_is_no_interval_for_few_units_or_with_a_nan() -> None:
    assert all(math.isnan(end) for end in bootstrap_median(range(10), [0, 1, 2, 3, 4] * 2))
    assert all(math.isnan(end) for end in bootstrap_median([1, 2, 3, 4, 5, 6, math.nan], range(7)))
