from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from ganbench.statistics.intervals import (
    curve_half_width,
    effective_size,
    mean_interval,
    median_interval,
    paired_difference,
    quantile,
    wilson,
)
from ganbench.statistics.paired_tests import holm, mcnemar_exact, sign_flip_exact
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, sem, t
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

NAN, INF = math.nan, math.inf


def test_the_sign_test_of_100_against_77_is_that_of_the_wgan_gp_paper() -> None:
    """One-sided against two-sided penalty: p = .098."""
    assert mcnemar_exact(100, 77) == pytest.approx(0.098, abs=5e-4)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_agrees_with_statsmodels(only_a: int, only_b: int) -> None:
    if only_a + only_b:
        expected = mcnemar([[5, only_a], [only_b, 7]], exact=True).pvalue
        assert mcnemar_exact(only_a, only_b) == pytest.approx(min(1.0, expected), rel=1e-9)
    else:
        assert math.isnan(mcnemar_exact(0, 0))


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_agrees_with_statsmodels(counts: tuple[int, int]) -> None:
    assert wilson(*counts) == pytest.approx(proportion_confint(*counts, method="wilson"), abs=1e-12)
    assert wilson(*counts, level=0.8) == pytest.approx(proportion_confint(*counts, 0.2, method="wilson"), abs=1e-12)


def test_without_trials_there_is_no_interval() -> None:
    assert all(math.isnan(end) for end in wilson(0, 0))


@settings(max_examples=20, deadline=None)  # statsmodels collects garbage at every call
@given(st.lists(st.floats(0, 1) | st.just(NAN), min_size=1, max_size=8))
def test_holm_agrees_with_statsmodels_and_counts_undefined_tests_in_the_family(values: list[float]) -> None:
    expected = multipletests([1.0 if math.isnan(p) else p for p in values], method="holm")[1]
    for adjusted, p, expected_p in zip(holm(values), values, expected, strict=True):
        assert math.isnan(adjusted) if math.isnan(p) else adjusted == pytest.approx(expected_p, abs=1e-12)


@given(st.lists(st.integers(-1, 1), max_size=30))
def test_the_sign_flip_test_of_single_pairs_is_mcnemars(differences: list[int]) -> None:
    expected = mcnemar_exact(differences.count(1), differences.count(-1))
    assert sign_flip_exact(differences) == pytest.approx(expected, rel=1e-9, nan_ok=True)


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=8))
def test_the_sign_flip_test_is_the_share_of_sign_patterns_that_are_at_least_as_extreme(
    differences: list[int],
) -> None:
    sums = [
        sum(s * d for s, d in zip(signs, differences, strict=True))
        for signs in product((1, -1), repeat=len(differences))
    ]
    share = sum(abs(s) >= abs(sum(differences)) for s in sums) / len(sums)
    if any(differences):
        assert sign_flip_exact(differences) == pytest.approx(share, rel=1e-9)
    else:
        assert math.isnan(sign_flip_exact(differences))


def test_trials_of_one_unit_that_always_agree_count_as_one() -> None:
    """The design effect is the size of a unit, times k/(k-1) for estimating the mean."""
    units = np.repeat(np.arange(40), 5)
    outcomes = np.repeat(np.arange(40) % 2, 5)
    assert effective_size(outcomes, units) == pytest.approx(39, abs=1e-9)
    assert effective_size(outcomes[::5], units[::5]) == 40
    assert effective_size(np.ones(200), units) == 40


def test_trials_of_one_unit_that_differ_like_independent_ones_count_fully() -> None:
    units = np.repeat(np.arange(50), 4)
    outcomes = np.tile([0, 1, 0, 1], 50)
    assert effective_size(outcomes, units) == 200


@pytest.mark.parametrize("n", range(6, 80))
def test_the_interval_of_a_median_covers_it_with_95_percent_and_little_more(n: int) -> None:
    """The exact coverage of [x_(i), x_(j)] is P(i <= B < j), B ~ Binomial(n, 1/2); one rank narrower it is less."""
    low, high = (int(end) for end in median_interval(np.arange(1, n + 1), np.arange(n)))
    assert low + high == n + 1
    assert binom.cdf(high - 1, n, 0.5) - binom.cdf(low - 1, n, 0.5) >= 0.95
    assert binom.cdf(high - 2, n, 0.5) - binom.cdf(low, n, 0.5) < 0.96


def test_five_units_have_no_95_percent_interval_of_a_median() -> None:
    """The whole range of five covers the median with 1 - 2/32 = 93.75%."""
    assert all(math.isnan(end) for end in median_interval(range(5), range(5)))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.floats(0, 1))
