"""The exact divergences of two known laws of one kind.

Every function returns `inf` where the divergence is infinite, and NaN where no exact value is known, such as for noisy
circles about two centres. It raises GanbenchError for laws of two kinds. JS has the halves: it is at most log 2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ganbench import GanbenchError

from ganbench_plugins.law_densities import (
    Density,
    expect_power,
    integrate_js,
    integrate_kl,
    integrate_tv,
    integrate_w1,
    integrate_w2,
    normal,
    rice,
)
from ganbench_plugins.laws import Circle, Discrete, Law, Line, Normal


def refuse_two_kinds(p: Law, q: Law) -> None:
    """Raise GanbenchError unless both laws are of one kind, and discrete ones have the same atoms."""
    if type(p) is not type(q):
        raise GanbenchError(
            f"the laws are {p} and {q}: exact divergences are known of two laws of one kind. Choose a generator with "
            "the law of the data."
        )
    if isinstance(p, Discrete) and isinstance(q, Discrete):
        atoms = [law.positions or len(law.probabilities) for law in (p, q)]
        if atoms[0] != atoms[1]:
            raise GanbenchError(f"the discrete laws have the atoms {atoms[0]} and {atoms[1]}: give both the same.")


@dataclass(frozen=True)
class Tables:
    """Two laws of one finite space, as tables of probabilities."""

    p: Sequence[float]
    q: Sequence[float]

    def kl(self) -> float:
        """Return KL(p || q); 0 log 0 is 0, and p log(p / 0) is inf."""
        return sum_kl(self.p, self.q)

    def js(self) -> float:
        """Return JS(p, q)."""
        middle = [(a + b) / 2 for a, b in zip(self.p, self.q, strict=True)]
        return (sum_kl(self.p, middle) + sum_kl(self.q, middle)) / 2

    def tv(self) -> float:
        """Return TV(p, q)."""
        return math.fsum(abs(a - b) for a, b in zip(self.p, self.q, strict=True)) / 2


@dataclass(frozen=True)
class Densities:
    """Two densities on the line."""

    p: Density
    q: Density

    def kl(self) -> float:
        """Return KL(p || q)."""
        return integrate_kl(self.p, self.q)

    def js(self) -> float:
        """Return JS(p, q)."""
        return integrate_js(self.p, self.q)

    def tv(self) -> float:
        """Return TV(p, q)."""
        return integrate_tv(self.p, self.q)


EQUAL, DISJOINT = Tables((1.0,), (1.0,)), Tables((1.0, 0.0), (0.0, 1.0))


def sum_kl(p: Sequence[float], q: Sequence[float]) -> float:
    """Return KL of two tables; inf where p has mass and q has none."""
    if any(a > 0 and b == 0 for a, b in zip(p, q, strict=True)):
        return math.inf
    return math.fsum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a > 0)


def reduce_to_line(p: Law, q: Law) -> Tables | Densities | None:
    """Return tables, or densities on the line, that have the divergences KL, JS and TV of p and q; None: not known.

    A law with a density and one on a curve are disjoint, and so are two curves that cross in single points, and two
    points: each has a set of measure 1 that has measure 0 under the other.
    """
    refuse_two_kinds(p, q)
    if p == q:
        return EQUAL
    match p, q:
        case Discrete(), Discrete():
            return Tables(p.probabilities, q.probabilities)
        case Normal(), Normal():
            if 0 in (p.std, q.std):
                return DISJOINT
            return Densities(normal(p.mean, p.std), normal(q.mean, q.std))
        case Line(), Line():
            return reduce_lines(p, q)
        case Circle(), Circle():
            if 0 in (p.noise, q.noise):
                return DISJOINT
            if p.centre == q.centre:
                return Densities(rice(p.radius, p.noise), rice(q.radius, q.noise))
    return None


def reduce_lines(p: Line, q: Line) -> Tables | Densities | None:
    """Return what has the divergences of two different lines; None: not known."""
    if 0 in (p.noise, q.noise):
        if p.noise != q.noise or p.theta != q.theta or p.low == p.high or q.low == q.high:
            return DISJOINT
        cells = [*pairwise(sorted({p.low, p.high, q.low, q.high}))]  # two uniform laws on one line
        tables = [[(b - a) / (s.high - s.low) * (s.low <= a and b <= s.high) for a, b in cells] for s in (p, q)]
        return Tables(*tables)
    if (p.noise, p.low, p.high) == (q.noise, q.low, q.high):
        return Densities(normal(p.theta, p.noise), normal(q.theta, q.noise))
    return None


def kl(p: Law, q: Law) -> float:
    """Return KL(p || q), which is inf where p has mass and q has none."""
    pair = reduce_to_line(p, q)
    return math.nan if pair is None else pair.kl()


def js(p: Law, q: Law) -> float:
    """Return JS(p, q), from 0 to log 2."""
    pair = reduce_to_line(p, q)
    return math.nan if pair is None else pair.js()


def tv(p: Law, q: Law) -> float:
    """Return TV(p, q), from 0 to 1."""
    pair = reduce_to_line(p, q)
    return math.nan if pair is None else pair.tv()


def w1(p: Law, q: Law) -> float:
    """Return W1(p, q) with Euclidean distances; finite, or NaN."""
    refuse_two_kinds(p, q)
    match p, q:
        case Normal(), Normal():
            return expect_distance(p.mean - q.mean, abs(p.std - q.std))
        case Line(), Line():
            return match_lines(p, q, power=1)
        case Discrete(), Discrete():
            return match_atoms(p, q, power=1)
        case Circle(), Circle():
            apart = math.dist(p.centre, q.centre)
            if (p.radius, p.noise) == (q.radius, q.noise):
                return apart
            return math.nan if apart else match_radii(p, q, power=1)
    return math.nan


def w2(p: Law, q: Law) -> float:
    """Return W2(p, q) with Euclidean distances; finite, or NaN."""
    refuse_two_kinds(p, q)
    match p, q:
        case Normal(), Normal():
            return math.hypot(p.mean - q.mean, p.std - q.std)
        case Line(), Line():
            return match_lines(p, q, power=2)
        case Discrete(), Discrete():
            return match_atoms(p, q, power=2)
        case Circle(), Circle():  # W2^2 is the squared distance of the means plus W2^2 of the centred laws
            return math.hypot(math.dist(p.centre, q.centre), match_radii(p, q, power=2))
    return math.nan


def expect_distance(mean: float, std: float) -> float:
    """Return E |x| of x ~ N(mean, std^2): W1 of two normal laws that differ by these."""
    if std == 0:
        return abs(mean)
    z = mean / std
    return std * math.sqrt(2 / math.pi) * math.exp(-(z**2) / 2) + mean * math.erf(z / math.sqrt(2))


def match_lines(p: Line, q: Line, power: int) -> float:
    """Return W1 or W2 of two lines: the map is monotone along them. Two noisy ones must be shifts of one another."""
    if p.noise != q.noise or (p.noise and not math.isclose(p.high - p.low, q.high - q.low, rel_tol=1e-12)):
        return math.nan
    across, low, high = p.theta - q.theta, p.low - q.low, p.high - q.high
    if power == 2:
        return math.sqrt(across**2 + (low**2 + low * high + high**2) / 3)
    if p.noise or math.isclose(low, high, rel_tol=1e-6):
        return math.hypot(across, (low + high) / 2)
    return (sum_distances(across, high) - sum_distances(across, low)) / (high - low)


def sum_distances(across: float, along: float) -> float:
    """Return the integral of sqrt(across^2 + t^2) from t = 0 to `along`."""
    bend = across**2 * math.asinh(along / across) if across else 0.0
    return (along * math.hypot(across, along) + bend) / 2


def match_radii(p: Circle, q: Circle, power: int) -> float:
    """Return W1 or W2 of two circles about one centre: the map is monotone along each ray."""
    if p.noise == q.noise == 0:
        return abs(p.radius - q.radius)
    if (p.radius, p.noise) == (q.radius, q.noise):
        return 0.0
    if 0 in (p.noise, q.noise):  # one is a circle: every radius of the other moves to it
        thin, wide = (p, q) if p.noise == 0 else (q, p)
        law = rice(wide.radius, wide.noise)
        return expect_power(law, thin.radius, power) ** (1 / power)
    first, second = (rice(law.radius, law.noise) for law in (p, q))
    return integrate_w1(first, second) if power == 1 else integrate_w2(first, second)


def match_atoms(p: Discrete, q: Discrete, power: int) -> float:
    """Return W1 or W2 of two discrete laws; one-hot vectors are sqrt 2 apart, so W1 = sqrt 2 TV and W2^2 = 2 TV."""
    if p.positions is None:
        return math.sqrt(2) * Tables(p.probabilities, q.probabilities).tv() ** (1 / power)
    order = sorted(range(len(p.positions)), key=p.positions.__getitem__)
    places = [p.positions[k] for k in order]
    left, right = ([law.probabilities[k] for k in order] for law in (p, q))
    i = j = 0
    total = 0.0
    while i < len(places) and j < len(places):  # the monotone coupling: the lowest mass left goes to the lowest left
        mass = min(left[i], right[j])
        total += mass * abs(places[i] - places[j]) ** power
        left[i], right[j] = left[i] - mass, right[j] - mass
        i, j = i + (left[i] == 0), j + (right[j] == 0)
    return float(total ** (1 / power))
