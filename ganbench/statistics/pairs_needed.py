"""How many pairs a comparison needs to find an effect that was declared before; never one that was observed."""

from __future__ import annotations

import math

import numpy as np

MOST_EXACT = 1000
"""The most pairs for which the power of the exact test is summed; beyond, the formula is as good."""

POWER = 0.8
"""The power that is asked for."""


def noether_pairs(probability: float, alpha: float = 0.05, power: float = 0.95) -> int:
    """Return how many pairs show, one-sided at `alpha`, that A outperforms B with this probability (above one half).

    G. E. Noether, JASA 82 (1987): ceil(((z_(1-alpha) + z_power) / (sqrt(6) (probability - 1/2)))^2). With .75 it is 29,
    as X. Bouthillier et al. (MLSys 2021) recommend. Raise ValueError unless the probability lies above one half.
    """
    from scipy.special import ndtri

    if not 0.5 < probability <= 1:
        raise ValueError(f"{probability} is not a probability above one half")
    return math.ceil(((ndtri(1 - alpha) + ndtri(power)) / (math.sqrt(6) * (probability - 0.5))) ** 2)


def mcnemar_pairs(only_a: float, only_b: float, alpha: float = 0.05, power: float = POWER) -> int:
    """Return how many pairs McNemar's exact test needs to find the difference only_a - only_b, two-sided at `alpha`.

    `only_a` and `only_b` are the probabilities that only A, or only B, succeeds on a pair. The number is the least near
    the formula of `mcnemar_formula` at which the power of the exact test (`mcnemar_power`) is reached, while it is at
    most `MOST_EXACT`; else it is that of the formula. Raise ValueError if the two are equal.
    """
    n = mcnemar_formula(only_a, only_b, alpha, power)
    if n > MOST_EXACT:
        return n
    while n > 1 and mcnemar_power(n - 1, only_a, only_b, alpha) >= power:
        n -= 1
    while n <= MOST_EXACT and mcnemar_power(n, only_a, only_b, alpha) < power:
        n += 1
    return n


def mcnemar_formula(only_a: float, only_b: float, alpha: float = 0.05, power: float = POWER) -> int:
    """Return how many pairs McNemar's asymptotic test needs.

    It is ceil((z_(1-alpha/2) sqrt(s) + z_power sqrt(s - d^2))^2 / d^2) with the sum s of the two probabilities of
    discordant pairs and their difference d (R. J. Connor, Biometrics 43, 1987). Raise ValueError if they are equal.
    """
    from scipy.special import ndtri

    s, d = only_a + only_b, only_a - only_b
    if not d or min(only_a, only_b) < 0 or s > 1 + 1e-12:
        raise ValueError(f"{only_a} and {only_b} are not two different probabilities of discordant pairs")
    root = float(ndtri(1 - alpha / 2)) * math.sqrt(s) + float(ndtri(power)) * math.sqrt(max(0.0, s - d * d))
    return math.ceil(root**2 / d**2 - 1e-9)


def mcnemar_power(n: int, only_a: float, only_b: float, alpha: float = 0.05) -> float:
    """Return the power of McNemar's exact two-sided test with n pairs, summed over all numbers of discordant pairs."""
    from scipy.stats import binom

    s = min(1.0, only_a + only_b)
    discordant = np.arange(1, n + 1)
    most = binom.ppf(alpha / 2, discordant, 0.5)  # the first count with P(X <= most) >= alpha / 2
    most = np.where(binom.cdf(most, discordant, 0.5) <= alpha / 2, most, most - 1)
    part = only_a / s
    rejected = binom.cdf(most, discordant, part) + binom.sf(discordant - most - 1, discordant, part)
    return float(np.sum(binom.pmf(discordant, n, s) * np.where(most < 0, 0.0, rejected)))
