from __future__ import annotations

import math
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from ganbench.errors import GanbenchError
from ganbench.inference import wilson
from ganbench.statistics import contingency, rate_table, standings, success_table, successes

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
