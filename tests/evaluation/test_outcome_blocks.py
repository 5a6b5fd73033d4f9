"""Outcomes of a block of series are those of each of its series alone; and the cost of a block is that of few calls."""

from __future__ import annotations

import numpy as np
import pytest
from ganbench.evaluation import outcome_blocks
from ganbench.evaluation.outcome_blocks import (
    find_degradations,
    find_explosions,
    find_oscillations,
    first_steps_where,
    steps_from_which,
)

INF = np.inf


def test_steps_of_rows_are_found_from_the_beginning_and_from_the_end() -> None:
    steps = np.array([[1, 2, 3], [10, 20, 30], [1, 2, 3], [1, 2, 3]])
    holds = np.array([[False, True, True], [True, False, True], [False, True, False], [True, True, True]])
    assert first_steps_where(steps, holds).tolist() == [2, 10, 2, 1]
    assert steps_from_which(steps, holds).tolist() == [2, 30, INF, 1]
    assert first_steps_where(steps[:, :0], holds[:, :0]).tolist() == [INF] * 4
    assert steps_from_which(steps[:, :0], holds[:, :0]).tolist() == [INF] * 4


def test_an_explosion_is_measured_from_the_first_value_or_the_least_one() -> None:
    values = np.array([[1, 99, 101], [0.5, 99, 101], [-2, 101, -201], [np.nan, 1e9, 1e9], [1, np.nan, np.inf]])
    steps = np.broadcast_to([1, 2, 3], values.shape)
    assert find_explosions(steps, values, 100, 1).tolist() == [3, 3, 3, INF, 3]


def test_degradation_counts_from_the_last_best_value_on() -> None:
    values = np.array([[9, 2, 4, 4], [9, 2, 4, 2], [9, 2, 2.5, 2.9], [9, 2, np.nan, 4], [np.nan] * 4, [9, -1, 5, 5]])
    steps = np.broadcast_to([10, 20, 30, 40], values.shape)
    assert find_degradations(steps, values, 1, 1.5).tolist() == [30, INF, INF, 30, INF, INF]
    higher = np.array([[1, 6, 3, 3], [1, 6, 5, 4.5]])
    assert find_degradations(steps[:2], higher, -1, 1.5).tolist() == [30, INF]


@pytest.mark.parametrize("points", [40, 41, 200])
def test_a_series_in_company_is_what_it_is_alone_to_the_last_bit(points: int) -> None:
    rng, time = np.random.default_rng(points), np.arange(points)
    waves = np.sin(2 * np.pi * time / rng.uniform(4, 14, (300, 1))) + rng.normal(0, 0.2, (300, points))
    values = np.concatenate([waves, rng.normal(size=(300, points)).cumsum(axis=1)])
    flat = outcome_blocks.detrend(values)
    correlations = outcome_blocks.autocorrelations(flat, points // 3 + 1)
    alone = [outcome_blocks.autocorrelations(outcome_blocks.detrend(row[None]), points // 3 + 1)[0] for row in values]
    assert np.array_equal(correlations, alone)
    steps = np.broadcast_to(time + 1, values.shape)
    began = find_oscillations(steps, values, 0.5, 3)
    assert began.tolist() == [float(find_oscillations(steps[:1], row[None], 0.5, 3)[0]) for row in values]
    assert np.isfinite(began[:300]).mean() > 0.5 > np.isfinite(began[300:]).mean()
