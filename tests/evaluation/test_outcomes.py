"""Each outcome holds on a series that is built for it, from the step at which it begins, and not on its near misses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from ganbench.evaluation.outcomes import (
    OUTCOMES,
    Series,
    Trajectory,
    collapsed,
    critic_dead,
    degraded,
    exploded,
    has_diverged,
    non_finite,
    oscillating,
    outcome_steps,
)
from hypothesis import given
from hypothesis import strategies as st

NAN, INF = math.nan, math.inf
VALUES = st.floats(-1e9, 1e9) | st.sampled_from([NAN, INF, -INF])


def series(*values: float) -> Series:
    """Values at the steps 10, 20, ..."""
    return [10 * (i + 1) for i in range(len(values))], list(values)


@pytest.mark.parametrize(
    ("diverged_at", "per_step", "step"), [(-1, 2.0, None), (1, 2.0, 1), (12, 2.0, 6), (13, 2.0, 7), (7, 6.0, 2), (3, 1.0, 3)]
)
def test_the_optimizer_step_of_death_is_told_as_a_generator_step(diverged_at: int, per_step: float, step: int | None) -> None:
    assert non_finite(diverged_at, per_step) == step


@pytest.mark.parametrize(
    ("values", "step"),
    [
        ([2.0, 1.0, 20_001.0, 1.0], 30),
        ([-2.0, 5.0, -20_001.0], 30),
        ([2.0, INF], 20),
        ([2.0, 20_000.0], None),
        ([0.0, 9_999.0], None),
        ([0.0, 10_001.0], 20),
        ([2.0, NAN, NAN], None),
        ([NAN, 1e9], None),
        ([], None),
    ],
)
def test_exploded_is_over_ten_thousand_times_the_start_which_counts_as_one_at_the_least(
    values: list[float], step: int | None
) -> None:
    assert exploded(series(*values)) == step


@pytest.mark.parametrize(
    ("values", "step"),
    [
        ([1.0, 0.049, 0.0], 20),
        ([0.01, 0.9, 0.04], 30),
        ([1.0, 0.01, 0.051], None),
        ([0.05, 0.05], None),
        ([0.01, NAN], None),
        ([0.01], 10),
    ],
)
def test_collapsed_is_to_end_with_samples_under_a_twentieth_of_the_datas_distance(
    values: list[float], step: int | None
) -> None:
    assert collapsed(series(*values)) == step


@pytest.mark.parametrize(
    ("values", "direction", "step"),
    [
        ([9.0, 4.0, 6.1, 6.2], "lower", 30),
        ([9.0, 4.0, 9.0, 5.0, 7.0], "lower", 50),
        ([9.0, 4.0, 6.0], "lower", None),
        ([99.0, 4.0, 4.0], "lower", None),
        ([4.0, NAN], "lower", 20),
        ([NAN, 4.0], "lower", None),
        ([-0.1, 5.0], "lower", None),
        ([3.0, 6.0, 3.9], "higher", 30),
        ([3.0, 6.0, 4.0], "higher", None),
        ([1.0, 6.0], "higher", None),
        ([6.0, -INF], "higher", 20),
        ([1.0, 9.0], "neutral", None),
        ([NAN, NAN], "lower", None),
    ],
)
def test_degraded_is_to_end_worse_than_the_best_by_more_than_half(
    values: list[float], direction: Any, step: int | None
) -> None:
    assert degraded(series(*values), direction) == step


@pytest.mark.parametrize(
    ("values", "step"),
    [([1.0, 1e-9, 0.0], 20), ([1e-9, 1.0, 1e-9], 30), ([1.0, 0.0, 1e-8], None), ([1.0, NAN], None), ([0.0, 0.0], 10)],
)
def test_a_critic_is_dead_once_the_generators_gradient_never_comes_back(values: list[float], step: int | None) -> None:
    assert critic_dead(series(*values)) == step


def wave(period: float, n: int, noise: float = 0.0, drift: float = 0.0, phase: float = 0.0) -> Series:
    """A sine on a drifting level, at the steps 1 to n."""
    steps = np.arange(1, n + 1)
    chance = np.random.default_rng(0).normal(size=n)
    return steps, np.sin(2 * np.pi * steps / period + phase) + noise * chance + drift * steps


@pytest.mark.parametrize(("period", "n"), [(20, 60), (20, 200), (13, 40), (4, 100)])
@pytest.mark.parametrize("drift", [0.0, 0.1, -3.0])
def test_a_wave_oscillates_from_the_end_of_its_third_period(period: int, n: int, drift: float) -> None:
    step = oscillating(wave(period, n, drift=drift))
    assert step is not None
    assert step % (3 * period) == 0, "three of the period or of a multiple that fits as well"
    assert step <= n


def test_a_wave_is_told_through_noise_of_half_its_height() -> None:
    step = oscillating(wave(20, 200, noise=0.5))
    assert step is not None
    assert min(abs(step - 60 * k) for k in (1, 2, 3)) <= 6


@pytest.mark.parametrize(
    "near_miss",
    [
        wave(20, 200, noise=3.0),
        wave(24, 60),
        wave(9, 39),
        (np.arange(200), np.exp(-np.arange(200) / 40)),
        (np.arange(200), np.exp(np.arange(200) / 20)),
        (np.arange(200), np.arange(200) * 0.3 + 5),
        (np.arange(200), np.full(200, 3.0)),
        (np.arange(200), np.zeros(200)),
        (np.arange(200), np.append(wave(20, 199)[1], NAN)),
        (np.arange(200), np.random.default_rng(1).normal(size=200)),
    ],
    ids=["noise", "2.5 periods", "short", "decay", "growth", "line", "constant", "zero", "dies", "white"],
)
def test_what_only_moves_does_not_oscillate(near_miss: Series) -> None:
    assert oscillating(near_miss) is None


def test_of_random_walks_under_one_in_fifty_is_taken_for_an_oscillation() -> None:
    chance = np.random.default_rng(2)
    steps = np.arange(200)
    taken = sum(oscillating((steps, np.cumsum(chance.normal(size=200)))) is not None for _ in range(400))
    assert taken < 8


@given(st.lists(VALUES, min_size=1, max_size=9), st.lists(VALUES, max_size=9), st.integers(-1, 9))
def test_a_longer_tail_never_undoes_a_divergence(values: list[float], tail: list[float], diverged_at: int) -> None:
    before, after = exploded(series(*values)), exploded(series(*values, *tail))
    assert after == before or before is None
    short, long = (
        Trajectory(diverged_at=diverged_at, updates_per_step=2.0, signals={"loss.critic": series(*v)})
        for v in (values, values + tail)
    )
    assert has_diverged(long) or not has_diverged(short)


@given(st.lists(VALUES, max_size=50), st.sampled_from(["lower", "higher", "neutral"]))
def test_an_outcome_begins_at_a_step_of_its_series_or_never(values: list[float], direction: Any) -> None:
    given_ = series(*values)
    found = [exploded(given_), collapsed(given_), degraded(given_, direction), critic_dead(given_), oscillating(given_)]
    assert {step for step in found if step is not None} <= set(given_[0])


@given(st.lists(VALUES, min_size=2, max_size=9), st.floats(2, 1e6), st.floats(1, 10))
def test_a_wider_threshold_holds_no_earlier(values: list[float], times: float, wider: float) -> None:
    steps = [exploded(series(*values), limit) or INF for limit in (times, times * wider)]
    assert steps[0] <= steps[1]


def test_what_is_not_kept_is_not_known_and_what_never_held_is_infinitely_late() -> None:
    bare = outcome_steps(Trajectory(diverged_at=-1, updates_per_step=2.0, signals={}))
    assert [name for name, step in bare.items() if math.isnan(step)] == list(OUTCOMES[1:])
    assert bare["non-finite"] == INF
    full = outcome_steps(
        Trajectory(
            diverged_at=12,
            updates_per_step=6.0,
            signals={
                "loss.critic": series(1.0, 1.0, 2e4),
                "weights.critic": series(0.05, 501.0, 501.0),
                "gradient.generator": series(1.0, 1.0, 1.0),
            },
            spread=series(1.0, 0.0),
            metric=series(1.0, 2.0),
            direction="lower",
        )
    )
    assert full == {
        "non-finite": 2,
        "exploded": 20,
        "collapsed": 20,
        "degraded": 20,
        "critic-dead": INF,
        "oscillating": INF,
    }
