from __future__ import annotations

import math
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from ganbench.errors import GanbenchError
from ganbench.statistics import (
    contingency,
    effective_size,
    holm,
    mcnemar_exact,
    median_interval,
    quantile,
    rate_table,
    sign_flip_exact,
    standings,
    success_table,
    successes,
    wilson,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from building import Success, record, results, scores, trial

NAN, INF = math.nan, math.inf


# WGAN-GP (Gulrajani et al. 2017), table of success over 200 random architectures.
PAPER = {
    1.0: (0, 8, 192, 0),
    2.0: (0, 60, 140, 0),
    3.0: (1, 88, 110, 1),
    4.0: (1, 126, 67, 6),
    5.0: (0, 147, 42, 11),
    6.0: (0, 145, 21, 34),
    7.0: (1, 104, 5, 90),
    8.0: (1, 34, 0, 165),
    9.0: (0, 0, 0, 200),
}


def paper_scores() -> tuple[list[float], list[float]]:
    """Two columns of 200 inception scores whose paired counts are the paper's at every threshold.

    Two architectures favour GAN: one scores 4.5 against 2.5, one 8.5 against 6.5. All others favour WGAN-GP or none, so
    sorting both columns alike leaves the paper's marginal counts as its paired counts.
    """
    exceptions = [(4.5, 2.5), (8.5, 6.5)]
    columns: tuple[list[float], list[float]] = ([], [])
    for side in (0, 1):
        beyond = [only[side] + both - sum(e[side] > t for e in exceptions) for t, (*only, both, _) in PAPER.items()]
        columns[side].extend(0.5 + sum(place < count for count in beyond) for place in range(198))
        columns[side].extend(pair[side] for pair in exceptions)
    return columns


def test_the_wgan_gp_papers_table_follows_from_scores(tmp_path: Path) -> None:
    """All nine rows; at 5.0 the rates 42/200 and 189/200 with their intervals and McNemar's p = 1.1e-44."""
    gan, wgan_gp = paper_scores()
    made = [
        record(trial(method, architecture), scores=tuple(scores("is", [value], "higher")))
        for method, column in (("gan", gan), ("wgan-gp", wgan_gp))
        for architecture, value in enumerate(column)
    ]
    rule = Success(metric="is", thresholds=tuple(PAPER), primary=5.0)
    table = success_table(results(tmp_path, made), rule, ("gan", "wgan-gp")).set_index("threshold")
    counts = table[["only_a", "only_b", "both", "neither"]]
    assert {t: tuple(row) for t, row in zip(counts.index, counts.values.tolist(), strict=True)} == PAPER
    assert (table["n"] == 200).all()
    five = table.loc[5.0]
    assert (five["rate_a"], five["rate_b"]) == (42 / 200, 189 / 200)
    assert five["rate_a_low"] == pytest.approx(0.1593, abs=5e-5)
    assert five["rate_a_high"] == pytest.approx(0.2716, abs=5e-5)
    assert five["rate_b_low"] == pytest.approx(0.9042, abs=5e-5)
    assert five["rate_b_high"] == pytest.approx(0.9690, abs=5e-5)
    assert five["p"] == pytest.approx(1.1e-44, rel=0.05)
    assert five["p"] == pytest.approx(2 * 0.5**147, rel=1e-12)
    assert table["p"].drop(5.0).isna().all()


@pytest.mark.parametrize(("threshold", "counts"), PAPER.items())
def test_the_papers_counts_follow_from_outcomes(threshold: float, counts: tuple[int, ...]) -> None:
    a = np.repeat([True, False, True, False], counts)
    b = np.repeat([False, True, True, False], counts)
    row = contingency(a, b, np.arange(200))
    assert tuple(row[name] for name in ("only_a", "only_b", "both", "neither")) == counts
    assert math.isnan(row["p"]) == (threshold == 9.0), "undefined exactly where no pair is discordant"


def test_the_sign_test_of_100_against_77_is_the_papers() -> None:
    """One- against two-sided penalty: p = .098."""
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


def test_no_trials_have_no_interval() -> None:
    assert all(math.isnan(end) for end in wilson(0, 0))


@settings(max_examples=20, deadline=None)  # statsmodels collects garbage at every call
@given(st.lists(st.floats(0, 1) | st.just(NAN), min_size=1, max_size=8))
def test_holm_agrees_with_statsmodels_and_keeps_the_undefined_in_the_family(values: list[float]) -> None:
    expected = multipletests([1.0 if math.isnan(p) else p for p in values], method="holm")[1]
    for adjusted, p, other in zip(holm(values), values, expected, strict=True):
        assert math.isnan(adjusted) if math.isnan(p) else adjusted == pytest.approx(other, abs=1e-12)


@given(st.lists(st.integers(-1, 1), max_size=30))
def test_sign_flips_of_single_pairs_are_mcnemars_test(differences: list[int]) -> None:
    expected = mcnemar_exact(differences.count(1), differences.count(-1))
    assert sign_flip_exact(differences) == pytest.approx(expected, rel=1e-9, nan_ok=True)


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=8))
def test_sign_flips_are_the_share_of_all_sign_patterns_at_least_as_extreme(differences: list[int]) -> None:
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
    """A design effect equal to the cluster's size (times k/(k-1) for estimating the mean)."""
    units = np.repeat(np.arange(40), 5)
    outcomes = np.repeat(np.arange(40) % 2, 5)
    assert effective_size(outcomes, units) == pytest.approx(39, abs=1e-9)
    assert effective_size(outcomes[::5], units[::5]) == 40
    assert effective_size(np.ones(200), units) == 40


