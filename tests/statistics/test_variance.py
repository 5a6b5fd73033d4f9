from __future__ import annotations

import math

import numpy as np
import pytest
from ganbench.statistics.variance import share_within
from scipy.stats import f_oneway, rankdata

INF = math.inf


def test_the_share_follows_from_the_f_ratio_of_ranks() -> None:
    """1 minus the intraclass correlation is S / (F + S - 1), with F of scipy's one-way analysis of variance."""
    values = np.random.default_rng(0).standard_normal((10, 1)) + np.random.default_rng(1).standard_normal((10, 3))
    ratio = f_oneway(*rankdata(values).reshape(values.shape)).statistic
    share, (low, high) = share_within(values.ravel(), np.repeat(np.arange(10), 3))
    assert share == pytest.approx(3 / (ratio + 2), rel=1e-9)
    assert 0 <= low < share < high <= 1


def test_the_share_is_zero_if_nothing_varies_within_units() -> None:
    share, interval = share_within(np.repeat([1.0, 2.0, 3.0, INF], 3), np.repeat(np.arange(4), 3))
    assert share == 0
    assert all(math.isnan(end) for end in interval)


def test_the_share_is_one_if_all_units_are_alike() -> None:
    share, (low, high) = share_within(np.tile([1.0, 2.0, 3.0], 8), np.repeat(np.arange(8), 3))
    assert share == 1
    assert math.isnan(low) == math.isnan(high)


@pytest.mark.parametrize(
    ("values", "units"),
    [([1, 2, 3], [0, 1, 2]), ([1, 2, 3], [0, 0, 0]), ([5, 5, 5, 5], [0, 0, 1, 1]), ([1, math.nan, 2, 3], [0, 0, 1, 1])],
)
def test_an_undefined_share_is_nan(values: list[float], units: list[int]) -> None:
    assert math.isnan(share_within(values, units)[0])


def test_an_increasing_scale_and_the_size_of_the_worst_values_change_nothing() -> None:
    values = np.random.default_rng(0).standard_normal(30)
    units = np.repeat(np.arange(10), 3)
    worst = values > 1
    assert share_within(np.where(worst, INF, values), units) == share_within(np.exp(np.where(worst, 9, values)), units)
