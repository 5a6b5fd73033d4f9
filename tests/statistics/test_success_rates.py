from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from ganbench.api.records import Score
from ganbench.errors import GanbenchError
from ganbench.statistics.final_scores import headline, rule_scores, successes, trial_scores
from ganbench.statistics.intervals import curve_half_width, paired_difference, wilson
from ganbench.statistics.success_rates import (
    contingency,
    median_differences,
    paired_p,
    rate_table,
    success_curve,
    success_table,
)

from tests.support.trials_by_hand import Success, record, results, scores, trial, with_fresh_best

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
    """Return two columns of 200 inception scores whose paired counts are the paper's at every threshold.

    Two architectures favour GAN: one scores 4.5 against 2.5, one 8.5 against 6.5. All others favour WGAN-GP or neither,
    so sorting both columns alike leaves the paper's marginal counts as its paired counts.
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
    records = [
        record(trial(method, architecture), scores=tuple(scores("is", [value], "higher")))
        for method, column in (("gan", gan), ("wgan-gp", wgan_gp))
        for architecture, value in enumerate(column)
    ]
    rule = Success(metric="is", thresholds=tuple(PAPER), primary=5.0)
    table = success_table(results(tmp_path, records), rule, ("gan", "wgan-gp")).set_index("threshold")
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


@pytest.mark.parametrize(("at", "expected"), [("final", [True, False, False]), ("best", [True, True, False])])
def test_success_is_strict_and_final_or_best(
    tmp_path: Path, at: Literal["final", "best"], expected: list[bool]
) -> None:
    records = [record(trial(seed=0), [20, 9.9]), record(trial(seed=1), [5, 20]), record(trial(seed=2), [10, 10])]
    table = trial_scores(results(tmp_path, records), "ring", "fid")
    assert successes(table, at, 10.0).tolist() == expected


def test_diverged_failed_and_undefined_trials_never_succeed(tmp_path: Path) -> None:
    records = [
        record(trial(seed=0), [1, NAN]),
        record(trial(seed=1), [1, INF]),
        record(trial(seed=2), [1, 1], diverged_at=7),
        record(trial(seed=3), [1, 1], status="failed"),
        record(trial(seed=4), [1, 1], status="timed-out"),
        record(trial(seed=5), status="failed"),
        record(trial(seed=6), diverged_at=3),
        record(trial(seed=7), [1, 1]),
    ]
    table = trial_scores(results(tmp_path, records), "ring", "fid")
    for at in ("final", "best"):
        assert successes(table, at, 10.0).tolist() == [False] * 7 + [True]
    assert table["final"].tolist() == [INF] * 7 + [1]
    assert table["diverged"].tolist() == [False, False, True, False, False, False, True, False]
    assert table["undefined"].tolist() == [True, True, *[False] * 6], "an undefined score is not a divergence"


def test_missing_and_unmeasured_trials_are_not_counted(tmp_path: Path) -> None:
    records = [record(trial(seed=0), [1.0]), record(trial(seed=1)), record(trial(seed=2), [99.0])]
    frames = results(tmp_path, records, plan=[trial(seed=s) for s in range(4)])
    (row,) = rate_table(frames, Success()).to_dict("records")
    assert (row["successes"], row["n"], row["rate"]) == (1, 2, 0.5)
    assert (row["rate_low"], row["rate_high"]) == pytest.approx(wilson(1, 2))


def test_only_pairs_of_equal_architecture_and_seed_are_compared(tmp_path: Path) -> None:
    records = [
        record(trial("a", 0), [1]),
        record(trial("b", 0), [99]),
        record(trial("a", 1), [1]),
        record(trial("b", 2), [1]),
    ]
    (row,) = success_table(results(tmp_path, records), Success(), ("a", "b")).to_dict("records")
    assert (row["only_a"], row["only_b"], row["both"], row["neither"], row["n"]) == (1, 0, 0, 0, 1)


def test_with_several_seeds_the_architecture_is_the_unit(tmp_path: Path) -> None:
    """On three architectures A always succeeds and B never: there are 24 discordant pairs, but p is 2/2^3."""
    records = [
        record(trial(method, architecture, seed), [fid])
        for method, fid in (("a", 1.0), ("b", 99.0))
        for architecture, seed in product(range(3), range(8))
    ]
    (row,) = success_table(results(tmp_path, records), Success(), ("a", "b")).to_dict("records")
    assert (row["only_a"], row["n"], row["units"]) == (24, 24, 3)
    assert row["p"] == pytest.approx(2 / 2**3)
    assert (row["rate_a_low"], row["rate_a_high"]) == pytest.approx(wilson(3, 3))


def test_with_one_architecture_the_seed_is_the_unit(tmp_path: Path) -> None:
    records = [record(trial(m, 0, seed), [fid]) for m, fid in (("a", 1.0), ("b", 99.0)) for seed in range(8)]
    (row,) = success_table(results(tmp_path, records), Success(), ("a", "b")).to_dict("records")
    assert (row["units"], row["p"]) == (8, pytest.approx(2 / 2**8))


def test_an_unknown_method_in_a_comparison_is_an_error_with_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(GanbenchError, match=r"no method 'aa'. Did you mean 'a'\?"):
        success_table(results(tmp_path, [record(trial(), [1])]), Success(), ("aa", "a"))


def test_a_neutral_metric_cannot_define_success(tmp_path: Path) -> None:
    frames = results(tmp_path, [record(trial(), scores=tuple(scores("norm", [1.0], "neutral")))])
    with pytest.raises(GanbenchError, match="direction"):
        rate_table(frames, Success(metric="norm"))


def test_scores_of_two_measurements_are_never_mixed(tmp_path: Path) -> None:
    records = [
        record(trial(seed=0), scores=tuple(scores("fid", [1.0], measurement="x"))),
        record(trial(seed=1), scores=tuple(scores("fid", [50.0], measurement="y"))),
    ]
    frames = results(tmp_path, records)
    with pytest.raises(GanbenchError, match="measured in 2 ways"):
        trial_scores(frames, "ring", "fid")
    assert trial_scores(frames, "ring", "fid", "y")["final"].tolist() == [50.0]


def with_fresh(name: str, values: list[float], direction: str = "higher") -> tuple[Score, ...]:
    """Return the scores of a second value, one per snapshot, and the same again on fresh samples."""
    series = scores(name, values, direction)
    return (*series, *(replace(score, fresh=True) for score in series))


def test_best_is_the_score_of_the_chosen_snapshot_on_fresh_samples(tmp_path: Path) -> None:
    """The smallest FID is 5. Its generator's score on fresh samples is reported; without one, the worst counts."""
    series = with_fresh_best(scores("fid", [20, 5, 9]), 8.0)
    stray = replace(scores("fid", [1])[0], fresh=True)
    records = [
        record(trial(seed=0), scores=(*series, stray)),
        record(trial(seed=1), scores=tuple(scores("fid", [20, 5, 9]))),
        record(trial(seed=2), scores=tuple(scores("fid", [7]))),
    ]
    table = trial_scores(results(tmp_path, records), "ring", "fid")
    assert table["best"].tolist() == [8, INF, 7]
    assert table["final"].tolist() == [9, 9, 7]
    assert table[["final_step", "best_step"]].values.tolist() == [[150, 100], [150, 100], [50, 50]]


