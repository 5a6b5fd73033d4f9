"""Which methods are compared, the exact test of scores, and all tests of a suite as one family."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from pathlib import Path

import pandas as pd
import pytest
from ganbench.results.frames import Frames
from ganbench.statistics import compare_scores, compare_successes, compared_pairs, reference_scores
from ganbench.statistics.comparisons import MOST_METHODS
from scipy.stats import binomtest
from statsmodels.stats.multitest import multipletests

from tests.support.trials_by_hand import Success, record, results, scores, trial, with_fresh_best

INF = math.inf


def finals(folder: Path, fids: dict[str, list[list[float]]], dataset: str = "ring") -> Frames:
    """Return results with these final FIDs: of each method a list of architectures, of each the seeds."""
    return results(
        folder,
        [
            record(trial(method, architecture, seed, dataset), [fid])
            for method, architectures in fids.items()
            for architecture, seeds in enumerate(architectures)
            for seed, fid in enumerate(seeds)
        ],
    )


def test_a_rule_compares_the_pairs_that_it_declares_of_those_that_are_planned(tmp_path: Path) -> None:
    frames = finals(tmp_path, {"c": [[1.0]], "a": [[1.0]], "b": [[1.0]]})
    assert compared_pairs(frames, Success(compare=(("b", "a"), ("a", "nobody")))) == [("b", "a")]
    assert compared_pairs(frames, Success(compare=())) == [("c", "a"), ("c", "b")]
    assert compared_pairs(frames, Success(compare=(), dataset="elsewhere")) == []


def test_a_method_that_is_alone_is_compared_with_none(tmp_path: Path) -> None:
    assert compared_pairs(finals(tmp_path, {"a": [[1.0]]}), Success(compare=())) == []


def test_of_a_great_many_methods_none_is_compared_unless_the_suite_names_the_pairs(tmp_path: Path) -> None:
    frames = finals(tmp_path, {"a": [[1.0]]})
    many = pd.concat([frames.trials.assign(method=f"m{i}") for i in range(MOST_METHODS + 1)], ignore_index=True)
    assert compared_pairs(replace(frames, trials=many), Success(compare=())) == []
    assert compared_pairs(replace(frames, trials=many), Success(compare=(("m3", "m9"),))) == [("m3", "m9")]
    assert len(compared_pairs(replace(frames, trials=many[1:]), Success(compare=()))) == MOST_METHODS - 1


def test_all_rules_of_a_suite_are_one_family(tmp_path: Path) -> None:
    frames = finals(tmp_path, {"a": [[1.0]] * 8, "b": [[50.0]] * 8, "c": [[50.0]] * 5 + [[1.0]] * 3})
    rules = [Success(compare=()), Success(thresholds=(60.0,), primary=60.0, compare=())]
    found = compare_successes(frames, rules)
    assert [each.pair for each in found] == [("a", "b"), ("a", "c")] * 2
    raw = [2 / 2**8, 2 / 2**5, math.nan, math.nan]
    adjusted = multipletests([2 / 2**8, 2 / 2**5, 1.0, 1.0], method="holm")[1]
    assert [each.p for each in found] == pytest.approx(raw, nan_ok=True)
    assert [each.p_holm for each in found][:2] == pytest.approx(adjusted[:2])
    assert {each.family for each in found} == {4}


def test_scores_are_compared_by_the_sign_test_on_pairs_of_which_dead_ones_lose(tmp_path: Path) -> None:
    a, b = [1.0, 2.0, 3.0, INF, 5.0, 6.0, INF], [2.0, 3.0, INF, 1.0, 6.0, 6.0, INF]
    (each,) = compare_scores(finals(tmp_path, {"a": [[x] for x in a], "b": [[x] for x in b]}))
    row = each.primary
    assert (row["better_a"], row["better_b"], row["ties"]) == (4, 1, 2)
    assert each.p == pytest.approx(binomtest(4, 5).pvalue)
    assert each.p_holm == each.p


def test_where_higher_is_better_the_higher_score_wins(tmp_path: Path) -> None:
    records = [
        record(trial(method, i), scores=tuple(with_fresh_best(scores("is", [value], "higher"))))
        for method, value in (("a", 3.0), ("b", 2.0))
        for i in range(4)
    ]
    (each,) = compare_scores(results(tmp_path, records))
    assert (each.primary["better_a"], each.primary["better_b"]) == (4, 0)


def test_with_several_seeds_the_signs_of_whole_architectures_are_flipped(tmp_path: Path) -> None:
    """The p-value is the share of all flips with a sum of wins minus losses as far from 0 as the one found."""
    leads = [[1, 1, -1], [1, 1, 1], [-1, 1, 1], [-1, -1, 1], [1, 0, 1]]
    frames = finals(
        tmp_path,
        {"a": [[10.0 - lead for lead in row] for row in leads], "b": [[10.0 for _ in row] for row in leads]},
    )
    sums = [sum(row) for row in leads]
    flipped = [abs(sum(s * x for s, x in zip(signs, sums, strict=True))) for signs in product((-1, 1), repeat=5)]
    (each,) = compare_scores(frames)
    assert each.p == pytest.approx(sum(value >= abs(sum(sums)) for value in flipped) / 2**5)
    assert each.least_p == 2 / 2**5


def test_reference_scores_are_the_best_by_the_direction_of_the_value(tmp_path: Path) -> None:
    frames = finals(tmp_path, {"a": [[1.0]]})
    rows = [
        ("real data", False, "fid", 2.0, "lower"),
        ("noise", True, "fid", 90.0, "lower"),
        ("gaussian", True, "fid", 30.0, "lower"),
        ("real data", False, "is", 9.0, "higher"),
        ("noise", True, "is", 1.0, "higher"),
        ("gaussian", True, "is", 3.0, "higher"),
        ("broken", True, "is", math.nan, "higher"),
        ("noise", True, "spread", 1.0, "neutral"),
    ]
    columns = ["sampler", "trivial", "name", "value", "direction"]
    calibration = pd.DataFrame(rows, columns=columns).assign(dataset="ring", measurement="m", samples=500)
    frames = replace(frames, calibration=calibration)
    assert reference_scores(frames, "ring", "fid", "m") == (("real data", 2.0), ("gaussian", 30.0))
    assert reference_scores(frames, "ring", "is", "m") == (("real data", 9.0), ("gaussian", 3.0))
    assert reference_scores(frames, "ring", "spread", "m") == (None, None)
    assert reference_scores(frames, "ring", "fid", "another") == (None, None)
