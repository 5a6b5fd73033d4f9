"""Simulated results whose true values are known: how often do our intervals contain them?

A trial's latent score is normal with variance 1, and the architecture has a share of that variance. A threshold turns
the score into a success, and trials with the highest scores have failed. Every `*_coverage` function returns the
coverage of each of its cases: the share of the runs in which the interval contains the true value.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, product

import numpy as np
from ganbench.statistics.equivalence import equivalence_interval, is_within
from ganbench.statistics.interquartile import interquartile_interval
from ganbench.statistics.intervals import Interval, curve_half_width, paired_difference, wilson
from ganbench.statistics.outperformance import paired_outperformance
from ganbench.statistics.paired_tests import holm
from ganbench.statistics.success_rates import paired_p
from ganbench.statistics.variance import share_within
from numpy.typing import NDArray
from scipy.stats import binom, multinomial, multivariate_normal, norm, rankdata

Floats = NDArray[np.float64]
SUCCESS_RATES = [
    (0.1, 0.1),
    (0.3, 0.3),
    (0.5, 0.5),
    (0.9, 0.9),
    (0.1, 0.3),
    (0.1, 0.9),
    (0.3, 0.5),
    (0.5, 0.9),
    (0.05, 0.5),
]
BASE_RATES = (0.3, 0.5, 0.7)
"""The mean of the success rates of two methods that are called equal or not."""

CORRELATIONS = (0.0, 0.5, 0.9)
SHARES = (0.3, 0.8)
FAILED_SHARES = (0.0, 0.15, 0.5)
ADVANTAGES = (0.0, 0.5, 1.0)


def draw_scores(
    rng: np.random.Generator, runs: int, n: int, seeds: int, share: float, effects: Floats | None = None
) -> Floats:
    """Draw scores [runs, n, seeds]; the architectures' `effects` [runs, n, 1] have this share of their variance."""
    effects = rng.standard_normal((runs, n, 1)) if effects is None else effects
    return np.sqrt(share) * effects + np.sqrt(1 - share) * rng.standard_normal((runs, n, seeds))


def with_failures(scores: Floats, failed: float) -> Floats:
    """Return the scores with infinity in place of the highest ones; `failed` is their share of the distribution."""
    return np.where(scores > norm.ppf(1 - failed), np.inf, scores)


def contains(interval: tuple[float, float], truth: float) -> bool:
    return interval[0] - 1e-9 <= truth <= interval[1] + 1e-9


def wilson_coverage(n: int) -> Floats:
    """Return the exact coverage of Wilson's interval for success rates from .05 to .95: a sum over all outcomes."""
    counts, rates = np.arange(n + 1), np.linspace(0.05, 0.95, 181)
    ends = np.array([wilson(count, n) for count in counts])
    inside = (ends[:, :1] <= rates) & (rates <= ends[:, 1:])
    return (binom.pmf(counts[:, None], n, rates) * inside).sum(axis=0)


def exact_difference_coverage(n: int) -> Floats:
    """Return the exact coverage for SUCCESS_RATES x CORRELATIONS of the latent scores, with one seed.

    It is a sum over all paired tables.
    """
    tables, ends = paired_tables(n, paired_difference)
    coverage = []
    for (p, q), correlation in product(SUCCESS_RATES, CORRELATIONS):
        inside = (ends[:, 0] <= p - q + 1e-9) & (p - q - 1e-9 <= ends[:, 1])
        coverage.append(table_weights(tables, p, q, correlation)[inside].sum())
    return np.array(coverage)


def paired_tables(n: int, interval: Callable[..., Interval]) -> tuple[NDArray[np.int64], Floats]:
    """Return all counts of n pairs (both, only A, only B, neither) [tables, 4], and their intervals [tables, 2]."""
    tables = np.array(
        [(a, b, c, n - a - b - c) for a in range(n + 1) for b in range(n + 1 - a) for c in range(n + 1 - a - b)]
    )
    cells = np.array([[1, 1], [1, 0], [0, 1], [0, 0]])
    ends = np.array([interval(*np.repeat(cells, table, axis=0).T, np.arange(n)) for table in tables])
    return tables, ends


