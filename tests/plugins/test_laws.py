"""Divergences of known laws: the values of the papers, closed forms that are not in the code, and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ganbench import GanbenchError
from scipy.stats import norm

from ganbench_plugins.law_divergences import js, kl, tv, w1, w2
from ganbench_plugins.laws import Circle, Discrete, Law, Line, Normal, add_noise, read_law

LOG_2 = math.log(2)
DIVERGENCES = (w1, w2, js, kl, tv)
PAIRS: list[tuple[Law, Law]] = [
    (Normal(0, 1), Normal(1, 2)),
    (Line(noise=0.5), Line(1.0, noise=0.5)),
    (Line(), Line(0.3)),
    (Circle(noise=0.2), Circle(0.5, noise=0.2)),
    (Circle(), Circle(0.5)),
    (Discrete((0.4, 0.3, 0.3)), Discrete((0.1, 0.2, 0.7))),
]


@pytest.mark.parametrize("theta", [1e-6, -0.3, 1.0, 50.0])
def test_parallel_lines_are_theta_apart_while_all_other_divergences_are_at_their_maximum(theta: float) -> None:
    """WGAN, example 1."""
    p, q = Line(), Line(theta)
    assert w1(p, q) == w2(p, q) == abs(theta)
    assert (js(p, q), kl(p, q), kl(q, p), tv(p, q)) == (LOG_2, math.inf, math.inf, 1.0)


def test_equal_laws_have_divergence_0() -> None:
    for p, _ in PAIRS:
        assert [measure(p, p) for measure in DIVERGENCES] == [0.0] * 5


def test_noisy_lines_have_the_divergences_of_two_gaussians() -> None:
    """At theta = sigma = 1: JS .111421; the noise on the second axis changes nothing."""
    p, q = (add_noise(Line(theta), 1.0) for theta in (0.0, 1.0))
    assert js(p, q) == pytest.approx(0.111421, abs=5e-7)
    assert kl(p, q) == kl(q, p) == pytest.approx(0.5, abs=1e-12)
    assert tv(p, q) == pytest.approx(2 * norm.cdf(0.5) - 1, abs=1e-12)
    assert w1(p, q) == w2(p, q) == 1.0
    assert js(p, q) == js(Normal(0, 1), Normal(1, 1))


def test_the_w1_of_two_gaussians_is_the_known_one() -> None:
    assert w1(Normal(0, 1), Normal(1, 2)) == pytest.approx(1.166631, abs=5e-7)
    assert w2(Normal(0, 1), Normal(1, 2)) == pytest.approx(math.sqrt(2), abs=1e-12)
    assert w1(Normal(0, 0), Normal(0, 2)) == pytest.approx(2 * math.sqrt(2 / math.pi), abs=1e-12)


@pytest.mark.parametrize(("p", "q"), [((0, 1), (1, 2)), ((0, 1), (0.1, 1)), ((2, 0.5), (-1, 3)), ((0, 1), (0, 0.01))])
def test_the_divergences_of_two_gaussians_are_their_integrals(p: tuple[float, float], q: tuple[float, float]) -> None:
    """The sum over a lattice of step h has an error of order h^2 at the kinks of |p - q|, and none for smooth ones."""
    x, step = np.linspace(-60, 60, 1_200_001, retstep=True)
    first, second = norm(*p), norm(*q)
    middle = np.logaddexp(first.logpdf(x), second.logpdf(x)) - LOG_2
    apart = np.abs(first.pdf(x) - second.pdf(x)).sum() * step / 2
    halves = [(law.pdf(x) * (law.logpdf(x) - middle)).sum() * step / 2 for law in (first, second)]
    assert tv(Normal(*p), Normal(*q)) == pytest.approx(apart, abs=1e-6)
    assert js(Normal(*p), Normal(*q)) == pytest.approx(sum(halves), abs=1e-10)
    d, s, t = p[0] - q[0], p[1], q[1]
    closed = math.log(t / s) + (s**2 + d**2) / (2 * t**2) - 0.5
    assert kl(Normal(*p), Normal(*q)) == pytest.approx(closed, rel=1e-10)


def test_far_and_narrow_gaussians_meet_their_bounds() -> None:
    assert js(Normal(0, 1), Normal(50, 1)) == pytest.approx(LOG_2, abs=1e-12)
    assert tv(Normal(0, 1), Normal(50, 1)) == pytest.approx(1, abs=1e-12)
    assert kl(Normal(0, 1), Normal(50, 1)) == pytest.approx(1250, rel=1e-10)
    assert (js(Normal(0, 0), Normal()), kl(Normal(), Normal(0, 0)), tv(Normal(1, 0), Normal(0, 0))) == (
        LOG_2,
        math.inf,
        1.0,
    )


def test_circles_about_one_centre_are_the_difference_of_their_radii_apart() -> None:
    p, q = Circle(), Circle(0.5)
    assert w1(p, q) == w2(p, q) == 0.5
    assert (js(p, q), kl(p, q), tv(p, q)) == (LOG_2, math.inf, 1.0)
    assert w1(p, Circle(1.0, (3.0, 4.0))) == w2(p, Circle(1.0, (3.0, 4.0))) == 5.0
    assert w2(p, Circle(0.5, (3.0, 4.0))) == pytest.approx(math.sqrt(25.25), abs=1e-12)
    assert math.isnan(w1(p, Circle(0.5, (3.0, 4.0))))
    assert tv(p, Circle(0.5, (3.0, 4.0))) == 1.0


def test_noisy_points_have_the_divergences_of_gaussians_in_the_plane() -> None:
    """A circle of radius 0 with noise s is N(0, s^2 I_2), whose distance from 0 has Rayleigh's law."""
    p, q = Circle(0.0, noise=1.0), Circle(0.0, noise=2.0)
    assert kl(p, q) == pytest.approx(2 * (LOG_2 + 1 / 8 - 1 / 2), abs=1e-10)
    assert kl(q, p) == pytest.approx(2 * (-LOG_2 + 2 - 1 / 2), abs=1e-10)
    assert w1(p, q) == pytest.approx(math.sqrt(math.pi / 2), abs=1e-10)  # the radius doubles, and its mean is this
    assert w2(p, q) == pytest.approx(math.sqrt(2), abs=1e-10)
    assert tv(p, q) == pytest.approx(4 ** (-1 / 3) - 4 ** (-4 / 3), abs=1e-12)  # they cross at r^2 = 8 log(4) / 3


