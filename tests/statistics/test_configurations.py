"""Scores of configurations, the choice of the best one, edges, robustness and landscapes: values by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ganbench.errors import GanbenchError
from ganbench.statistics.configurations import (
    FEWEST_VALUES,
    choose,
    find_edges,
    landscape,
    robustness,
    score_configurations,
)
from ganbench.statistics.intervals import wilson
from hypothesis import given, settings
from hypothesis import strategies as st

INF, NAN = math.inf, math.nan
LR, WEIGHT = "optimizer.lr", "constraints.gradient-penalty.weight"


def trial(configuration: int, score: float, seed: int = 0, **more: Any) -> dict[str, Any]:
    names = {"dataset": "ring", "swept": "wgan-gp", "configuration": configuration, "architecture": "a", "seed": seed}
    return {**names, "score": score, "reached": math.isfinite(score) and score < 5, **more}


def scores_of(*trials: dict[str, Any], options: Sequence[str] = ()) -> pd.DataFrame:
    return score_configurations(pd.DataFrame(trials), "lower", options)


def test_the_score_is_the_mean_over_architectures_of_the_mean_over_seeds() -> None:
    """Architecture a has three seeds of mean 2, b one of 8: the mean is 5, not 3.5."""
    trials = [trial(0, value, seed) for seed, value in enumerate([1, 2, 3])]
    scores = scores_of(*trials, trial(0, 8, architecture="b"))
    assert scores.to_dict("records") == [
        {
            "dataset": "ring",
            "swept": "wgan-gp",
            "configuration": 0,
            "score": 5.0,
            "finite_score": 5.0,
            "dead": 0,
            "trials": 4,
            "reached": 3,
        }
    ]


@pytest.mark.parametrize("dead", [NAN, INF, -INF])
@pytest.mark.parametrize(("direction", "worst"), [("lower", INF), ("higher", -INF)])
def test_one_dead_trial_makes_the_score_the_worst(dead: float, direction: Any, worst: float) -> None:
    trials = pd.DataFrame([trial(0, 1), trial(0, dead, 1), trial(1, dead)])
    scores = score_configurations(trials, direction)
    assert scores["score"].tolist() == [worst, worst]
    assert scores["finite_score"][0] == 1
    assert math.isnan(scores["finite_score"][1])
    assert scores[["dead", "trials"]].to_numpy().tolist() == [[1, 2], [1, 1]]


def test_the_values_of_options_stay_with_their_configuration() -> None:
    trials = [
        trial(i, 1, seed, **{LR: lr, "betas": (0.0, 0.9)}) for i, lr in enumerate([1e-3, 1e-4]) for seed in (0, 1)
    ]
    scores = scores_of(*trials, options=[LR, "betas"])
    assert scores[LR].tolist() == [1e-3, 1e-4]
    assert scores["betas"].tolist() == [(0.0, 0.9)] * 2


def test_the_choice_is_the_best_score() -> None:
    scores = scores_of(trial(0, 3), trial(1, 1), trial(2, 2))
    best = choose(scores, "lower").to_dict("records")
    assert [(row["configuration"], row["configurations"]) for row in best] == [(1, 3)]
    assert choose(scores, "higher")["configuration"].tolist() == [0]


def test_fewer_dead_trials_come_before_a_better_score_and_a_lower_index_decides_ties() -> None:
    assert choose(scores_of(trial(0, 9), trial(1, 1), trial(1, NAN, 1)), "lower")["configuration"].tolist() == [0]
    assert choose(scores_of(trial(2, 1), trial(1, 1), trial(0, 2)), "lower")["configuration"].tolist() == [1]
    half_dead = [trial(0, NAN), trial(0, 4, 1), trial(1, 3), trial(1, NAN, 1), trial(2, NAN), trial(2, NAN, 1)]
    assert choose(scores_of(*half_dead), "lower")["configuration"].tolist() == [1]
    assert choose(scores_of(trial(1, NAN), trial(0, INF)), "lower")["configuration"].tolist() == [0]


def test_each_method_on_each_dataset_has_its_own_choice_in_the_order_of_the_trials() -> None:
    trials = [
        *(trial(i, value, swept="wgan-gp") for i, value in enumerate([1, 2])),
        *(trial(i, value, swept="gan") for i, value in enumerate([2, 1])),
        *(trial(i, value, swept="gan", dataset="digits") for i, value in enumerate([5, 6])),
    ]
    best = choose(scores_of(*trials), "lower")
    assert best[["dataset", "swept", "configuration"]].to_numpy().tolist() == [
        ["ring", "wgan-gp", 0],
        ["ring", "gan", 1],
        ["digits", "gan", 0],
    ]


cells = st.lists(
    st.tuples(
        st.sampled_from(["gan", "wgan"]),
        st.integers(0, 3),
        st.sampled_from("ab"),
        st.integers(0, 2),
        st.floats(-1, 1) | st.just(NAN),
    ),
    min_size=1,
    max_size=30,
    unique_by=lambda cell: cell[:4],
)


@settings(max_examples=20, deadline=None)
@given(cells, st.randoms())
def test_scores_and_choice_are_bit_for_bit_the_same_in_any_order_of_trials(
    rows: list[tuple[Any, ...]], chance: Random
) -> None:
    trials = [trial(i, score, seed, swept=m, architecture=a) for m, i, a, seed, score in rows]
    scores = scores_of(*trials)
    shuffled = scores_of(*chance.sample(trials, len(trials)))
    by = ["swept", "configuration"]
    pd.testing.assert_frame_equal(
        *(table.sort_values(by, ignore_index=True) for table in (scores, shuffled)), check_exact=True
    )
    chosen, again = (
        choose(table.sample(frac=1, random_state=1), "lower").sort_values("swept", ignore_index=True)
        for table in (scores, shuffled)
    )
    pd.testing.assert_frame_equal(chosen, again, check_exact=True)


@settings(max_examples=20, deadline=None)
@given(cells)
def test_no_configuration_has_fewer_dead_or_as_few_and_a_better_score(rows: list[tuple[Any, ...]]) -> None:
    scores = scores_of(*(trial(i, score, seed, swept=m, architecture=a) for m, i, a, seed, score in rows))
    for best in choose(scores, "lower").to_dict("records"):
        others = scores[scores["swept"] == best["swept"]]
        assert others["dead"].min() == best["dead"]
        equal = others[others["dead"] == best["dead"]]["finite_score"]
        assert equal.isna().all() or equal.min() == best["finite_score"]


def test_other_methods_do_not_change_a_choice() -> None:
    """A choice is a function of its own rows: it can know nothing that is not among them."""
    rng = np.random.default_rng(0)
    own = [trial(i, float(rng.normal()), seed) for i in range(5) for seed in range(3)]
    others = [trial(i, float(rng.normal()), seed, swept="gan") for i in range(5) for seed in range(3)]
    alone = choose(scores_of(*own), "lower")
    together = choose(scores_of(*own, *others), "lower")
    pd.testing.assert_frame_equal(together[together["swept"] == "wgan-gp"], alone)


def test_a_neutral_metric_chooses_nothing() -> None:
    with pytest.raises(GanbenchError, match="neutral"):
        score_configurations(pd.DataFrame([trial(0, 1)]), "neutral")


def edges(values: Sequence[Any], best: int) -> list[tuple[str, str]]:
    trials = [trial(i, float(i != best), **{LR: value}) for i, value in enumerate(values)]
    scores = scores_of(*trials, options=[LR])
    table = find_edges(scores, choose(scores, "lower"), [LR])
    return list(zip(table["edge"], table["note"], strict=True))


def test_a_best_value_at_an_edge_is_said() -> None:
    assert edges([1e-3, 1e-4, 3e-4], 1) == [("smallest", "the best is the smallest optimizer.lr tried: 0.0001")]
    assert edges([1e-3, 1e-4, 3e-4], 0) == [("largest", "the best is the largest optimizer.lr tried: 0.001")]
    assert edges([1e-3, 1e-4, 3e-4], 2) == [("", "")]
    assert edges([1, 2, 5], 2) == [("largest", "the best is the largest optimizer.lr tried: 5")]


@pytest.mark.parametrize("values", [[1e-3, 1e-4, 1e-3], [True, False, True], ["a", "b", "c"], [NAN, 1.0, 2.0]])
def test_two_values_and_those_that_are_no_numbers_have_no_edge(values: list[Any]) -> None:
    assert len({value for value in values if value == value}) < FEWEST_VALUES or isinstance(values[0], str)
    assert edges(values, 1) == []


def test_an_edge_is_one_of_the_methods_own_values() -> None:
    """Another method tried wider ranges, and options that this one does not have."""
    own = [trial(i, abs(i - 2), **{LR: lr}) for i, lr in enumerate([1e-4, 2e-4, 3e-4])]
    other = [trial(i, i, swept="gan", **{LR: lr, WEIGHT: i}) for i, lr in enumerate([1e-5, 1e-2, 1])]
    scores = scores_of(*own, *other, options=[LR, WEIGHT])
    table = find_edges(scores, choose(scores, "lower"), [LR, WEIGHT])
    assert table[["swept", "option", "values", "edge"]].to_numpy().tolist() == [
        ["wgan-gp", LR, 3, "largest"],
        ["gan", LR, 3, "smallest"],
        ["gan", WEIGHT, 3, "smallest"],
    ]


def test_with_one_trial_each_the_robustness_is_wilsons_rate_over_all_configurations() -> None:
    table = robustness(pd.DataFrame([trial(i, score) for i, score in enumerate([1, 2, 3, 9, NAN, 6, 4, INF])]))
    assert table.drop(columns=["rate_low", "rate_high"]).to_dict("records") == [
        {
            "dataset": "ring",
            "swept": "wgan-gp",
            "successes": 4,
            "n": 8,
            "configurations": 8,
            "dead_configurations": 2,
            "rate": 0.5,
        }
    ]
    assert (table["rate_low"][0], table["rate_high"][0]) == pytest.approx(wilson(4, 8))


def test_seeds_that_agree_tell_no_more_than_one() -> None:
    scores = [1, 2, 3, 9, 9, 6, 4, 8]
    one = robustness(pd.DataFrame([trial(i, score) for i, score in enumerate(scores)]))
    four = robustness(pd.DataFrame([trial(i, score, seed) for i, score in enumerate(scores) for seed in range(4)]))
    width = one["rate_high"][0] - one["rate_low"][0]
    assert four["rate_high"][0] - four["rate_low"][0] == pytest.approx(width, rel=0.1)
    assert four["n"][0] == 32


def test_a_configuration_with_one_dead_trial_of_two_is_counted_once() -> None:
    trials = [trial(0, NAN), trial(0, 1, 1), trial(1, NAN), trial(1, NAN, 1), trial(2, 1), trial(2, 1, 1)]
    assert robustness(pd.DataFrame(trials))["dead_configurations"].tolist() == [2]


def grid_of(pairs: Sequence[tuple[Any, Any]]) -> pd.DataFrame:
    trials = [trial(i, i, **{LR: lr, WEIGHT: weight}) for i, (lr, weight) in enumerate(pairs)]
    return scores_of(*trials, options=[LR, WEIGHT])


def test_a_full_grid_of_two_options_is_a_table_of_its_scores() -> None:
    found = landscape(
        grid_of([(1e-3, 10), (1e-3, 0.1), (1e-4, 10), (1e-4, 0.1), (1e-2, 10), (1e-2, 0.1)]), [LR, WEIGHT]
    )
    assert found.options == (LR, WEIGHT)
    assert found.grid is not None
    assert found.grid.index.tolist() == [1e-4, 1e-3, 1e-2]
    assert found.grid.columns.tolist() == [0.1, 10]
    assert found.grid.to_numpy().tolist() == [[3, 2], [1, 0], [5, 4]]
    assert (found.grid.index.name, found.grid.columns.name) == (LR, WEIGHT)


@pytest.mark.parametrize(
    "pairs",
    [
        [(1, 1), (1, 2), (2, 1)],
        [(1, 1), (1, 2), (2, 1), (2, 1)],
        [(1, 1), (2, 2), (3, 3), (4, 4)],
        [(1, 1), (1, 2), (2, 1), (2, 2), (1, 1)],
    ],
)
def test_pairs_with_a_gap_or_twice_are_no_grid(pairs: list[tuple[int, int]]) -> None:
    found = landscape(grid_of(pairs), [LR, WEIGHT])
    assert found.grid is None
    assert found.rows["score"].tolist() == list(range(len(pairs)))
    assert list(found.rows.columns) == ["configuration", "score", "dead", LR, WEIGHT]


def test_an_option_of_one_value_is_not_varied_and_one_option_is_no_grid() -> None:
    found = landscape(grid_of([(1, 10), (2, 10), (3, 10)]), [LR, WEIGHT])
    assert found.options == (LR,)
    assert found.grid is None
    assert list(found.rows.columns) == ["configuration", "score", "dead", LR]


def test_values_that_are_no_numbers_keep_the_order_of_the_configurations() -> None:
    pairs = [(lr, betas) for lr in (2, 1) for betas in ((0.5, 0.999), (0.0, 0.9))]
    found = landscape(grid_of(pairs).iloc[::-1], [WEIGHT, LR])
    assert found.grid is not None
    assert found.grid.index.tolist() == [(0.5, 0.999), (0.0, 0.9)]
    assert found.grid.to_numpy().tolist() == [[2, 0], [3, 1]]
