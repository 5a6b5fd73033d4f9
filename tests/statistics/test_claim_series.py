"""What is said of one series: the definitions of docs/reference/claims.md on series whose course is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ganbench.statistics.claim_series import converges, cycles, diverges, holds_rank, rank_correlation

STEPS = np.arange(200)
DECAY = 0.95**STEPS
CIRCLE = np.cos(STEPS / 3)
SPIRAL_OUT = 1.02**STEPS * np.cos(STEPS / 3)
SPIRAL_IN = 0.98**STEPS * np.cos(STEPS / 3)


def test_a_decay_converges_and_neither_diverges_nor_cycles() -> None:
    assert converges(DECAY, 0.0, 1e-3)
    assert not converges(DECAY, 0.1, 1e-3)
    assert not diverges(DECAY, 0.0)
    assert not cycles(DECAY)


def test_convergence_is_asked_of_every_value_in_the_last_tenth() -> None:
    late = np.append(DECAY[:-1], 0.5)
    early = DECAY.copy()
    early[179] = 0.5  # the last tenth of 200 values begins at 180
    assert not converges(late, 0.0, 1e-3)
    assert converges(early, 0.0, 1e-3)


def test_a_circle_cycles_and_neither_converges_nor_diverges() -> None:
    assert cycles(CIRCLE, 0.1)
    assert not converges(CIRCLE, 0.0, 0.1)
    assert not diverges(CIRCLE, 0.0)


def test_a_circle_smaller_than_the_tolerance_does_not_cycle() -> None:
    assert not cycles(CIRCLE / 100, 0.1)


@pytest.mark.parametrize("spiral", [SPIRAL_OUT, SPIRAL_IN])
def test_a_spiral_does_not_cycle(spiral: np.ndarray) -> None:
    assert not cycles(spiral)


def test_a_point_off_the_target_neither_converges_nor_cycles() -> None:
    assert not converges(np.ones(200), 0.0, 0.5)
    assert not cycles(np.ones(200))
    assert not diverges(np.ones(200), 0.0)


def test_a_growing_radius_diverges_by_the_factor_that_it_grows_by() -> None:
    radius = np.linspace(1.0, 3.0, 100)  # its last tenth is above 2.8
    assert diverges(radius, 0.0, 2.7)
    assert not diverges(radius, 0.0, 2.9)


def test_what_is_not_finite_diverges_but_neither_converges_nor_cycles() -> None:
    broken = np.append(CIRCLE[:150], np.full(50, math.nan))
    assert diverges(broken, 0.0)
    assert not converges(broken, 0.0, 10.0)
    assert not cycles(broken)


def test_too_short_a_series_is_judged_false() -> None:
    assert not converges([], 0.0, 1.0)
    assert not diverges([1.0], 0.0)
    assert not cycles(CIRCLE[:19])


def test_rank_correlation_is_spearmans_with_mean_ranks_for_ties() -> None:
    """1 - 6 sum d^2 / (n (n^2 - 1)) without ties: ranks 1 2 3 4 5 against 2 1 4 3 5 give 1 - 6 x 4 / 120 = .8."""
    assert rank_correlation([1, 2, 3, 4, 5], [20, 10, 40, 30, 50]) == pytest.approx(0.8)
    assert rank_correlation([1, 2, 3, 4], [4, 3, 2, math.inf]) == pytest.approx(
        rank_correlation([1, 2, 3, 4], [4, 3, 2, 9])
    )
    assert rank_correlation([1, 2, 2, 3], [1, 2, 3, 4]) == pytest.approx(3 / math.sqrt(10))


def test_a_constant_series_has_no_correlation_and_too_few_pairs_are_unknown() -> None:
    assert rank_correlation([1, 1, 1, 1], [1, 2, 3, 4]) == 0.0
    assert math.isnan(rank_correlation([1, 2, 3, math.nan], [1, 2, 3, 4]))


@pytest.mark.parametrize(
    ("correlation", "direction", "holds"),
    [
        (0.6, "rises", True),
        (0.5, "rises", False),
        (-0.6, "rises", False),
        (-0.6, "falls", True),
        (0.6, "falls", False),
        (0.4, "neither", True),
        (-0.6, "neither", False),
        (math.nan, "rises", None),
    ],
)
def test_a_claim_on_ranks_asks_for_more_than_its_strength(
    correlation: float, direction: str, holds: bool | None
) -> None:
    assert holds_rank(correlation, direction, 0.5) is holds
