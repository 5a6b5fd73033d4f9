"""Simulated trials whose true survival curve, or true odds ratio, is known: how often do our intervals contain it?

Latent scores are those of `simulated_results`: normal, and the architecture has a share of their variance. Every
function returns the coverage of each of its cases.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
from ganbench.statistics.factors import fit_factors
from ganbench.statistics.survival import survival_curve
from scipy.special import logit
from scipy.stats import norm

from tests.support.simulated_results import SHARES, Floats, contains, draw_scores

CENSORED = (0.0, 0.3)
"""The shares of trials that are lost at a random step."""

LEFT = (0.9, 0.5, 0.2)
"""The true shares in which the outcome has not begun, at whose steps the coverage is counted."""

STEPS = 1000
LEVEL_RATES = [(0.3, 0.3), (0.1, 0.3), (0.3, 0.7), (0.1, 0.9)]
"""The success rates of the two levels of a factor."""


def survival_coverage(n: int, seeds: int, runs: int) -> Floats:
    """Return the coverage for CENSORED x SHARES x LEFT of the interval of a share: outcomes begin at uniform steps."""
    rng, units, coverage = np.random.default_rng(n), np.repeat(np.arange(n), seeds), []
    for censored, share in product(CENSORED, SHARES if seeds > 1 else SHARES[:1]):
        begins = np.ceil(STEPS * norm.cdf(draw_scores(rng, runs, n, seeds, share))).reshape(runs, -1)
        lost = np.where(rng.random(begins.shape) < censored, rng.integers(1, STEPS, begins.shape), STEPS)
        hits = np.zeros(len(LEFT))
        for begin, end in zip(begins, lost, strict=True):
            curve = survival_curve(np.minimum(begin, end), begin <= end, units)
            for place, left in enumerate(LEFT):
                row = curve[curve["step"] <= STEPS * (1 - left)].iloc[-1]
                hits[place] += contains((row["low"], row["high"]), left)
        coverage.extend(hits / runs)
    return np.array(coverage)


def odds_coverage(n: int, seeds: int, runs: int) -> Floats:
    """Return the coverage for LEVEL_RATES x SHARES of the interval of an odds ratio; the levels are equally likely."""
    rng, coverage = np.random.default_rng(n), []
    levels = np.arange(n) % 2
    for rates, share in product(LEVEL_RATES, SHARES if seeds > 1 else SHARES[:1]):
        thresholds = norm.ppf(np.array(rates))[levels][:, None]
        successes = (draw_scores(rng, runs, n, seeds, share) < thresholds).sum(axis=2)
        truth, hits = float(np.exp(logit(rates[1]) - logit(rates[0]))), []
        for counts in successes:
            table = pd.DataFrame({"factor": levels, "successes": counts, "trials": seeds})
            (row,) = fit_factors(table, {"factor": np.array([0, 1])}, "")
            hits.append("odds_ratio" in row and contains((row["low"], row["high"]), truth))
        coverage.append(np.mean(hits))
    return np.array(coverage)