def test_trials_of_one_unit_that_differ_as_strangers_do_count_fully() -> None:
    units = np.repeat(np.arange(50), 4)
    outcomes = np.tile([0, 1, 0, 1], 50)
    assert effective_size(outcomes, units) == 200


@pytest.mark.parametrize("n", range(6, 80))
def test_the_interval_of_a_median_covers_it_95_percent_of_the_time_and_hardly_more(n: int) -> None:
    """The exact coverage of [x_(i), x_(j)] is P(i <= B < j), B ~ Binomial(n, 1/2); one rank narrower has less."""
    low, high = (int(end) for end in median_interval(np.arange(1, n + 1), np.arange(n)))
    assert low + high == n + 1
    assert binom.cdf(high - 1, n, 0.5) - binom.cdf(low - 1, n, 0.5) >= 0.95
    assert binom.cdf(high - 2, n, 0.5) - binom.cdf(low, n, 0.5) < 0.96


def test_five_units_have_no_95_percent_interval_of_a_median() -> None:
    """The whole range of five covers the median with 1 - 2/32 = 93.75%."""
    assert all(math.isnan(end) for end in median_interval(range(5), range(5)))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.floats(0, 1))
def test_quantiles_of_finite_values_are_numpys(values: list[float], q: float) -> None:
    assert quantile(values, q) == pytest.approx(float(np.quantile(values, q)), rel=1e-9, abs=1e-6)


def test_quantiles_pass_through_infinity() -> None:
    assert quantile([1, 2, INF, INF], 0.5) == INF
    assert quantile([1, 2, INF], 0.5) == 2
    assert quantile([INF, INF], 0.5) == INF
    assert quantile([-INF, -INF, 3, 4], 0.5) == -INF
    assert math.isnan(quantile([], 0.5))
    assert math.isnan(quantile([1, NAN, 2], 0.5))


@pytest.mark.parametrize(("at", "expected"), [("final", [True, False, False]), ("best", [True, True, False])])
def test_success_is_strict_and_final_or_best(
    tmp_path: Path, at: Literal["final", "best"], expected: list[bool]
) -> None:
    made = [record(trial(seed=0), [20, 9.9]), record(trial(seed=1), [5, 20]), record(trial(seed=2), [10, 10])]
    standing = standings(results(tmp_path, made), "ring", "fid")
    assert successes(standing, at, 10.0).tolist() == expected