def test_a_condition_must_be_true_at_the_snapshot_that_counts(tmp_path: Path) -> None:
    """Final: the last snapshot. Best: the one with the smallest FID, on fresh samples."""
    records = [
        record(trial(seed=0), scores=(*with_fresh_best(scores("fid", [5, 8])), *with_fresh("recall", [0.1, 0.9]))),
        record(trial(seed=1), scores=(*with_fresh_best(scores("fid", [5, 8])), *with_fresh("recall", [0.9, 0.1]))),
        record(trial(seed=2), scores=(*with_fresh_best(scores("fid", [5, 8])), *with_fresh("recall", [0.9, NAN]))),
        record(trial(seed=3), scores=tuple(with_fresh_best(scores("fid", [5, 8])))),
        record(trial(seed=4), status="failed"),
    ]
    frames = results(tmp_path, records)
    for at, expected in (("final", [True, False, False, False, False]), ("best", [False, True, True, False, False])):
        rule = Success(at=at, condition="recall > 0.5")  # type: ignore[arg-type]
        assert successes(rule_scores(frames, rule), rule.at, 10.0).tolist() == expected
    assert successes(rule_scores(frames, Success()), "final", 10.0).tolist() == [True] * 4 + [False]


def test_a_condition_alone_decides_success_and_its_signs_are_exact(tmp_path: Path) -> None:
    values = {"a": [(8, 0.9), (8, 0.8), (9, 0.81)], "b": [(7, 0.9), (8, 0.81), (7, 0.9)]}
    records = [
        record(trial(m, seed=i), scores=(*scores("modes", [n], "higher"), *scores("hq", [q], "higher")))
        for m, pairs in values.items()
        for i, (n, q) in enumerate(pairs)
    ]
    rule = Success(metric=None, thresholds=(), primary=None, condition="modes >= 8 and hq > .8")
    frames = results(tmp_path, records)
    rows = rate_table(frames, rule).to_dict("records")
    assert [(row["method"], row["successes"], row["n"], row["primary"]) for row in rows] == [
        ("a", 2, 3, True),
        ("b", 1, 3, True),
    ]
    (row,) = success_table(frames, rule, ("a", "b")).to_dict("records")
    assert (row["only_a"], row["only_b"], row["both"], row["neither"], row["p"]) == (2, 1, 0, 0, 1.0)


def test_the_first_value_of_a_condition_with_a_direction_chooses_the_best_snapshot(tmp_path: Path) -> None:
    three_values = (
        *with_fresh("norm", [1.0, 2.0], "neutral"),
        *with_fresh("modes", [8, 3]),
        *with_fresh("hq", [0.2, 0.9]),
    )
    rule = Success(metric=None, thresholds=(), primary=None, condition="norm < 1.5 and modes > 7 and hq > 0.1")
    frames = results(tmp_path, [record(trial(), scores=three_values)])
    assert headline(frames, rule) == "modes"
    assert rule_scores(frames, replace(rule, at="best"))["holds"].tolist() == [True]
    assert rule_scores(frames, rule)["holds"].tolist() == [False]


