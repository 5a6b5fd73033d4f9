"""What became of a trial: each outcome a pure function of a series, which gives the generator step of its beginning.

A series is (generator steps, values), both ascending in time. None means that the outcome never held. Diverged, in
every table, is non-finite or exploded: both hold from their first step on, whatever comes later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from ganbench.api.metrics import Direction
from ganbench.api.trials import digest

Series = tuple[Sequence[int] | NDArray[np.int64], Sequence[float] | NDArray[np.float64]]

OUTCOMES = ("non-finite", "exploded", "collapsed", "degraded", "critic-dead", "oscillating")

SPREAD = "spread"
"""The score that collapse is read from: mean distance of two samples over that of two real ones (`evaluate.spread`)."""

SPREAD_SAMPLES = 256
"""Samples that the spread is measured on, at the most: 32,640 pairs, a standard error of a few percent."""

SPREAD_VERSION = 1
"""Raised when the way in which the spread is measured changes; part of its measurement's hash."""

LEAST_LOSS, LEAST_WEIGHT = 1.0, 0.01
"""What an explosion's start counts as at the least: a loss may well start at 0 (Wasserstein's), a weight's RMS too."""

LEAST_POINTS = 40
"""Values that a series must have to be called oscillating: then of noise and of random walks about 1 in 100 is."""


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """From where on an outcome holds; a suite's table [outcomes] may say otherwise.

    `exploded`: a loss or a player's weights at this many times their start. `collapsed`: the spread under this share
    of the data's. `degraded`: the final value of the headline metric worse than the best by this factor.
    `critic_dead`: the norm of the generator's gradient under this. `oscillating`: the autocorrelation at the period of
    a loss or of the metric at least this, `periods` of them at least.
    """

    exploded: float = 1e4
    collapsed: float = 0.05
    degraded: float = 1.5
    critic_dead: float = 1e-8
    oscillating: float = 0.5
    periods: int = 3


DEFAULT = Thresholds()


def non_finite(diverged_at: int, updates_per_step: float = 1.0) -> int | None:
    """Give the generator step of the optimizer step at which a loss or a weight became non-finite (-1: never).

    `updates_per_step` are the optimizer steps of both players per generator step: their mean where a schedule changes
    them, and then so is the step given.
    """
    return None if diverged_at < 0 else max(1, ceil(diverged_at / updates_per_step))


def exploded(series: Series, times: float = DEFAULT.exploded, least: float = LEAST_LOSS) -> int | None:
    """Give the first step at which a size is over `times` its start, or `least` where it started below that."""
    steps, values = series
    sizes = np.abs(np.asarray(values, float))
    if not len(sizes) or np.isnan(sizes[0]):
        return None
    return first_step_where(steps, sizes > times * max(least, float(sizes[0])))


def collapsed(spread: Series, share: float = DEFAULT.collapsed) -> int | None:
    """Give the step from which to the end the samples lie closer than this share of the data's mean distance."""
    return step_from_which(spread[0], np.asarray(spread[1], float) < share)


def degraded(metric: Series, direction: Direction, factor: float = DEFAULT.degraded) -> int | None:
    """Give the step from which to the end a metric is worse than its best before by more than this factor.

    Where higher is better: less than the best over the factor. A value that is no number is worse than any. A best of
    0 or less has no factor, so then None: of a neutral metric too.
    """
    if direction == "neutral" or len(metric[1]) < 2:
        return None
    values = np.asarray(metric[1], float)
    if not np.isfinite(values).any():
        return None
    signed = np.where(np.isfinite(values), values, np.inf if direction == "lower" else -np.inf)
    best = float(signed.min() if direction == "lower" else signed.max())
    at = int(np.flatnonzero(signed == best)[-1])
    worse = signed > factor * best if direction == "lower" else signed < best / factor
    return None if best <= 0 else step_from_which(metric[0], worse & (np.arange(len(values)) > at))


def critic_dead(gradient: Series, under: float = DEFAULT.critic_dead) -> int | None:
    """Give the step from which to the end the generator's gradient has a norm under this: nobody teaches it.

    A game that has converged to a point has no gradient left either; there the metrics tell the two apart.
    """
    return step_from_which(gradient[0], np.asarray(gradient[1], float) < under)


