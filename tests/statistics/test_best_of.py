"""The expected best of k configurations: published numbers, brute force, dead configurations, and honest telling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations, pairwise, product
from random import Random

import numpy as np
import pandas as pd
import pytest
from ganbench.errors import GanbenchError
from ganbench.statistics.best_of import (
    BEST_OF_COLUMNS,
    Picks,
    best_of_band,
    best_of_table,
    expected_best,
    expected_curves,
    expected_told,
    leave_one_seed_out,
    rank_probabilities,
)
from ganbench.statistics.interquartile import draw_units
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, expon, norm, rv_continuous

INF = math.inf
WITH_DEAD = [3, 1, 4, 1, 5, 9, 2, 6, INF, INF]

score = st.integers(-3, 3).map(float) | st.just(INF)
pairs = st.lists(st.tuples(score, score), min_size=1, max_size=7)


def by_brute_force(picked_by: Sequence[float], told: Sequence[float]) -> list[float]:
    """Return the mean over all subsets of k of what is told of their best; of several that are equal, the mean."""
    curve = []
    for k in range(1, len(told) + 1):
        means = []
        for subset in combinations(range(len(told)), k):
            best = min(picked_by[i] for i in subset)
            means.append(np.mean([told[i] for i in subset if picked_by[i] == best]))
        curve.append(float(np.mean(means)))
    return curve


@pytest.mark.parametrize("n", [1, 2, 9, 100, 1000])
def test_of_the_first_n_numbers_it_is_n_plus_1_over_k_plus_1(n: int) -> None:
    expected = expected_best(np.arange(1, n + 1))
    assert expected.tolist() == pytest.approx([(n + 1) / (k + 1) for k in range(1, n + 1)], rel=1e-12)


def test_numbers_worked_out_by_hand() -> None:
    assert expected_best(range(1, 101))[4] == pytest.approx(16.8333, abs=5e-5)
    curve = expected_best(WITH_DEAD)
    assert curve[:2].tolist() == [INF, INF]
    assert curve[2:4].tolist() == pytest.approx([2.0667, 1.6], abs=5e-5)
    assert curve[-1] == 1
    told = expected_told([3, 1, 4, 2], [30, 12, 41, 19])
    assert told.tolist() == pytest.approx([25.5, 17.3333, 13.75, 12], abs=5e-5)


def test_it_agrees_with_exact_fractions() -> None:
    n, values = 100, sorted(np.random.default_rng(0).exponential(size=100).tolist())
    for k, expected in enumerate(expected_best(values), start=1):
        weights = [Fraction(math.comb(n - i, k - 1), math.comb(n, k)) for i in range(1, n + 1)]
        exact = sum(Fraction(value) * weight for value, weight in zip(values, weights, strict=True))
        assert expected == pytest.approx(float(exact), rel=1e-12)


def test_the_probabilities_of_a_thousand_ranks_are_those_of_the_binomials() -> None:
    n, table = 1000, rank_probabilities(1000)
    assert table.sum(axis=0).tolist() == pytest.approx([1] * n, rel=1e-12)
    for j, k in ((1, 1), (1, 1000), (2, 500), (300, 7), (500, 501), (501, 500), (1000, 1)):
        exact = Fraction(math.comb(n - j, k - 1), math.comb(n, k))
        assert table[j - 1, k - 1] == pytest.approx(float(exact), rel=1e-11)
    assert table[501, 499] == 0, "499 others cannot all be worse than the 502nd"


@given(pairs)
def test_both_forms_agree_with_all_subsets_with_ties_and_dead_configurations(cells: list[tuple[float, float]]) -> None:
    picked_by, told = zip(*cells, strict=True)
    assert expected_told(picked_by, told).tolist() == pytest.approx(by_brute_force(picked_by, told), abs=1e-12)
    assert expected_best(told).tolist() == pytest.approx(by_brute_force(told, told), abs=1e-12)


@given(st.lists(score, min_size=1, max_size=30))
def test_the_best_of_more_is_never_worse_and_finite_exactly_while_fewer_are_dead(scores: list[float]) -> None:
    curve = expected_best(scores)
    assert all(later <= earlier + 1e-12 for earlier, later in pairwise(curve))
    assert [math.isfinite(value) for value in curve] == [scores.count(INF) < k for k in range(1, len(scores) + 1)]


@given(pairs, st.randoms())
def test_neither_the_order_nor_the_unit_nor_the_direction_matters(
    cells: list[tuple[float, float]], chance: Random
) -> None:
    picked_by, told = np.array(cells).T
    curve = expected_told(picked_by, told)
    shuffled = np.array(chance.sample(cells, len(cells))).T
    assert expected_told(*shuffled).tolist() == pytest.approx(curve.tolist(), abs=1e-12)
    assert expected_told(5 * picked_by - 1, 4 * told + 2).tolist() == pytest.approx((4 * curve + 2).tolist(), abs=1e-12)
    assert expected_told(-picked_by, -told, "higher").tolist() == (0.0 - curve).tolist()


def test_an_undefined_score_is_dead_and_so_is_an_infinitely_good_one() -> None:
    assert expected_best([2, math.nan, 1]).tolist() == expected_best([2, INF, 1]).tolist()
    assert expected_best([2, -INF, 1]).tolist() == expected_best([2, INF, 1]).tolist()


def test_a_neutral_metric_has_no_best() -> None:
    with pytest.raises(GanbenchError, match="'higher' or 'lower'; this one is neutral"):
        expected_best([1, 2], "neutral")


def test_without_configurations_there_is_no_number() -> None:
    assert expected_best([]).tolist() == []


def test_the_mean_over_all_resamples_is_the_form_with_replacement() -> None:
    """Dodge et al. (2019): a resample of n, and k of it without replacement, are k drawn with replacement."""
    values, n = np.array([1.0, 2.0, 4.0, 8.0]), 4
    times = np.array([np.bincount(draw, minlength=n) for draw in product(range(n), repeat=n)])
    mean = expected_curves([Picks(values, values)], times).mean(axis=0)
    shares = (np.arange(n, -1, -1) / n)[:, None] ** np.arange(1, n + 1)  # that all k are beyond the first i
    assert mean.tolist() == pytest.approx((values @ (shares[:-1] - shares[1:])).tolist())


def test_the_form_with_replacement_of_1_to_100_is_17_17_at_5() -> None:
    values = np.arange(1.0, 101)
    curves = [expected_curves([Picks(values, values)], times) for times in draw_units(100, 10_000, 1, 100)]
    assert np.concatenate(curves)[:, 4].mean() == pytest.approx(17.1708, abs=0.12)


def band_coverage(n: int, law: rv_continuous, runs: int) -> dict[int, float]:
    """Return how often the band has the expected least of k of n draws of a law, for k = 1, n / 4 and n / 2."""
    rng, places = np.random.default_rng(n), [1, n // 4, n // 2]
    truths = [law.expect(lambda x, k=k: x * k * law.sf(x) ** (k - 1), epsabs=1e-9) for k in places]
    covered = np.zeros(len(places))
    for scores in law.rvs(size=(runs, n), random_state=rng):
        low, high = best_of_band(scores, scores, resamples=400)
        covered += [low[k - 1] <= truth <= high[k - 1] for k, truth in zip(places, truths, strict=True)]
    return dict(zip(places, covered / runs, strict=True))


def test_the_band_covers_the_expected_least_of_few_and_is_too_narrow_for_half() -> None:
    coverage = band_coverage(32, expon, 200)
    assert 0.88 <= coverage[1] <= 0.99
    assert 0.85 <= coverage[8] <= 0.98
    assert 0.74 <= coverage[16] <= 0.92


@pytest.mark.simulation
def test_the_coverage_of_the_band(capsys: pytest.CaptureFixture[str]) -> None:
    """Print the table of docs/reference/statistics.md."""
    lines, ones = ["| configurations | scores | k = 1 | k = n / 4 | k = n / 2 |", "|---|---|---|---|---|"], []
    for n, (name, law) in product((8, 16, 32, 100), {"exponential": expon, "normal": norm}.items()):
        coverage = band_coverage(n, law, 1000)
        lines.append(f"| {n} | {name} | {' | '.join(f'{share:.2f}' for share in coverage.values())} |")
        ones.append(coverage[1])
    with capsys.disabled():
        print("", *lines, sep="\n")  # noqa: T201
    assert min(ones[2:]) > 0.88


def test_an_end_is_infinite_where_that_many_resamples_have_too_many_dead() -> None:
    """Of 20, 5 are dead: a resample has at least 9 dead with probability .041, and at least 10 with .014."""
    scores = [*range(15), *[INF] * 5]
    low, high = best_of_band(scores, scores)
    k = np.arange(1, 21)
    assert np.isinf(high).tolist() == (binom.sf(k - 1, 20, 0.25) > 0.025).tolist()
    assert np.isinf(low).tolist() == (binom.sf(k - 1, 20, 0.25) > 0.975).tolist()


def test_the_ends_are_the_metrics_own_and_lie_around_the_curve() -> None:
    scores = np.random.default_rng(0).standard_normal(40)
    low, high = best_of_band(scores, scores)
    middle = expected_best(scores)
    assert (low <= middle).all()
    assert (middle[:20] < high[:20]).all()
    mirrored = best_of_band(-scores, -scores, "higher")
    assert [end.tolist() for end in mirrored] == [(-high).tolist(), (-low).tolist()]


def test_fewer_than_six_configurations_have_no_band() -> None:
    assert all(np.isnan(end).all() for end in best_of_band(range(5), range(5)))


def scores_of(methods: dict[str, Sequence[float]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"dataset": "ring", "method": method, "configuration": i, "picked_by": value}
            for method, values in methods.items()
            for i, value in enumerate(values)
        ]
    )


def test_the_table_says_what_each_number_rests_on() -> None:
    table = best_of_table(scores_of({"wgan": WITH_DEAD, "gan": [1, 2, 3]}), "lower")
    assert list(table.columns) == BEST_OF_COLUMNS
    assert table["method"].tolist() == ["wgan"] * 10 + ["gan"] * 3
    assert table["k"].tolist() == [*range(1, 11), 1, 2, 3]
    assert table["configurations"].tolist() == [10] * 10 + [3] * 3
    assert table["dead"].tolist() == [2] * 10 + [0] * 3
    assert table["beyond_half"].tolist() == [False] * 5 + [True] * 5 + [False, True, True]
    assert set(table["told"]) == {"same seeds"}
    assert table["expected"].tolist() == pytest.approx([*expected_best(WITH_DEAD), 2, 4 / 3, 1])
    assert table["low"].isna().tolist() == [False] * 10 + [True] * 3


def test_the_table_tells_fresh_seeds_if_it_has_them_in_the_metrics_own_direction() -> None:
    scores = scores_of({"gan": [-3, -1, -4, -2]}).assign(told=[-30, -12, -41, -INF])
    table = best_of_table(scores.iloc[::-1], "higher")
    assert set(table["told"]) == {"fresh seeds"}
    assert table["expected"].tolist() == pytest.approx([-INF, -INF, -INF, -12])
    assert set(table["dead"]) == {1}


def test_the_table_does_not_depend_on_the_order_of_rows() -> None:
    scores = scores_of({"gan": [3, 1, 4, 1, 5, 9, 2, 6]}).assign(told=range(8))
    pd.testing.assert_frame_equal(
        best_of_table(scores.sample(frac=1, random_state=1), "lower"), best_of_table(scores, "lower")
    )


def test_an_empty_table_has_its_columns() -> None:
    assert list(best_of_table(scores_of({"gan": [1]})[:0], "lower").columns) == BEST_OF_COLUMNS


def trials_of(scores: Sequence[Sequence[float]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"dataset": "ring", "method": "gan", "configuration": i, "seed": seed, "score": value}
            for i, values in enumerate(scores)
            for seed, value in enumerate(values)
        ]
    )


def test_each_seed_is_told_once_and_the_others_pick() -> None:
    """By seed 0 the order is a, b, c, and seed 1 tells 5, 10/3, 4; by seed 1, b, a, c, and seed 0 tells 2, 5/3, 2."""
    table = leave_one_seed_out(trials_of([[1, 4], [2, 2], [3, 9]]), "lower")
    assert table["expected"].tolist() == pytest.approx([3.5, 2.5, 3])
    assert set(table["told"]) == {"left-out seed"}
    assert list(table.columns) == BEST_OF_COLUMNS


def test_of_three_seeds_two_pick_by_their_mean() -> None:
    scores = np.random.default_rng(0).standard_normal((9, 3))
    curves = [expected_told(np.delete(scores, i, axis=1).mean(axis=1), scores[:, i]) for i in range(3)]
    table = leave_one_seed_out(trials_of(scores.tolist()), "lower")
    assert table["expected"].tolist() == pytest.approx(np.mean(curves, axis=0).tolist())
    assert (table["low"] <= table["expected"]).all(), "at k = 9 both are those of the best configuration"
    assert (table["expected"] < table["high"]).all()


def test_where_seeds_are_all_luck_a_left_out_one_tells_it_and_the_same_seeds_do_not() -> None:
    """The best mean of two seeds of 16 equal configurations is 1.77 / sqrt 2 = 1.25 better than they are."""
    rng, same, left_out = np.random.default_rng(0), [], []
    for _ in range(200):
        scores = rng.standard_normal((16, 2))
        same.append(expected_best(scores.mean(axis=1))[-1])
        left_out.append(leave_one_seed_out(trials_of(scores.tolist()), "lower", resamples=2)["expected"].iloc[-1])
    assert np.mean(left_out) == pytest.approx(0, abs=0.2)
    assert np.mean(same) == pytest.approx(-1.25, abs=0.1)


def test_a_configuration_that_dies_on_one_seed_is_told_when_that_seed_is_left_out() -> None:
    table = leave_one_seed_out(trials_of([[1, INF], [2, 2], [3, 3]]), "lower")
    assert np.isinf(table["expected"]).all(), "seed 0 picks it at any k, and seed 1 tells that it is dead"
    assert set(table["dead"]) == {1}
    later = leave_one_seed_out(trials_of([[9, INF], [2, 2], [3, 3]]), "lower")
    assert later["expected"].tolist() == pytest.approx([INF, (2 * 2 + 3) / 3, 2])


def test_architectures_are_averaged_and_a_configuration_without_some_seed_is_left_out() -> None:
    trials = trials_of([[1, 4], [2, 2], [3, 9]])
    apart = pd.concat([trials.assign(score=trials["score"] + shift) for shift in (-1, 1)])
    table = leave_one_seed_out(pd.concat([apart, trials[:1].assign(configuration=3)]), "lower")
    assert table["expected"].tolist() == pytest.approx([3.5, 2.5, 3])
    assert set(table["configurations"]) == {3}


def test_a_method_of_which_no_configuration_is_trained_to_the_end_has_no_rows() -> None:
    trials = trials_of([[1, 4], [2, 2], [3, 9]])
    begun = trials_of([[1, 4], [2, 2]]).iloc[[0, 3]].assign(method="wgan")
    table = leave_one_seed_out(pd.concat([begun, trials]), "lower")
    pd.testing.assert_frame_equal(table, leave_one_seed_out(trials, "lower"))


def test_one_seed_cannot_be_left_out() -> None:
    with pytest.raises(GanbenchError, match=r"'gan' on dataset 'ring' was tuned on one seed, 0, alone.*Tune on more"):
        leave_one_seed_out(trials_of([[1], [2]]), "lower")


@settings(max_examples=20, deadline=None)
@given(st.lists(score, min_size=1, max_size=8))
def test_with_equal_seeds_a_left_out_one_tells_what_the_same_seeds_do(scores: list[float]) -> None:
    table = leave_one_seed_out(trials_of([[value] * 3 for value in scores]), "lower", resamples=20)
    assert table["expected"].tolist() == pytest.approx(expected_best(scores).tolist(), abs=1e-12)