def test_a_circle_is_as_far_from_its_noisy_self_as_the_radius_of_rice_says() -> None:
    """E |R - r|^2 = 2 r^2 + 2 s^2 - 2 r E R; at r = 0, R is Rayleigh with mean s sqrt(pi / 2)."""
    assert w1(Circle(0.0), Circle(0.0, noise=0.5)) == pytest.approx(0.5 * math.sqrt(math.pi / 2), abs=1e-10)
    assert w2(Circle(0.0), Circle(0.0, noise=0.5)) == pytest.approx(math.sqrt(0.5), abs=1e-10)
    mean_square = w2(Circle(0.0), Circle(1.0, noise=0.5)) ** 2
    assert mean_square == pytest.approx(1 + 2 * 0.25, abs=1e-10)  # E R^2 = r^2 + 2 s^2


def test_narrow_noisy_circles_are_like_noisy_lines() -> None:
    """At radii far above the noise, a circle is locally a line: KL is near gap^2 / (2 s^2) + the ratio of radii."""
    p, q = Circle(1.0, noise=0.001), Circle(1.001, noise=0.001)
    assert kl(p, q) == pytest.approx(0.5, abs=2e-3)
    assert js(p, q) == pytest.approx(0.111421, abs=1e-3)
    assert tv(p, q) == pytest.approx(2 * norm.cdf(0.5) - 1, abs=1e-3)
    assert math.isfinite(kl(Circle(noise=0.01), Circle(0.5, noise=0.01)))  # its densities underflow: about .5^2 / 2e-4
    assert kl(Circle(noise=0.01), Circle(0.5, noise=0.01)) == pytest.approx(1250, rel=1e-3)


