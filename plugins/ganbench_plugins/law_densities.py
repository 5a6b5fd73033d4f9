"""Divergences and distances of two densities on the line, by adaptive quadrature between their turning points.

JS has the halves: at most log 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

TAIL = 38.0
"""Standard deviations from the centre beyond which a density is below 1e-313 of its peak: no float holds more."""
BULK = 7.5
"""Standard deviations from the centre that hold all mass but 1e-13."""
STEPS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Standard deviations from the centre at which the range of an integral is cut, so that no narrow peak is missed."""


class Density(NamedTuple):
    """A density on the line, as functions of a position, and what it is near: a normal law of this centre and std.

    `lowest` is the lower end of its support.
    """

    log: Callable[[float], float]
    cdf: Callable[[float], float]
    quantile: Callable[[float], float]
    centre: float
    std: float
    lowest: float = -math.inf

    def place(self, deviations: float) -> float:
        """Return the position so many standard deviations from the centre, or the lower end of the support."""
        return max(self.lowest, self.centre + deviations * self.std)


def normal(mean: float, std: float) -> Density:
    """Return the density of N(mean, std^2)."""
    from scipy.special import ndtr, ndtri

    return Density(
        log=lambda x: -(((x - mean) / std) ** 2) / 2 - math.log(std * math.sqrt(2 * math.pi)),
        cdf=lambda x: float(ndtr((x - mean) / std)),
        quantile=lambda u: mean + std * float(ndtri(u)),
        centre=mean,
        std=std,
    )


def rice(radius: float, noise: float) -> Density:
    """Return the density of |v + noise N(0, I_2)| with |v| = radius (Rice 1945); its logarithm never underflows."""
    from scipy.special import i0e
    from scipy.stats import rice as law

    frozen = law(radius / noise, scale=noise)
    variance = noise**2

    def log(x: float) -> float:
        if x <= 0:
            return -math.inf
        bend = math.log(i0e(x * radius / variance))
        return math.log(x) - math.log(variance) - (x - radius) ** 2 / (2 * variance) + bend

    def quantile(u: float) -> float:
        return float(frozen.ppf(u))

    centre = max(radius, noise)
    return Density(log, lambda x: float(frozen.cdf(x)), quantile, centre, noise, lowest=0.0)


def list_cuts(p: Density, q: Density, low: float, high: float, more: Sequence[float] = ()) -> list[float]:
    """Return the positions from low to high between which an integral over both densities is smooth."""
    places = [density.place(sign * step) for density in (p, q) for step in STEPS for sign in (-1, 1)]
    return sorted({low, high, *(place for place in (*places, *more) if low < place < high)})


def integrate(f: Callable[[float], float], cuts: Sequence[float]) -> float:
    """Return the integral of f over the range that the cuts divide, to about 1e-12 of each part."""
    from scipy.integrate import quad

    return math.fsum(quad(f, *ends, epsabs=1e-13, epsrel=1e-12, limit=200)[0] for ends in pairwise(cuts))


def expect(p: Density, q: Density, value: Callable[[float], float]) -> float:
    """Return E_p of a function of the log ratio log q - log p."""

    def integrand(x: float) -> float:
        log = p.log(x)
        return 0.0 if log == -math.inf else math.exp(log) * value(q.log(x) - log)

    return integrate(integrand, list_cuts(p, q, p.place(-TAIL), p.place(TAIL)))


def integrate_kl(p: Density, q: Density) -> float:
    """Return KL(p || q)."""
    return max(0.0, expect(p, q, lambda ratio: -ratio))


def integrate_js(p: Density, q: Density) -> float:
    """Return JS(p, q), at most log 2."""

    def value(ratio: float) -> float:
        return math.log(2) - max(ratio, 0.0) - math.log1p(math.exp(-abs(ratio)))  # log 2 / (1 + e^ratio)

    return max(0.0, (expect(p, q, value) + expect(q, p, value)) / 2)


def find_roots(f: Callable[[float], float], cuts: Sequence[float], parts: int = 40) -> list[float]:
    """Return where a function is 0 or changes its sign, in order; each range between cuts is searched in `parts`."""
    from scipy.optimize import brentq

    places = [a + (b - a) * k / parts for a, b in pairwise(cuts) for k in range(parts)] + [cuts[-1]]
    values = [f(place) for place in places]
    ends = zip(pairwise(places), pairwise(values), strict=True)
    between = [float(brentq(f, a, b, xtol=1e-15, rtol=1e-14)) for (a, b), (left, right) in ends if left * right < 0]
    return sorted([*between, *(place for place, value in zip(places, values, strict=True) if value == 0)])


def find_range(p: Density, q: Density, deviations: float) -> tuple[float, float]:
    """Return the ends of the shortest interval that holds so many standard deviations of either density."""
    return (
        min(p.place(-deviations), q.place(-deviations)),
        max(p.place(deviations), q.place(deviations)),
    )


def integrate_tv(p: Density, q: Density) -> float:
    """Return TV(p, q): the cumulative laws differ by it between the positions at which the densities cross."""
    low, high = find_range(p, q, TAIL)
    low = math.nextafter(low, math.inf)  # where a density on [low, inf) has a logarithm
    roots = find_roots(lambda x: p.log(x) - q.log(x), list_cuts(p, q, low, high))
    gaps = [p.cdf(x) - q.cdf(x) for x in (low, *roots, high)]
    return math.fsum(abs(b - a) for a, b in pairwise(gaps)) / 2


def integrate_w1(p: Density, q: Density) -> float:
    """Return W1, the integral of the difference of the cumulative laws."""
    low, high = find_range(p, q, TAIL)

    def gap(x: float) -> float:
        return p.cdf(x) - q.cdf(x)

    cuts = list_cuts(p, q, low, high)
    return integrate(lambda x: abs(gap(x)), list_cuts(p, q, low, high, find_roots(gap, cuts)))


def integrate_w2(p: Density, q: Density) -> float:
    """Return W2, by the monotone map from p to q."""
    cuts = list_cuts(p, q, p.place(-BULK), p.place(BULK))
    return math.sqrt(integrate(lambda x: math.exp(p.log(x)) * (x - q.quantile(p.cdf(x))) ** 2, cuts))


def expect_power(p: Density, place: float, power: int) -> float:
    """Return E_p |x - place|^power."""
    cuts = list_cuts(p, p, p.place(-TAIL), p.place(TAIL), (place,))
    return integrate(lambda x: math.exp(p.log(x)) * abs(x - place) ** power, cuts)
