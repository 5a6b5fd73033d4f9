"""Results whose truth is known, many times over: how often do our intervals hold it?

A trial's latent score is normal with variance 1, of which the architecture has a share; a threshold turns it into an
outcome, and the highest scores are the dead ones. Every function gives the coverage of each of its cases.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, product

import numpy as np
from ganbench.statistics.intervals import Interval, curve_half_width, paired_difference, wilson
from ganbench.statistics.paired_tests import holm
from ganbench.statistics.success_rates import paired_p
from ganbench.statistics.variance import share_within
from numpy.typing import NDArray
from scipy.stats import binom, multinomial, multivariate_normal, norm, rankdata

Floats = NDArray[np.float64]
RATES = [(0.1, 0.1), (0.3, 0.3), (0.5, 0.5), (0.9, 0.9), (0.1, 0.3), (0.1, 0.9), (0.3, 0.5), (0.5, 0.9), (0.05, 0.5)]
CORRELATIONS = (0.0, 0.5, 0.9)
SHARES = (0.3, 0.8)
DEAD = (0.0, 0.15, 0.5)


def latent(rng: np.random.Generator, runs: int, n: int, seeds: int, share: float, own: Floats | None = None) -> Floats:
    """Draw scores [runs, n, seeds], of whose variance the architectures (`own` [runs, n, 1]) have this share."""
    own = rng.standard_normal((runs, n, 1)) if own is None else own
    return np.sqrt(share) * own + np.sqrt(1 - share) * rng.standard_normal((runs, n, seeds))


def killed(scores: Floats, dead: float) -> Floats:
    """Turn the highest share of the law into infinities."""
    return np.where(scores > norm.ppf(1 - dead), np.inf, scores)


def holds(interval: tuple[float, float], truth: float) -> bool:
    return interval[0] - 1e-9 <= truth <= interval[1] + 1e-9


def wilson_coverage(n: int) -> Floats:
    """Over success rates from .05 to .95, summed over the binomial law."""
    counts, rates = np.arange(n + 1), np.linspace(0.05, 0.95, 181)
    ends = np.array([wilson(count, n) for count in counts])
    inside = (ends[:, :1] <= rates) & (rates <= ends[:, 1:])
    return (binom.pmf(counts[:, None], n, rates) * inside).sum(axis=0)


def exact_difference_coverage(n: int) -> Floats:
    """Over RATES x CORRELATIONS of the latent scores, summed over the law of the paired table: one seed."""
    tables = np.array(
        [(a, b, c, n - a - b - c) for a in range(n + 1) for b in range(n + 1 - a) for c in range(n + 1 - a - b)]
    )
    cells = np.array([[1, 1], [1, 0], [0, 1], [0, 0]])
    ends = np.array([paired_difference(*np.repeat(cells, table, axis=0).T, np.arange(n)) for table in tables])
    found = []
    for (p, q), correlation in product(RATES, CORRELATIONS):
        law = multivariate_normal([0, 0], [[1, correlation], [correlation, 1]])
        both = float(law.cdf([norm.ppf(p), norm.ppf(q)]))
        chances = np.maximum([both, p - both, q - both, 1 - p - q + both], 1e-12)
        weights = multinomial.pmf(tables, n, chances / chances.sum())
        found.append(weights[(ends[:, 0] <= p - q + 1e-9) & (p - q - 1e-9 <= ends[:, 1])].sum())
    return np.array(found)


def difference_coverage(n: int, seeds: int, runs: int) -> Floats:
    """Over RATES x CORRELATIONS of the architectures' effects x SHARES, of simulated pairs."""
    rng, found = np.random.default_rng(n), []
    units = np.repeat(np.arange(n), seeds)
    for (p, q), correlation, share in product(RATES, CORRELATIONS, SHARES):
        own = rng.standard_normal((runs, n, 1))
        other = correlation * own + np.sqrt(1 - correlation**2) * rng.standard_normal((runs, n, 1))
        a = latent(rng, runs, n, seeds, share, own) < norm.ppf(p)
        b = latent(rng, runs, n, seeds, share, other) < norm.ppf(q)
        hits = [holds(paired_difference(x.ravel(), y.ravel(), units), p - q) for x, y in zip(a, b, strict=True)]
        found.append(np.mean(hits))
    return np.array(found)