def table_weights(tables: NDArray[np.int64], p: float, q: float, correlation: float) -> Floats:
    """Return the probabilities of paired tables for success rates p, q and this correlation of the latent scores."""
    distribution = multivariate_normal([0, 0], [[1, correlation], [correlation, 1]])
    both = float(distribution.cdf([norm.ppf(p), norm.ppf(q)]))
    probabilities = np.maximum([both, p - both, q - both, 1 - p - q + both], 1e-12)
    weights: Floats = multinomial.pmf(tables, int(tables[0].sum()), probabilities / probabilities.sum())
    return weights


def exact_equivalence_rates(n: int, delta: float, difference: float) -> Floats:
    """Return how often methods are called equal within `delta` whose rates differ by `difference`, with one seed.

    It is a sum over all paired tables, for BASE_RATES x CORRELATIONS.
    """
    tables, ends = paired_tables(n, equivalence_interval)
    equal = np.array([is_within(Interval(*pair), delta) for pair in ends])
    return np.array(
        [
            table_weights(tables, rate + difference / 2, rate - difference / 2, correlation)[equal].sum()
            for rate, correlation in product(BASE_RATES, CORRELATIONS)
        ]
    )


def equivalence_rates(n: int, seeds: int, runs: int, delta: float, difference: float) -> Floats:
    """Return the same for several seeds, by simulation, for BASE_RATES x CORRELATIONS of the effects x SHARES."""
    rng, rates = np.random.default_rng(n), []
    units = np.repeat(np.arange(n), seeds)
    for rate, correlation, share in product(BASE_RATES, CORRELATIONS, SHARES):
        effects = rng.standard_normal((runs, n, 1))
        other = correlation * effects + np.sqrt(1 - correlation**2) * rng.standard_normal((runs, n, 1))
        a = draw_scores(rng, runs, n, seeds, share, effects) < norm.ppf(rate + difference / 2)
        b = draw_scores(rng, runs, n, seeds, share, other) < norm.ppf(rate - difference / 2)
        intervals = [equivalence_interval(x.ravel(), y.ravel(), units) for x, y in zip(a, b, strict=True)]
        rates.append(np.mean([is_within(each, delta) for each in intervals]))
    return np.array(rates)


def difference_coverage(n: int, seeds: int, runs: int) -> Floats:
    """Return the coverage for SUCCESS_RATES x CORRELATIONS of the architectures' effects x SHARES, by simulation."""
    rng, coverage = np.random.default_rng(n), []
    units = np.repeat(np.arange(n), seeds)
    for (p, q), correlation, share in product(SUCCESS_RATES, CORRELATIONS, SHARES):
        effects = rng.standard_normal((runs, n, 1))
        other = correlation * effects + np.sqrt(1 - correlation**2) * rng.standard_normal((runs, n, 1))
        a = draw_scores(rng, runs, n, seeds, share, effects) < norm.ppf(p)
        b = draw_scores(rng, runs, n, seeds, share, other) < norm.ppf(q)
        hits = [contains(paired_difference(x.ravel(), y.ravel(), units), p - q) for x, y in zip(a, b, strict=True)]
        coverage.append(np.mean(hits))
    return np.array(coverage)


def median_coverage(
    n: int, seeds: int, runs: int, interval: Callable[..., Interval], skewed: bool, failed: float
) -> Floats:
    """Return the coverage for SHARES of an interval of the median of normal scores or, if `skewed`, log-normal ones."""
    rng, units, coverage = np.random.default_rng(n), np.repeat(np.arange(n), seeds), []
    for share in SHARES if seeds > 1 else SHARES[:1]:
        scores = with_failures(draw_scores(rng, runs, n, seeds, share), failed)
        scores = np.exp(scores) if skewed else scores
        coverage.append(np.mean([contains(interval(each.ravel(), units), float(skewed)) for each in scores]))
    return np.array(coverage)


def outperformance_coverage(n: int, seeds: int, runs: int) -> Floats:
    """Return the coverage for ADVANTAGES of A x CORRELATIONS of the architectures' effects x SHARES."""
    rng, coverage = np.random.default_rng(n), []
    units = np.repeat(np.arange(n), seeds)
    for advantage, correlation, share in product(ADVANTAGES, CORRELATIONS, SHARES):
        effects = rng.standard_normal((runs, n, 1))
        other = correlation * effects + np.sqrt(1 - correlation**2) * rng.standard_normal((runs, n, 1))
        a = draw_scores(rng, runs, n, seeds, share, effects) - advantage
        b = draw_scores(rng, runs, n, seeds, share, other)
        truth = float(norm.cdf(advantage / np.sqrt(2 * (1 - share * correlation))))
        found = (paired_outperformance(x.ravel(), y.ravel(), units).interval for x, y in zip(a, b, strict=True))
        coverage.append(np.mean([contains(interval, truth) for interval in found]))
    return np.array(coverage)


