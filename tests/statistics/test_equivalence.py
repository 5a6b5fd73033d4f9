"""Two one-sided tests of equal success, read from the 90% interval of the paired difference."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ganbench.statistics import Interval, equivalence_interval, is_within
from statsmodels.stats.proportion import proportion_confint

from tests.support import simulated_results as simulation

CELLS = np.array([[1, 1], [1, 0], [0, 1], [0, 0]])


def newcombe_by_hand(both: int, only_a: int, only_b: int, neither: int) -> tuple[float, float]:
    """Return the 90% interval of Newcombe's method 10 from statsmodels' Wilson intervals and a corrected phi."""
    n = both + only_a + only_b + neither
    p, q = (both + only_a) / n, (both + only_b) / n
    (low_p, high_p), (low_q, high_q) = (proportion_confint(rate * n, n, 0.1, method="wilson") for rate in (p, q))
    cross = both * neither - only_a * only_b
    spread = math.sqrt((both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither))
    phi = (max(0.0, cross - n / 2) if cross > 0 else cross) / spread
    down = math.sqrt((p - low_p) ** 2 - 2 * phi * (p - low_p) * (high_q - q) + (high_q - q) ** 2)
    up = math.sqrt((high_p - p) ** 2 - 2 * phi * (high_p - p) * (q - low_q) + (q - low_q) ** 2)
    return p - q - down, p - q + up


@pytest.mark.parametrize("counts", [(20, 4, 3, 21), (3, 10, 9, 2), (40, 1, 1, 6), (5, 20, 1, 22)])
def test_the_interval_is_newcombes_at_90_percent(counts: tuple[int, int, int, int]) -> None:
    a, b = np.repeat(CELLS, counts, axis=0).T
    expected = newcombe_by_hand(*counts)
    assert equivalence_interval(a, b, np.arange(len(a))) == pytest.approx(expected, abs=1e-9)


def test_equal_means_that_the_whole_interval_lies_strictly_within_delta() -> None:
    assert is_within(Interval(-0.09, 0.05), 0.1)
    assert not is_within(Interval(-0.1, 0.05), 0.1)
    assert not is_within(Interval(-0.05, 0.1), 0.1)
    assert not is_within(Interval(0.2, 0.3), 0.1)
    assert not is_within(equivalence_interval([], [], []), 0.1), "without pairs nothing is equal"


def test_48_equal_pairs_are_equal_within_a_fifth_and_six_are_not() -> None:
    """Not distinguishable at this n is no proof of equality: both have no discordant pair."""
    for pairs, equal in ((48, True), (6, False)):
        outcomes = np.arange(pairs) % 2
        assert is_within(equivalence_interval(outcomes, outcomes, np.arange(pairs)), 0.2) is equal


def test_methods_that_differ_by_delta_are_called_equal_in_about_5_percent() -> None:
    """Exact, for 20 pairs: two one-sided tests at 5%, so 5% is nominal; docs/reference/statistics.md has the table."""
    rates = simulation.exact_equivalence_rates(20, delta=0.3, difference=0.3)
    assert 0.03 < rates.mean() < 0.07
    assert rates.max() < 0.105


def test_equal_methods_are_called_equal_more_often_with_more_pairs() -> None:
    few, more = (simulation.equivalence_rates(n, seeds=3, runs=60, delta=0.2, difference=0.0) for n in (12, 48))
    assert few.mean() < 0.4
    assert more.mean() > 0.7


@pytest.mark.simulation
def test_the_size_and_the_power_of_the_equivalence_test(capsys: pytest.CaptureFixture[str]) -> None:
    """Print the table of statistics.md: how often methods are called equal that differ by delta, or not at all."""
    lines = ["| architectures x seeds | delta | differ by delta, mean | most | equal, mean | least |"]
    lines.append("|---|---|---|---|---|---|")
    worst = 0.0
    for n, seeds, delta in [(20, 1, 0.2), (20, 1, 0.3), (48, 1, 0.1), (48, 1, 0.2), (20, 3, 0.2), (48, 3, 0.2)]:
        size, power = (
            simulation.exact_equivalence_rates(n, delta, difference)
            if seeds == 1
            else simulation.equivalence_rates(n, seeds, 1000, delta, difference)
            for difference in (delta, 0.0)
        )
        cells = (f"{value:.3f}" for value in (size.mean(), size.max(), power.mean(), power.min()))
        exactly = ", exactly" * (seeds == 1)
        lines.append(f"| {n} x {seeds}{exactly} | {delta} | {' | '.join(cells)} |")
        worst = max(worst, float(size.mean()))
    with capsys.disabled():
        print("", *lines, sep="\n")  # noqa: T201
    assert worst < 0.07