def median_coverage(
    n: int, seeds: int, runs: int, interval: Callable[..., Interval], skewed: bool, dead: float
) -> Floats:
    """Over SHARES: normal scores or, `skewed`, log-normal ones."""
    rng, units, found = np.random.default_rng(n), np.repeat(np.arange(n), seeds), []
    for share in SHARES if seeds > 1 else SHARES[:1]:
        scores = killed(latent(rng, runs, n, seeds, share), dead)
        scores = np.exp(scores) if skewed else scores
        found.append(np.mean([holds(interval(each.ravel(), units), float(skewed)) for each in scores]))
    return np.array(found)


def curve_coverage(n: int, seeds: int, runs: int) -> Floats:
    """Over DEAD x SHARES: whether the band holds the whole curve, at every threshold at once."""
    rng, units, found = np.random.default_rng(n), np.repeat(np.arange(n), seeds), []
    for dead, share in product(DEAD, SHARES if seeds > 1 else SHARES[:1]):
        scores = killed(latent(rng, runs, n, seeds, share), dead)
        halves = np.array([curve_half_width(each.ravel(), units) for each in scores])
        found.append(np.mean(farthest(np.sort(scores.reshape(runs, -1), axis=1), dead) <= halves))
    return np.array(found)


def farthest(ordered: Floats, dead: float) -> Floats:
    """Give how far each row's curve lies from the truth, at the worst of all thresholds."""
    finite = np.isfinite(ordered)
    steps = np.arange(ordered.shape[1] + 1) / ordered.shape[1]
    below, upto = np.where(finite, steps[:-1], 0), np.where(finite, steps[1:], 0)
    truth = np.where(finite, norm.cdf(np.where(finite, ordered, 0)), 0)
    alive = np.abs(finite.mean(axis=1) - (1 - dead))
    return np.maximum(np.maximum(np.abs(below - truth), np.abs(upto - truth)).max(axis=1), alive)


def luck_coverage(n: int, seeds: int, runs: int) -> Floats:
    """Over DEAD x (0, *SHARES): the share within architectures, whose truth is taken from 400,000 pairs of seeds."""
    rng, units, found = np.random.default_rng(n), np.repeat(np.arange(n), seeds), []
    for dead, share in product(DEAD, (0.0, *SHARES)):
        pairs = killed(latent(np.random.default_rng(0), 1, 400_000, 2, share), dead)[0]
        ranks = rankdata(pairs).reshape(pairs.shape).T
        truth = 1.0 if share == 0 else 1 - np.corrcoef(ranks)[0, 1]
        scores = killed(latent(rng, runs, n, seeds, share), dead)
        found.append(np.mean([holds(share_within(each.ravel(), units)[1], truth) for each in scores]))
    return np.array(found)


def false_alarms(suites: int, architectures: int, seeds: int, methods: int = 3) -> float:
    """Give the share of suites in which some pair of identical methods is called different: Holm's p under .05.

    All methods of a suite share the architectures' effects, and each success is as likely for every one.
    """
    rng, units = np.random.default_rng(architectures), np.repeat(np.arange(architectures), seeds)
    own = rng.standard_normal((suites, architectures, 1))
    won = np.stack([latent(rng, suites, architectures, seeds, 0.5, own) < 0.3 for _ in range(methods)], axis=1)
    pairs = list(combinations(range(methods), 2))
    family = [[paired_p(each[a].ravel(), each[b].ravel(), units) for a, b in pairs] for each in won]
    return float(np.mean([np.nanmin([1.0, *holm(values)]) < 0.05 for values in family]))
