"""The outcomes of many series of one length at once: a hundred thousand trials are too many for a call of each.

A block is steps [n, t] and values [n, t], a row for each of n series of t points, in the order of time. Each function
returns the step [n] at which an outcome began, inf where it never did. `ganbench.evaluation.outcomes` defines them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Steps = NDArray[np.int64]
Values = NDArray[np.float64]

LEAST_POINTS = 40
"""The fewest values of a series that can be called oscillating.

With these, about 1 in 100 series of noise, or random walks, is called so by mistake.
"""


def first_steps_where(steps: Steps, holds: NDArray[np.bool_]) -> Values:
    """Return the first step [n] at which `holds` [n, t] is true; inf where it never is."""
    if not holds.shape[1]:
        return np.full(len(holds), np.inf)
    return np.where(holds.any(axis=1), steps[np.arange(len(steps)), holds.argmax(axis=1)], np.inf)


def steps_from_which(steps: Steps, holds: NDArray[np.bool_]) -> Values:
    """Return the first step [n] from which on `holds` [n, t] is true to the end; inf where it is false at the end."""
    points = holds.shape[1]
    if not points:
        return np.full(len(holds), np.inf)
    misses = ~holds
    since = np.where(misses.any(axis=1), points - misses[:, ::-1].argmax(axis=1), 0)
    return np.where(holds[:, -1], steps[np.arange(len(steps)), np.minimum(since, points - 1)], np.inf)


def find_explosions(steps: Steps, values: Values, times: float, least: float) -> Values:
    """Return the first step [n] at which the absolute value exceeds `times` its initial value, or `times` `least`.

    A series that is empty or begins with NaN never explodes.
    """
    sizes = np.abs(values)
    start = np.fmax(sizes[:, :1], least)
    return first_steps_where(steps, (sizes > times * start) & ~np.isnan(sizes[:, :1]))


def find_degradations(steps: Steps, values: Values, sign: int, factor: float) -> Values:
    """Return the step [n] from which on, to the end, a metric is worse than its earlier best by more than `factor`.

    `sign` is 1 where lower is better, and -1 where higher is. None degrades whose best is 0 or less.
    """
    points = values.shape[1]
    finite = np.isfinite(values)
    if points < 2:
        return np.full(len(values), np.inf)
    known = np.where(finite, values, sign * np.inf)
    best = (known.min(axis=1) if sign > 0 else known.max(axis=1))[:, None]
    at = points - 1 - (known == best)[:, ::-1].argmax(axis=1)[:, None]
    worse = known > factor * best if sign > 0 else known < best / factor
    began = steps_from_which(steps, worse & (np.arange(points) > at))
    return np.where(finite.any(axis=1) & (best[:, 0] > 0), began, np.inf)


def find_oscillations(steps: Steps, values: Values, peak: float, periods: int) -> Values:
    """Return the step [n] at which `periods` periods of an oscillation have passed."""
    began = np.full(len(values), np.inf)
    points = values.shape[1]
    longest = points // periods
    steady = np.flatnonzero(np.isfinite(values).all(axis=1))
    if points < LEAST_POINTS or not longest or not len(steady):
        return began
    correlation = autocorrelations(detrend(values[steady]), longest + 1)
    inner, rows = correlation[:, 1:-1], np.arange(len(steady))
    is_peak = (inner >= correlation[:, :-2]) & (inner > correlation[:, 2:])
    lag = 1 + np.where(is_peak, inner, -np.inf).argmax(axis=1)
    trough = np.minimum.accumulate(correlation, axis=1)[rows, lag - 1]
    is_period = is_peak.any(axis=1) & (correlation[rows, lag] >= peak) & (trough <= -peak / 2)
    began[steady] = np.where(is_period, steps[steady, np.minimum(periods * lag, points) - 1], np.inf)
    return began


def detrend(values: Values) -> Values:
    """Return series scaled to at most 1 in absolute value, less their least-squares straight lines."""
    scaled = values / np.maximum(np.abs(values).max(axis=1, keepdims=True), np.finfo(float).tiny)
    time = np.linspace(-1.0, 1.0, values.shape[1])
    flat = scaled - scaled.mean(axis=1, keepdims=True)
    slope = np.matmul(flat[:, None, :], time[:, None])[:, 0]  # row by row, so that a series alone has the same bits
    residuals = flat - time * slope / (time @ time)
    return np.where(np.abs(residuals).max(axis=1, keepdims=True) > 1e-12, residuals, 0.0)  # of a line: rounding errors


def autocorrelations(values: Values, lags: int) -> Values:
    """Return the correlations [n, lags + 1] of centred series with themselves at each lag, where they overlap."""
    n = values.shape[1]
    spectrum = np.fft.rfft(values, 2 * n)
    conjugate = spectrum.conj()  # named: numpy multiplies a large nameless array in place, with other rounding errors
    products = np.fft.irfft(spectrum * conjugate, 2 * n)[:, : lags + 1]
    energy = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values**2, axis=1)], axis=1)
    lag = np.arange(lags + 1)
    size = np.sqrt(np.maximum(energy[:, n - lag] * (energy[:, n:] - energy[:, lag]), 0.0))
    return np.divide(products, size, out=np.zeros(products.shape), where=size > 0)