def test_lines_of_other_lengths_are_matched_along_them() -> None:
    p, q = Line(), Line(0.0, 0.5, 2.0)
    assert tv(p, q) == pytest.approx(2 / 3, abs=1e-12)  # they share .5 of the first and 1/3 of the second
    assert w1(p, q) == pytest.approx(0.75, abs=1e-12)
    assert w1(Line(), Line(0.0, -1.0, 2.0)) == pytest.approx(0.5, abs=1e-12)  # mean of |1 - 2u|
    assert w2(Line(), Line(3.0, 4.0, 5.0)) == w1(Line(), Line(3.0, 4.0, 5.0)) == 5.0
    assert math.isnan(js(Line(noise=0.1), Line(0.0, 0.5, 2.0, noise=0.1)))


def test_discrete_laws_have_the_sums_of_their_definitions() -> None:
    p, q = Discrete((0.5, 0.5, 0.0)), Discrete((0.25, 0.25, 0.5))
    assert kl(p, q) == pytest.approx(LOG_2, abs=1e-12)
    assert kl(q, p) == math.inf
    assert tv(p, q) == 0.5
    assert js(p, q) == pytest.approx(math.log(4 / 3) / 2 + math.log(2 / 3) / 4 + LOG_2 / 4, abs=1e-12)
    assert w1(p, q) == pytest.approx(math.sqrt(2) / 2, abs=1e-12)
    assert w2(p, q) == pytest.approx(1.0, abs=1e-12)


def test_atoms_with_positions_are_as_far_as_their_positions() -> None:
    """Half of the mass of 0 and 1 goes to 3: by the monotone map, 1/4 moves from 0 to 1, and 1/2 from 1 to 3."""
    p, q = Discrete((0.5, 0.5, 0.0), (0.0, 1.0, 3.0)), Discrete((0.25, 0.25, 0.5), (0.0, 1.0, 3.0))
    assert w1(p, q) == pytest.approx(1 / 4 + 1, abs=1e-12)
    assert w2(p, q) == pytest.approx(math.sqrt(1 / 4 + 2), abs=1e-12)
    order = [2, 0, 1]
    first, second = (
        Discrete(tuple(law.probabilities[k] for k in order), tuple(law.positions[k] for k in order))
        for law in (p, q)
        if law.positions
    )
    assert w1(first, second) == w1(p, q)


@pytest.mark.parametrize(("p", "q"), PAIRS, ids=str)
def test_divergences_are_symmetric_where_they_should_be_and_within_the_bounds_of_one_another(p: Law, q: Law) -> None:
    for measure in (w1, w2, js, tv):
        assert measure(p, q) == pytest.approx(measure(q, p), abs=1e-8)
    assert w1(p, q) <= w2(p, q) + 1e-9
    assert 0 < js(p, q) <= LOG_2 * tv(p, q) + 1e-12
    assert tv(p, q) <= math.sqrt(kl(p, q) / 2)  # Pinsker
    assert js(p, q) >= tv(p, q) ** 2 / 2 - 1e-12  # Pinsker, on both halves


def test_what_is_not_known_is_refused() -> None:
    with pytest.raises(GanbenchError, match="two laws of one kind"):
        js(Line(), Circle())
    with pytest.raises(GanbenchError, match="atoms 2 and 3"):
        w1(Discrete((0.5, 0.5)), Discrete((0.5, 0.3, 0.2)))
    with pytest.raises(GanbenchError, match=r"their sum is 0\.9"):
        Discrete((0.5, 0.4))
    with pytest.raises(GanbenchError, match="std = -1"):
        Normal(0, -1)
    with pytest.raises(GanbenchError, match="discrete law"):
        add_noise(Discrete((0.5, 0.5)), 0.1)


def test_a_fact_of_plain_data_is_a_law() -> None:
    assert read_law({"kind": "line", "theta": 2.0}) == Line(2.0)
    assert read_law(Normal()) == Normal()
    for wrong in ({"kind": "torus"}, {"kind": "line", "length": 2}, "line", None):
        with pytest.raises(GanbenchError, match="normal, line, circle, discrete"):
            read_law(wrong)