def test_what_did_not_live_never_succeeds(tmp_path: Path) -> None:
    made = [
        record(trial(seed=0), [1, NAN]),
        record(trial(seed=1), [1, INF]),
        record(trial(seed=2), [1, 1], died=7),
        record(trial(seed=3), [1, 1], status="failed"),
        record(trial(seed=4), [1, 1], status="timeout"),
        record(trial(seed=5), status="failed"),
        record(trial(seed=6), died=3),
        record(trial(seed=7), [1, 1]),
    ]
    standing = standings(results(tmp_path, made), "ring", "fid")
    for at in ("final", "best"):
        assert successes(standing, at, 10.0).tolist() == [False] * 7 + [True]
    assert standing["final"].tolist() == [INF] * 7 + [1]
    assert standing["diverged"].tolist() == [True, True, True, False, False, False, True, False]


def test_missing_and_unmeasured_trials_are_not_counted(tmp_path: Path) -> None:
    made = [record(trial(seed=0), [1.0]), record(trial(seed=1)), record(trial(seed=2), [99.0])]
    frames = results(tmp_path, made, plan=[trial(seed=s) for s in range(4)])
    (row,) = rate_table(frames, Success()).to_dict("records")
    assert (row["successes"], row["n"], row["rate"]) == (1, 2, 0.5)
    assert (row["rate_low"], row["rate_high"]) == pytest.approx(wilson(1, 2))


def test_only_pairs_of_equal_architecture_and_seed_are_compared(tmp_path: Path) -> None:
    made = [
        record(trial("a", 0), [1]),
        record(trial("b", 0), [99]),
        record(trial("a", 1), [1]),
        record(trial("b", 2), [1]),
    ]
    (row,) = success_table(results(tmp_path, made), Success(), ("a", "b")).to_dict("records")
    assert (row["only_a"], row["only_b"], row["both"], row["neither"], row["n"]) == (1, 0, 0, 0, 1)


def test_with_several_seeds_the_architecture_is_the_unit(tmp_path: Path) -> None:
    """Three architectures on which A always wins: 24 discordant pairs, yet p is 2/2^3."""
    made = [
        record(trial(method, architecture, seed), [fid])
        for method, fid in (("a", 1.0), ("b", 99.0))
        for architecture, seed in product(range(3), range(8))
    ]
    (row,) = success_table(results(tmp_path, made), Success(), ("a", "b")).to_dict("records")
    assert (row["only_a"], row["n"], row["units"]) == (24, 24, 3)
    assert row["p"] == pytest.approx(2 / 2**3)
    assert (row["rate_a_low"], row["rate_a_high"]) == pytest.approx(wilson(3, 3))


def test_with_one_architecture_the_seed_is_the_unit(tmp_path: Path) -> None:
    made = [record(trial(m, 0, seed), [fid]) for m, fid in (("a", 1.0), ("b", 99.0)) for seed in range(8)]
    (row,) = success_table(results(tmp_path, made), Success(), ("a", "b")).to_dict("records")
    assert (row["units"], row["p"]) == (8, pytest.approx(2 / 2**8))


def test_an_unknown_method_in_a_comparison_is_named_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(GanbenchError, match=r"no method 'aa'. Did you mean 'a'\?"):
        success_table(results(tmp_path, [record(trial(), [1])]), Success(), ("aa", "a"))


def test_a_neutral_metric_has_no_success(tmp_path: Path) -> None:
    frames = results(tmp_path, [record(trial(), scores=tuple(scores("norm", [1.0], "neutral")))])
    with pytest.raises(GanbenchError, match="direction"):
        rate_table(frames, Success(metric="norm"))


def test_scores_of_two_protocols_never_meet(tmp_path: Path) -> None:
    made = [
        record(trial(seed=0), scores=tuple(scores("fid", [1.0], measurement="x"))),
        record(trial(seed=1), scores=tuple(scores("fid", [50.0], measurement="y"))),
    ]
    frames = results(tmp_path, made)
    with pytest.raises(GanbenchError, match="measured in 2 ways"):
        standings(frames, "ring", "fid")
    assert standings(frames, "ring", "fid", "y")["final"].tolist() == [50.0]