def oscillating(series: Series, peak: float = DEFAULT.oscillating, periods: int = DEFAULT.periods) -> int | None:
    """Give the step at which `periods` periods of an oscillation have passed.

    The period is the lag of the autocorrelation's highest peak, at most the length over `periods`, once a straight
    line is taken off. It must reach `peak` there and -`peak`/2 in a trough before: a wandering level
    has no such trough. None of a series that is shorter than `LEAST_POINTS` or not finite throughout.
    """
    steps, values = series
    if len(values) < LEAST_POINTS:
        return None
    level = np.asarray(values, float)
    longest = len(level) // periods
    if not np.isfinite(level).all():
        return None
    correlation = autocorrelation(detrend(level), longest + 1)
    inner = correlation[1:-1]
    peaks = 1 + np.flatnonzero((inner >= correlation[:-2]) & (inner > correlation[2:]))
    if not len(peaks):
        return None
    lag = int(peaks[np.argmax(correlation[peaks])])
    is_period = correlation[lag] >= peak and correlation[:lag].min() <= -peak / 2
    return int(steps[periods * lag - 1]) if is_period else None


def detrend(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take the straight line of least squares off a series, and scale it to at most 1."""
    scaled = values / max(float(np.abs(values).max()), np.finfo(float).tiny)
    time = np.linspace(-1.0, 1.0, len(values))
    flat = scaled - scaled.mean()
    rest = flat - time * (flat @ time) / (time @ time)
    return np.where(np.abs(rest).max() > 1e-12, rest, 0.0)  # a straight line leaves rounding alone


def autocorrelation(values: NDArray[np.float64], lags: int) -> NDArray[np.float64]:
    """Give the correlation of a centred series with itself at lags 0 to `lags`, over the part that overlaps."""
    n = len(values)
    spectrum = np.fft.rfft(values, 2 * n)
    products = np.fft.irfft(spectrum * spectrum.conj(), 2 * n)[: lags + 1]
    energy = np.concatenate([[0.0], np.cumsum(values**2)])
    lag = np.arange(lags + 1)
    size = np.sqrt(np.maximum(energy[n - lag] * (energy[n] - energy[lag]), 0.0))
    return np.divide(products, size, out=np.zeros(lags + 1), where=size > 0)


def spread_measurement(samples: int) -> str:
    """Give the hash of how the spread is measured on so many samples."""
    return digest([SPREAD, SPREAD_VERSION, samples])


def first_step_where(steps: Sequence[int] | NDArray[np.int64], holds: NDArray[np.bool_]) -> int | None:
    """Give the first step at which it holds."""
    return int(steps[int(np.argmax(holds))]) if holds.any() else None


def step_from_which(steps: Sequence[int] | NDArray[np.int64], holds: NDArray[np.bool_]) -> int | None:
    """Give the first step from which on it holds to the end."""
    if not len(holds) or not holds[-1]:
        return None
    misses = np.flatnonzero(~holds)
    return int(steps[int(misses[-1]) + 1 if len(misses) else 0])


@dataclass(frozen=True, kw_only=True)
class Trajectory:
    """How a trial went: what outcomes are read from. `metric` is the headline's series, in its `direction`."""

    diverged_at: int
    updates_per_step: float
    signals: Mapping[str, Series]
    spread: Series | None = None
    metric: Series | None = None
    direction: Direction = "neutral"


def outcome_steps(course: Trajectory, limits: Thresholds = DEFAULT) -> dict[str, float]:
    """Give the step at which each of OUTCOMES first held: inf if it never did, NaN if the series it needs is not kept.

    Of several series that tell the same (both losses, both players' weights) the first to hold counts.
    """
    signals = course.signals
    losses = [s for name, s in signals.items() if name.startswith("loss.")]
    weights = [s for name, s in signals.items() if name.startswith("weights.")]
    gradients = [signals["gradient.generator"]] if "gradient.generator" in signals else []
    spreads = [course.spread] if course.spread and np.isfinite(course.spread[1]).any() else []
    metrics = [course.metric] if course.metric and course.direction != "neutral" else []
    found: dict[str, list[int | None]] = {
        "non-finite": [non_finite(course.diverged_at, course.updates_per_step)],
        "exploded": [exploded(s, limits.exploded) for s in losses]
        + [exploded(s, limits.exploded, LEAST_WEIGHT) for s in weights],
        "collapsed": [collapsed(s, limits.collapsed) for s in spreads],
        "degraded": [degraded(s, course.direction, limits.degraded) for s in metrics],
        "critic-dead": [critic_dead(s, limits.critic_dead) for s in gradients],
        "oscillating": [oscillating(s, limits.oscillating, limits.periods) for s in losses + metrics],
    }
    return {name: earliest(steps) for name, steps in found.items()}


def earliest(steps: Sequence[int | None]) -> float:
    """Give the smallest step; inf if all are None, NaN if there are none."""
    told = [float(step) for step in steps if step is not None]
    return min(told) if told else float("inf" if steps else "nan")


def has_diverged(course: Trajectory, limits: Thresholds = DEFAULT) -> bool:
    """Say whether a trial diverged, as every table means it: non-finite or exploded."""
    found = outcome_steps(course, limits)
    return bool(np.isfinite(found["non-finite"]) or np.isfinite(found["exploded"]))