def test_quantiles_of_finite_values_agree_with_numpy(values: list[float], q: float) -> None:
    assert quantile(values, q) == pytest.approx(float(np.quantile(values, q)), rel=1e-9, abs=1e-6)


def test_quantiles_may_be_infinite() -> None:
    assert quantile([1, 2, INF, INF], 0.5) == INF
    assert quantile([1, 2, INF], 0.5) == 2
    assert quantile([INF, INF], 0.5) == INF
    assert quantile([-INF, -INF, 3, 4], 0.5) == -INF
    assert math.isnan(quantile([], 0.5))
    assert math.isnan(quantile([1, NAN, 2], 0.5))


def make_pairs(both: int, only_a: int, only_b: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    counts = [both, only_a, only_b, neither]
    return np.repeat([1, 1, 0, 0], counts), np.repeat([1, 0, 1, 0], counts)


@pytest.mark.parametrize(
    ("table", "low", "high"),
    [
        ((36, 12, 2, 0), 0.0569, 0.3404),  # Newcombe 1998, Table III
        ((14, 5, 0, 22), 0.011, 0.226),  # Altman et al., Statistics with Confidence (2000), ch. 6
    ],
)
def test_intervals_of_paired_differences_are_published_ones(
    table: tuple[int, int, int, int], low: float, high: float
) -> None:
    a, b = make_pairs(*table)
    interval = paired_difference(a, b, np.arange(len(a)))
    rounding = 5e-5 if low == 0.0569 else 5e-4
    assert interval == pytest.approx((low, high), abs=rounding)


@given(st.integers(1, 8), st.integers(1, 8))
def test_without_correlation_the_interval_of_a_paired_difference_is_that_of_independent_rates(x: int, y: int) -> None:
    """9 x 9 pairs combine every outcome of A with every one of B, so phi is 0; statsmodels has this case."""
    a, b = np.repeat(np.arange(9) < x, 9), np.tile(np.arange(9) < y, 9)
    expected = confint_proportions_2indep(9 * x, 81, 9 * y, 81, method="newcomb", compare="diff")
    assert paired_difference(a, b, np.arange(81)) == pytest.approx(expected, abs=1e-9)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=20), st.integers(1, 3))
def test_a_paired_difference_lies_in_its_interval_and_changes_its_sign_with_the_order(
    outcomes: list[tuple[bool, bool]], seeds: int
) -> None:
    a, b = np.repeat(np.array(outcomes), seeds, axis=0).T
    units = np.repeat(np.arange(len(outcomes)), seeds)
    low, high = paired_difference(a, b, units)
    assert -1 <= low <= a.mean() - b.mean() <= high <= 1
    assert paired_difference(b, a, units) == pytest.approx((-high, -low), abs=1e-12)


def test_with_one_value_per_unit_the_band_is_kolmogorovs() -> None:
    """Critical values .294 at n = 20 and .409 at n = 10 (F. J. Massey, JASA 46, 1951: .29 and .41)."""
    assert curve_half_width(np.arange(20), np.arange(20)) == pytest.approx(0.294, abs=5e-4)
    assert curve_half_width(np.arange(10), np.arange(10)) == pytest.approx(0.409, abs=5e-4)


def test_copies_of_values_within_a_unit_hardly_narrow_the_band() -> None:
    """The effective size of 20 units of equal values is 19: one less for estimating the mean."""
    values, units = np.repeat(np.arange(20), 4), np.repeat(np.arange(20), 4)
    assert curve_half_width(values, units) == curve_half_width(np.arange(19), np.arange(19))
    assert math.isnan(curve_half_width([1, NAN], [0, 1]))
    assert math.isnan(curve_half_width([], []))


def test_the_interval_of_a_mean_is_students_over_units() -> None:
    """With two units it is the mean and 12.706 / 2 times their distance: t with one degree of freedom."""
    low, high = mean_interval([1, 3, 6, 6], ["a", "a", "b", "b"])
    assert (low, high) == pytest.approx((4 - 12.7062047 * 2, 4 + 12.7062047 * 2), rel=1e-8)
    sample = [3.1, 4.7, 5.0, 2.2, 8.9]
    assert mean_interval(sample, range(5)) == pytest.approx(t.interval(0.95, 4, np.mean(sample), sem(sample)))


@pytest.mark.parametrize("values", [[], [2.0], [1.0, INF], [1.0, NAN]])
def test_a_mean_of_one_unit_or_with_an_infinite_value_has_no_interval(values: list[float]) -> None:
    assert all(math.isnan(end) for end in mean_interval(values, range(len(values))))