def interquartile_coverage(n: int, seeds: int, runs: int, skewed: bool, failed: float) -> Floats:
    """Return the coverage for SHARES of the interval of the interquartile mean of normal or log-normal scores."""
    rng, units, coverage = np.random.default_rng(n), np.repeat(np.arange(n), seeds), []
    quartile = norm.ppf(0.75)
    truth = np.exp(0.5) * 2 * (norm.cdf(quartile - 1) - norm.cdf(-quartile - 1)) if skewed else 0.0
    for share in SHARES if seeds > 1 else SHARES[:1]:
        scores = with_failures(draw_scores(rng, runs, n, seeds, share), failed)
        scores = np.exp(scores) if skewed else scores
        found = (interquartile_interval(each.ravel(), units, resamples=999) for each in scores)
        coverage.append(np.mean([contains(interval, float(truth)) for interval in found]))
    return np.array(coverage)


def curve_coverage(n: int, seeds: int, runs: int) -> Floats:
    """Return the coverage for FAILED_SHARES x SHARES of the band, which must contain the curve at every threshold."""
    rng, units, coverage = np.random.default_rng(n), np.repeat(np.arange(n), seeds), []
    for failed, share in product(FAILED_SHARES, SHARES if seeds > 1 else SHARES[:1]):
        scores = with_failures(draw_scores(rng, runs, n, seeds, share), failed)
        half_widths = np.array([curve_half_width(each.ravel(), units) for each in scores])
        deviations = largest_deviation(np.sort(scores.reshape(runs, -1), axis=1), failed)
        coverage.append(np.mean(deviations <= half_widths))
    return np.array(coverage)


def largest_deviation(ordered: Floats, failed: float) -> Floats:
    """Return the largest distance of each run's curve from the true one over all thresholds [runs]; rows are sorted."""
    finite = np.isfinite(ordered)
    steps = np.arange(ordered.shape[1] + 1) / ordered.shape[1]
    below, upto = np.where(finite, steps[:-1], 0), np.where(finite, steps[1:], 0)
    truth = np.where(finite, norm.cdf(np.where(finite, ordered, 0)), 0)
    at_end = np.abs(finite.mean(axis=1) - (1 - failed))
    return np.maximum(np.maximum(np.abs(below - truth), np.abs(upto - truth)).max(axis=1), at_end)


def seed_share_coverage(n: int, seeds: int, runs: int) -> Floats:
    """Return the coverage for FAILED_SHARES x (0, *SHARES) of the between-seed share.

    Its true value is computed from 400,000 pairs of seeds.
    """
    rng, units, coverage = np.random.default_rng(n), np.repeat(np.arange(n), seeds), []
    for failed, share in product(FAILED_SHARES, (0.0, *SHARES)):
        pairs = with_failures(draw_scores(np.random.default_rng(0), 1, 400_000, 2, share), failed)[0]
        ranks = rankdata(pairs).reshape(pairs.shape).T
        truth = 1.0 if share == 0 else 1 - np.corrcoef(ranks)[0, 1]
        scores = with_failures(draw_scores(rng, runs, n, seeds, share), failed)
        coverage.append(np.mean([contains(share_within(each.ravel(), units)[1], truth) for each in scores]))
    return np.array(coverage)


def false_alarm_rate(suites: int, architectures: int, seeds: int, methods: int = 3) -> float:
    """Return the share of suites in which a pair of identical methods is called different: Holm's p is below .05.

    All methods of a suite share the architectures' effects, and have the same probability of success.
    """
    rng, units = np.random.default_rng(architectures), np.repeat(np.arange(architectures), seeds)
    effects = rng.standard_normal((suites, architectures, 1))
    success = np.stack(
        [draw_scores(rng, suites, architectures, seeds, 0.5, effects) < 0.3 for _ in range(methods)], axis=1
    )
    pairs = list(combinations(range(methods), 2))
    family = [[paired_p(each[a].ravel(), each[b].ravel(), units) for a, b in pairs] for each in success]
    return float(np.mean([np.nanmin([1.0, *holm(values)]) < 0.05 for values in family]))
