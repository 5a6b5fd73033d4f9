"""Divergences and distances of two densities on the line, by Gauss-Legendre quadrature on panels of a quarter of a std.

32 nodes a panel integrate a normal density and the logarithm of a mixture to rounding. JS has the halves: at most
log 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.polynomial.legendre import leggauss
from numpy.typing import NDArray

Array = NDArray[np.float64]
Function = Callable[[Array], Array]

TAIL = 38.0
"""Standard deviations from the centre beyond which a density is below 1e-313 of its peak: no float holds more."""
BULK = 7.5
"""Standard deviations from the centre that hold all mass but 1e-13."""
PANEL = 0.25
"""The length of a panel, in standard deviations."""
NODES, WEIGHTS = leggauss(32)


class Density(NamedTuple):
    """A density on the line: its logarithm, and the centre and std of the normal law that it is near.

    `lowest` is the lower end of its support.
    """

    log: Function
    centre: float
    std: float
    lowest: float = -math.inf

    def cut(self, deviations: float = TAIL) -> Array:
        """Return the ends of the panels, in order, as far as so many standard deviations from the centre."""
        steps = np.linspace(-deviations, deviations, round(2 * deviations / PANEL) + 1)
        return np.unique(np.maximum(self.lowest, self.centre + self.std * steps))

    def weigh(self, x: Array) -> Array:
        """Return the density at positions of any shape."""
        return np.exp(self.log(x))


def normal(mean: float, std: float) -> Density:
    """Return the density of N(mean, std^2)."""
    return Density(lambda x: -(((x - mean) / std) ** 2) / 2 - math.log(std * math.sqrt(2 * math.pi)), mean, std)


def rice(radius: float, noise: float) -> Density:
    """Return the density of |v + noise N(0, I_2)| with |v| = radius (Rice 1945); its logarithm never underflows."""
    from scipy.special import i0e

    def log(x: Array) -> Array:
        bessel = np.log(i0e(x / noise * (radius / noise)))
        return np.log(x) - 2 * math.log(noise) - ((x - radius) / noise) ** 2 / 2 + bessel

    return Density(log, max(radius, noise), noise, lowest=0.0)


def cut_both(p: Density, q: Density, more: Sequence[float] = ()) -> Array:
    """Return the ends of the panels of both densities, and more of them, in order."""
    return np.unique(np.concatenate([p.cut(), q.cut(), more]))


def place_nodes(low: Array, high: Array) -> Array:
    """Return the nodes [..., 32] of panels from `low` to `high` [...]."""
    return low[..., None] + (high - low)[..., None] * ((1 + NODES) / 2)


def integrate(f: Function, cuts: Array) -> Array:
    """Return the integral of a function over each panel [n - 1] between n cuts."""
    low, high = cuts[:-1], cuts[1:]
    return (f(place_nodes(low, high)) @ WEIGHTS) * (high - low) / 2


def total(f: Function, cuts: Array) -> float:
    """Return the integral of a function from the first to the last cut."""
    return math.fsum(integrate(f, cuts))


def expect(p: Density, q: Density, value: Function) -> float:
    """Return E_p of a function of the log ratio log q - log p."""

    def integrand(x: Array) -> Array:
        log = p.log(x)
        counts = log > -700
        return np.where(counts, np.exp(log) * value(np.where(counts, q.log(x) - log, 0.0)), 0.0)

    return total(integrand, cut_both(p, q))


def integrate_kl(p: Density, q: Density) -> float:
    """Return KL(p || q)."""
    return max(0.0, expect(p, q, np.negative))


def integrate_js(p: Density, q: Density) -> float:
    """Return JS(p, q), at most log 2."""

    def value(ratio: Array) -> Array:
        return math.log(2) - np.logaddexp(0.0, ratio)  # log of 2 p / (p + q)

    return min(math.log(2), max(0.0, (expect(p, q, value) + expect(q, p, value)) / 2))


def find_roots(f: Function, places: Array) -> list[float]:
    """Return where a function changes its sign between the places, which are in order."""
    from scipy.optimize import brentq

    signs = np.sign(f(places))
    return [
        float(brentq(lambda x: float(f(np.array([x]))[0]), places[k], places[k + 1], xtol=1e-300, rtol=1e-14))
        for k in np.flatnonzero(signs[:-1] * signs[1:] < 0)
    ]


def integrate_tv(p: Density, q: Density) -> float:
    """Return TV(p, q), half of the integral of |p - q|, which has a kink where the densities cross."""
    cuts = cut_both(p, q)
    crossings = find_roots(lambda x: p.log(x) - q.log(x), cuts[cuts > p.lowest])
    return min(1.0, total(lambda x: np.abs(p.weigh(x) - q.weigh(x)), cut_both(p, q, crossings)) / 2)


def accumulate(p: Density) -> Function:
    """Return the cumulative law of a density: the whole panels below a position, and the part of its own panel."""
    cuts = p.cut()
    below = np.concatenate([[0.0], np.cumsum(integrate(p.weigh, cuts))])

    def cdf(x: Array) -> Array:
        inside = np.clip(x, cuts[0], cuts[-1])
        panel = np.clip(np.searchsorted(cuts, inside, side="right") - 1, 0, len(cuts) - 2)
        low = cuts[panel]
        part = (p.weigh(place_nodes(low, np.maximum(inside, low + 1e-300))) @ WEIGHTS) * (inside - low) / 2
        return below[panel] + part

    return cdf


def integrate_w1(p: Density, q: Density) -> float:
    """Return W1, the integral of the difference of the cumulative laws."""
    first, second, cuts = accumulate(p), accumulate(q), cut_both(p, q)

    def gap(x: Array) -> Array:
        return first(x) - second(x)

    return total(lambda x: np.abs(gap(x)), cut_both(p, q, find_roots(gap, cuts)))


def invert(q: Density, levels: Array) -> Array:
    """Return the positions at which the cumulative law of a density has these levels, by bisection of its panels."""
    cdf, cuts = accumulate(q), q.cut()
    panel = np.clip(np.searchsorted(cdf(cuts), levels, side="right") - 1, 0, len(cuts) - 2)
    low, high = cuts[panel], cuts[panel + 1]
    for _ in range(40):
        middle = (low + high) / 2
        above = cdf(middle) > levels
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return (low + high) / 2


def integrate_w2(p: Density, q: Density) -> float:
    """Return W2, by the monotone map from p to q."""
    cdf = accumulate(p)
    return math.sqrt(total(lambda x: p.weigh(x) * (x - invert(q, cdf(x))) ** 2, p.cut(BULK)))


def expect_power(p: Density, place: float, power: int) -> float:
    """Return E_p |x - place|^power."""
    return total(lambda x: p.weigh(x) * np.abs(x - place) ** power, np.unique([*p.cut(), place]))
