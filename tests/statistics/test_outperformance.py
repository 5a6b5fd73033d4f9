"""The probability that A outperforms B: published examples, ties, dead trials, units."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ganbench.statistics.intervals import Interval, wilson
from ganbench.statistics.outperformance import paired_outperformance, read_evidence, unpaired_outperformance
from scipy.stats import mannwhitneyu

INF = math.inf


def test_wins_and_half_the_ties_over_all_pairs() -> None:
    found = paired_outperformance([1, 2, 3, 4, 5], [2, 2, 5, 1, 9], range(5))
    assert (found.wins, found.ties, found.losses) == (3, 1, 1)
    assert found.probability == pytest.approx(0.7)
    assert found.interval == wilson(3.5, 5)
    assert found.p == pytest.approx(2 * (4 + 1) / 2**4), "the sign test on three wins and one loss"


def test_where_all_pairs_agree_the_interval_is_no_single_point() -> None:
    found = paired_outperformance([1] * 48, [2] * 48, range(48))
    assert found.probability == 1
    assert found.interval == (pytest.approx(0.926, abs=5e-4), 1)


def test_a_dead_trial_loses_and_two_dead_ones_tie() -> None:
    found = paired_outperformance([INF, 1, INF], [1, INF, INF], range(3))
    assert (found.wins, found.ties, found.losses, found.probability) == (1, 1, 1, 0.5)
    assert paired_outperformance([-INF, 3], [1, 2], range(2), "higher").probability == 0.5


def test_swapped_sides_have_the_mirrored_interval() -> None:
    a, b = np.random.default_rng(0).standard_normal((2, 30))
    units = np.repeat(np.arange(10), 3)
    one, other = paired_outperformance(a, b, units), paired_outperformance(b, a, units)
    assert one.probability == pytest.approx(1 - other.probability)
    assert one.interval.low == pytest.approx(1 - other.interval.high)
    assert one.p == other.p


def test_seeds_of_one_architecture_that_always_agree_count_as_one() -> None:
    wins = np.repeat([True] * 7 + [False] * 3, 4)
    found = paired_outperformance(np.where(wins, 0, 1), np.where(wins, 1, 0), np.repeat(np.arange(10), 4))
    wide = paired_outperformance(np.where(wins, 0, 1), np.where(wins, 1, 0), np.arange(40)).interval
    assert found.interval.high - found.interval.low > 1.8 * (wide.high - wide.low)
    assert found.p == pytest.approx(0.34375), "the sign test on 7 wins and 3 losses"


def test_without_pairs_nothing_is_known_and_a_nan_is_refused() -> None:
    found = paired_outperformance([], [], [])
    assert all(math.isnan(value) for value in (found.probability, *found.interval, found.p))
    assert math.isnan(paired_outperformance([1.0], [1.0], [0]).p), "a tie tests nothing"
    with pytest.raises(ValueError, match="NaN"):
        paired_outperformance([math.nan], [1.0], [0])


@pytest.mark.parametrize(
    ("interval", "words"),
    [
        ((0.5, 0.9), "no evidence"),
        ((0.51, 0.75), "detectable but small"),
        ((0.51, 0.76), "meaningful"),
        ((0.8, 0.9), "meaningful"),
        ((math.nan, math.nan), ""),
    ],
)
def test_an_interval_is_read_as_bouthillier_et_al_read_it(interval: tuple[float, float], words: str) -> None:
    assert read_evidence(Interval(*interval)) == words


def test_without_partners_it_is_u_over_all_pairs_of_runs() -> None:
    """Agarwal et al. 2021, by hand: one third for X over Y, where higher is better."""
    x, y = [[1, 2], [2, 2], [1, 1], [2, 1]], [[1, 1], [2, 2], [3, 3]]
    assert unpaired_outperformance(x, y, "higher") == pytest.approx(1 / 3)
    assert unpaired_outperformance(y, x, "higher") == pytest.approx(2 / 3)
    assert unpaired_outperformance(x, y, "lower") == pytest.approx(2 / 3)


def test_for_one_task_it_is_scipys_u() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 9, 20), rng.integers(2, 9, 15)
    share = mannwhitneyu(x, y).statistic / (20 * 15)
    assert unpaired_outperformance(x[:, None], y[:, None], "higher") == pytest.approx(share)