def test_a_value_measured_in_two_ways_is_an_error_unless_the_metrics_measurement_selects_one(tmp_path: Path) -> None:
    records = [
        record(trial(seed=i), scores=(*scores("fid", [5.0], measurement=m), *scores("is", [9.0], "higher", n)))
        for i, (m, n) in enumerate([("x", "p"), ("y", "q"), ("y", "q")])
    ]
    rule = Success(condition="is > 8")
    frames = results(tmp_path / "two", records)
    assert rule_scores(frames, rule, "x")["holds"].tolist() == [True]
    assert rule_scores(frames, rule, "y")["holds"].tolist() == [True, True]
    mixed = record(trial(seed=3), scores=(*scores("fid", [5.0], measurement="y"), *scores("is", [9.0], "higher", "p")))
    with pytest.raises(GanbenchError, match=r"'is' on 'ring' was measured in 2 ways"):
        rule_scores(results(tmp_path / "mixed", [*records, mixed]), rule, "y")


def test_a_comparison_has_the_difference_of_rates_with_its_interval(tmp_path: Path) -> None:
    records = [record(trial("a", i), [1.0 if i < 8 else 99.0]) for i in range(10)]
    records += [record(trial("b", i), [1.0 if i < 3 else 99.0]) for i in range(10)]
    (row,) = success_table(results(tmp_path, records), Success(), ("a", "b")).to_dict("records")
    assert row["difference"] == pytest.approx(0.8 - 0.3)
    a, b = np.arange(10) < 8, np.arange(10) < 3
    assert (row["difference_low"], row["difference_high"]) == paired_difference(a, b, np.arange(10))
    assert row["p"] == contingency(a, b, np.arange(10))["p"] == paired_p(a, b, np.arange(10))


def test_the_curve_has_every_distinct_score_and_one_just_beyond_the_worst(tmp_path: Path) -> None:
    records = [record(trial("a", i), [value]) for i, value in enumerate([3.0, 1.0, 2.0, 2.0, NAN])]
    curve = success_curve(results(tmp_path, records), Success())
    assert curve["threshold"].tolist() == [math.nextafter(3, INF), 3, 2, 1]
    assert curve["rate"].tolist() == [0.8, 0.6, 0.2, 0.0]
    half_width = curve_half_width(range(5), range(5))
    assert curve["high"].tolist() == pytest.approx([1.0, 1.0, 0.2 + half_width, half_width])
    assert curve["low"].tolist() == pytest.approx([0.8 - half_width, max(0, 0.6 - half_width), 0, 0])
    assert (curve.attrs["direction"], curve["n"].tolist(), curve["units"].tolist()) == ("lower", [5] * 4, [5] * 4)


@pytest.mark.parametrize("direction", ["lower", "higher"])
def test_the_curve_agrees_with_the_table_of_rates_and_its_band_at_every_score(
    tmp_path: Path, direction: Literal["lower", "higher"]
) -> None:
    values = np.round(np.random.default_rng(0).normal(10, 3, (2, 7, 3)), 1)
    records = [
        record(trial(method, i, seed), scores=tuple(scores("fid", [values[side, i, seed]], direction)))
        for side, method in enumerate("ab")
        for i, seed in product(range(7), range(3))
    ]
    frames = results(tmp_path, records)
    curve = success_curve(frames, Success())
    table = rate_table(frames, Success(thresholds=tuple(curve["threshold"].unique()), primary=10.0))
    assert curve["rate"].tolist() == table["rate"].tolist()
    assert curve["low"].tolist() == pytest.approx(table["band_low"].tolist())
    assert curve["high"].tolist() == pytest.approx(table["band_high"].tolist())


def test_a_condition_alone_has_no_curve(tmp_path: Path) -> None:
    rule = Success(metric=None, thresholds=(), primary=None, condition="fid < 10")
    frames = results(tmp_path, [record(trial(), [1.0])])
    assert success_curve(frames, rule).empty
    assert math.isnan(rate_table(frames, rule)["band_low"].iloc[0])


def test_paired_differences_include_trials_without_a_score(tmp_path: Path) -> None:
    """If only A has no score: inf; only B: -inf; both: 0. So the five differences here are -inf, -2, 0, 1, inf."""
    finals = {"a": [NAN, 1.0, NAN, 4.0, 2.0], "b": [5.0, NAN, NAN, 3.0, 4.0]}
    records = [record(trial(method, i), [v]) for method, values in finals.items() for i, v in enumerate(values)]
    final, best = median_differences(results(tmp_path, records), Success(), ("a", "b")).to_dict("records")
    assert (final["at"], final["difference"], final["n"], final["units"]) == ("final", 0.0, 5, 5)
    assert (final["median_a"], final["median_b"]) == (4.0, 5.0)
    assert math.isnan(final["difference_low"]), "there is no interval for fewer than six units"
    assert best["at"] == "best"
