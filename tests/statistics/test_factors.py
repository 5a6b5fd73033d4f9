"""Success by factors of the architecture: levels, rates, and odds ratios by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ganbench.errors import GanbenchError
from ganbench.results.contents import Contents
from ganbench.results.frames import Frames
from ganbench.statistics.factors import (
    FEWEST_ARCHITECTURES,
    MOST_NUMBERS,
    MOST_TEXTS,
    factor_odds,
    factor_rates,
    find_levels,
)
from ganbench.statistics.intervals import effective_size, wilson

from tests.support import simulated_trials as simulation
from tests.support.trials_by_hand import Success, record, results, trial


def make_frames(folder: Path, success: Sequence[Sequence[bool]], **factors: Sequence[Any]) -> Frames:
    """Return results of method a: architecture i succeeds in these seeds and has these factors."""
    records = [
        record(trial("a", i, seed), [1.0 if each else 99.0])
        for i, seeds in enumerate(success)
        for seed, each in enumerate(seeds)
    ]
    names = [f"mlp-{i}" for i in range(len(success))]
    table = pd.DataFrame({"dataset": "ring", "architecture": names, "space": "s", "words": "w", **factors})
    return replace(results(folder, records), read_contents=lambda: Contents(table, pd.DataFrame()))


def levels(values: Sequence[Any]) -> tuple[list[int], list[str]]:
    codes, names = find_levels(pd.Series(values))
    return codes.tolist(), names


def test_levels_rise_and_have_the_names_of_their_values() -> None:
    assert levels([12, 4, 8]) == ([2, 0, 1], ["4", "8", "12"])
    assert levels([True, False]) == ([1, 0], ["no", "yes"])
    assert levels(["tanh", "relu"]) == ([1, 0], ["relu", "tanh"])
    assert levels([0.5, None, 0.25]) == ([1, 2, 0], ["0.25", "0.5", "(none)"])
    assert levels([True, None]) == ([0, 1], ["yes", "(none)"])


def test_many_numbers_are_grouped_by_their_quartiles_and_many_texts_are_no_levels() -> None:
    codes, names = levels(range(1, 9))
    assert MOST_NUMBERS < 8
    assert (codes, names) == ([0, 0, 1, 1, 2, 2, 3, 3], ["1 to 2", "3 to 4", "5 to 6", "7 to 8"])
    codes, names = levels([1] * 20 + list(range(2, 9)))
    assert names == ["1", "2", "3 to 8"], "equal quartiles are merged"
    assert levels([f"text {i}" for i in range(MOST_TEXTS + 1)])[1] == []


def test_rates_are_those_of_the_trials_with_that_level_and_constant_factors_are_left_out(tmp_path: Path) -> None:
    success = [(True, True), (True, False), (False, False), (True, True)]
    frames = make_frames(tmp_path, success, depth=[2, 4, 4, 2], latent=[8] * 4, **{"generator.norm": [True, False] * 2})
    table = factor_rates(frames, Success()).set_index(["factor", "level"])
    assert table.index.tolist() == [("depth", "2"), ("depth", "4"), ("generator.norm", "no"), ("generator.norm", "yes")]
    assert table[["successes", "n", "units"]].values.tolist() == [[4, 4, 2], [1, 4, 2], [3, 4, 2], [2, 4, 2]]
    size = effective_size([True, True, False, False], [0, 0, 1, 1])
    row = table.loc[("generator.norm", "yes")]
    assert (row["rate_low"], row["rate_high"]) == pytest.approx(wilson(size / 2, size))
    one = factor_rates(frames, Success(), factor="depth")
    assert set(one["factor"]) == {"depth"}


def two_levels(folder: Path, first: Sequence[int], second: Sequence[int], n: int, seeds: int = 1) -> dict[str, Any]:
    """Return the odds ratio of a factor: on n architectures of each level, these numbers of `seeds` succeed."""
    counts = [*first, *[0] * (n - len(first)), *second, *[0] * (n - len(second))]
    success = [[seed < count for seed in range(seeds)] for count in counts]
    (row,) = factor_odds(make_frames(folder, success, depth=[2] * n + [4] * n), Success()).to_dict("records")
    return row


def test_the_odds_ratio_of_one_factor_is_that_with_half_a_trial_added_to_every_cell(tmp_path: Path) -> None:
    row = two_levels(tmp_path, [1] * 3, [1] * 8, n=10)
    assert (row["method"], row["factor"], row["level"], row["reference"], row["note"]) == ("a", "depth", "4", "2", "")
    assert row["odds_ratio"] == pytest.approx((8.5 / 2.5) / (3.5 / 7.5), rel=1e-5)
    assert row["low"] < 1 < row["odds_ratio"] < row["high"] or row["p"] < 0.05


def test_a_level_that_always_succeeds_has_a_finite_odds_ratio_and_a_small_p(tmp_path: Path) -> None:
    row = two_levels(tmp_path, [], [1] * 10, n=10)
    assert row["odds_ratio"] == pytest.approx(21**2, rel=1e-4)
    assert 1 < row["low"] < row["odds_ratio"] < row["high"] < np.inf
    assert row["p"] < 1e-4


def test_seeds_that_repeat_their_architecture_add_little_to_the_precision(tmp_path: Path) -> None:
    """With equal seeds the dispersion is the number of seeds, so the likelihood is nearly that of one seed."""
    alone = two_levels(tmp_path / "1", [1] * 7, [1] * 14, n=20)
    thrice = two_levels(tmp_path / "3", [3] * 7, [3] * 14, n=20, seeds=3)
    widths = [np.log(row["high"] / row["low"]) for row in (alone, thrice)]
    assert widths[1] == pytest.approx(widths[0], rel=0.1)
    naive = two_levels(tmp_path / "naive", [1] * 21, [1] * 42, n=60)
    assert widths[1] > 1.5 * np.log(naive["high"] / naive["low"])


def random_design(folder: Path, n: int, factors: int = 3, **changed: Sequence[Any]) -> pd.DataFrame:
    """Return the odds of factors of two levels, f0 to ..., on n architectures that succeed at random."""
    rng = np.random.default_rng(0)
    columns: Mapping[str, Any] = {f"f{i}": rng.integers(0, 2, n).tolist() for i in range(factors)} | changed
    return factor_odds(make_frames(folder, (rng.random((n, 1)) < 0.5).tolist(), **columns), Success())


def test_with_few_architectures_every_factor_has_a_model_of_its_own_which_the_note_says(tmp_path: Path) -> None:
    enough = FEWEST_ARCHITECTURES * 4
    assert set(random_design(tmp_path / "enough", enough)["note"]) == {""}
    table = random_design(tmp_path / "few", enough - 1)
    assert set(table["note"]) == {f"alone: {enough - 1} architectures are too few for all factors"}
    assert table["odds_ratio"].notna().all()


def test_without_enough_to_fit_there_is_a_note_and_no_number(tmp_path: Path) -> None:
    few = random_design(tmp_path / "few", 9, 1)
    assert few["note"].tolist() == ["9 architectures are too few, at least 10 are needed"]
    rows = {
        name: two_levels(tmp_path / name, [1] * count, [1] * count, n=10) for name, count in (("no", 0), ("every", 10))
    }
    assert [row["note"] for row in rows.values()] == ["no trial succeeds", "every trial succeeds"]
    for row in (*rows.values(), few.iloc[0]):
        assert all(np.isnan(row[name]) for name in ("odds_ratio", "low", "high", "p"))


def test_a_factor_that_always_goes_with_another_has_a_note_and_leaves_the_others_their_numbers(tmp_path: Path) -> None:
    twin = np.random.default_rng(0).integers(0, 2, 40).tolist()
    table = random_design(tmp_path, 40, twin=twin).set_index("factor")
    assert table.loc["twin", "note"] == "this level always goes with those of other factors"
    assert np.isnan(table.loc["twin", "odds_ratio"])
    assert table["odds_ratio"].drop("twin").notna().all()


def test_one_architecture_has_no_factors_and_an_unknown_factor_is_an_error_with_a_suggestion(tmp_path: Path) -> None:
    one = make_frames(tmp_path / "one", [(True, False)], depth=[4])
    assert factor_rates(one, Success()).empty
    assert factor_odds(one, Success()).empty
    with pytest.raises(GanbenchError, match=r"no factor 'dept'\. Did you mean 'depth'\?"):
        factor_rates(one, Success(), factor="dept")


def test_factors_are_read_from_the_stored_trials(tmp_path: Path) -> None:
    records = [record(trial("a", i), [1.0 if i % 2 else 99.0]) for i in range(4)]
    table = factor_rates(results(tmp_path, records), Success())
    assert table[["factor", "level", "rate"]].values.tolist() == [["width", str(i), float(i % 2)] for i in range(4)]


@pytest.mark.parametrize(("n", "seeds"), [(20, 1), (48, 3)])
def test_the_interval_of_an_odds_ratio_covers_it(n: int, seeds: int) -> None:
    coverage = simulation.odds_coverage(n, seeds, runs=40)
    assert 0.90 <= coverage.mean() <= 0.995
    assert coverage.min() >= 0.82, "of cases with a standard error of .035"


def test_every_combination_of_method_and_factor_has_its_rows(tmp_path: Path) -> None:
    records = [record(trial(m, i), [float(i)]) for m, i in product("ab", range(6))]
    frames = results(tmp_path, records)
    assert factor_rates(frames, Success(thresholds=(3.0,), primary=3.0)).groupby("method").size().tolist() == [6, 6]
