"""Each outcome is found in a series that is built for it, at the step where it begins, and not in near misses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from ganbench.evaluation.outcomes import (
    OUTCOMES,
    Series,
    Trajectory,
    find_collapse,
    find_dead_critic,
    find_degradation,
    find_explosion,
    find_non_finite,
    find_oscillation,
    has_diverged,
    outcome_steps,
)
from hypothesis import given
from hypothesis import strategies as st

NAN, INF = math.nan, math.inf
VALUES = st.floats(-1e9, 1e9) | st.sampled_from([NAN, INF, -INF])


def series(*values: float) -> Series:
    """Return the series of these values at the steps 10, 20, ..."""
    return [10 * (i + 1) for i in range(len(values))], list(values)


@pytest.mark.parametrize(
    ("diverged_at", "per_step", "step"),
    [(-1, 2.0, None), (1, 2.0, 1), (12, 2.0, 6), (13, 2.0, 7), (7, 6.0, 2), (3, 1.0, 3)],
)
def test_the_optimizer_step_of_divergence_is_converted_to_a_generator_step(
    diverged_at: int, per_step: float, step: int | None
) -> None:
    assert find_non_finite(diverged_at, per_step) == step


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
def test_exploded_is_over_ten_thousand_times_the_initial_value_which_counts_as_at_least_one(
    values: list[float], step: int | None
) -> None:
    assert find_explosion(series(*values)) == step


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
def test_collapsed_is_to_end_with_a_spread_below_a_twentieth_of_the_datas(
    values: list[float], step: int | None
) -> None:
    assert find_collapse(series(*values)) == step


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
    assert find_degradation(series(*values), direction) == step


@pytest.mark.parametrize(
    ("values", "step"),
    [([1.0, 1e-9, 0.0], 20), ([1e-9, 1.0, 1e-9], 30), ([1.0, 0.0, 1e-8], None), ([1.0, NAN], None), ([0.0, 0.0], 10)],
)
def test_a_critic_is_dead_once_the_generators_gradient_stays_at_zero(values: list[float], step: int | None) -> None:
    assert find_dead_critic(series(*values)) == step


def wave(period: float, n: int, noise: float = 0.0, drift: float = 0.0, phase: float = 0.0) -> Series:
    """Return a sine on a drifting level, at the steps 1 to n."""
    steps = np.arange(1, n + 1)
    normal = np.random.default_rng(0).normal(size=n)
    return steps, np.sin(2 * np.pi * steps / period + phase) + noise * normal + drift * steps


@pytest.mark.parametrize(("period", "n"), [(20, 60), (20, 200), (13, 40), (4, 100)])
@pytest.mark.parametrize("drift", [0.0, 0.1, -3.0])
def test_a_wave_oscillates_from_the_end_of_its_third_period(period: int, n: int, drift: float) -> None:
    step = find_oscillation(wave(period, n, drift=drift))
    assert step is not None
    assert step % (3 * period) == 0, "three periods, or three of a multiple that fits as well"
    assert step <= n


def test_a_wave_is_found_under_noise_of_half_its_height() -> None:
    step = find_oscillation(wave(20, 200, noise=0.5))
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
    ids=["noise", "2.5 periods", "short", "decay", "growth", "line", "constant", "zero", "ends in NaN", "white noise"],
)
def test_a_series_that_moves_without_a_period_does_not_oscillate(near_miss: Series) -> None:
    assert find_oscillation(near_miss) is None


def test_fewer_than_one_in_fifty_random_walks_is_a_false_alarm() -> None:
    rng = np.random.default_rng(2)
    steps = np.arange(200)
    false_alarms = sum(find_oscillation((steps, np.cumsum(rng.normal(size=200)))) is not None for _ in range(400))
    assert false_alarms < 8


@given(st.lists(VALUES, min_size=1, max_size=9), st.lists(VALUES, max_size=9), st.integers(-1, 9))
def test_later_values_never_undo_a_divergence(values: list[float], tail: list[float], diverged_at: int) -> None:
    before, after = find_explosion(series(*values)), find_explosion(series(*values, *tail))
    assert after == before or before is None
    short, long = (
        Trajectory(diverged_at=diverged_at, updates_per_step=2.0, signals={"loss.critic": series(*v)})
        for v in (values, values + tail)
    )
    assert has_diverged(long) or not has_diverged(short)


@given(st.lists(VALUES, max_size=50), st.sampled_from(["lower", "higher", "neutral"]))
def test_an_outcome_begins_at_a_step_of_its_series_or_never(values: list[float], direction: Any) -> None:
    example = series(*values)
    steps = [
        find_explosion(example),
        find_collapse(example),
        find_degradation(example, direction),
        find_dead_critic(example),
        find_oscillation(example),
    ]
    assert {step for step in steps if step is not None} <= set(example[0])


@given(st.lists(VALUES, min_size=2, max_size=9), st.floats(2, 1e6), st.floats(1, 10))
def test_with_a_larger_threshold_a_trial_explodes_no_earlier(values: list[float], times: float, wider: float) -> None:
    steps = [find_explosion(series(*values), limit) or INF for limit in (times, times * wider)]
    assert steps[0] <= steps[1]


def test_without_its_series_an_outcome_is_nan_and_an_outcome_that_never_occurred_is_infinite() -> None:
    without_series = outcome_steps(Trajectory(diverged_at=-1, updates_per_step=2.0, signals={}))
    assert [name for name, step in without_series.items() if math.isnan(step)] == list(OUTCOMES[1:])
    assert without_series["non-finite"] == INF
    with_series = outcome_steps(
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
    assert with_series == {
        "non-finite": 2,
        "exploded": 20,
        "collapsed": 20,
        "degraded": 20,
        "critic-dead": INF,
        "oscillating": INF,
        "no-reconstruction": pytest.approx(NAN, nan_ok=True),
    }


@pytest.mark.parametrize(
    ("errors", "step"),
    [
        ((9.0, 2.0, 9.0, 9.0), INF),  # it reconstructs at the tenth; what comes later is of other outcomes
        ((0.5, 2.5, 0.5, 0.5), 20),
        ((0.5, NAN, 0.5, 0.5), 20),
        ((9.0, 2.4, 0.5, 0.5), INF),  # as well as the mean image
    ],
)
def test_a_critic_must_reconstruct_better_than_the_mean_image_after_a_tenth_of_the_steps(errors, step) -> None:
    """Of 150 steps, the tenth ends at 15, so the values at 20 count."""
    signals = {"objective.error": series(*errors), "objective.mean_image": series(2.0, 2.4, 2.0, 2.0)}
    trajectory = Trajectory(diverged_at=-1, updates_per_step=2.0, signals=signals, generator_steps=150)
    assert outcome_steps(trajectory)["no-reconstruction"] == step


def test_a_trial_that_ended_before_a_tenth_of_its_steps_has_no_such_outcome() -> None:
    signals = {"objective.error": series(9.0, 9.0), "objective.mean_image": series(1.0, 1.0)}
    trajectory = Trajectory(diverged_at=-1, updates_per_step=2.0, signals=signals, generator_steps=1000)
    assert outcome_steps(trajectory)["no-reconstruction"] == INF
