"""Logistic regression with Firth's penalised likelihood: its estimates are finite also if a factor decides everything.

Functions of plain arrays: `design` [n, p] has a column per coefficient, `successes` and `trials` [n] are counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganbench.statistics.intervals import NO_INTERVAL, Interval

Floats = NDArray[np.float64]
ITERATIONS, TOLERANCE = 200, 1e-6
"""Newton steps at most, and the gradient (and distance from a likelihood) at which they end."""

LONGEST_STEPS = (5.0, 1.0, 0.2)
"""The largest change of a coefficient in one step; a profile that does not converge is tried with the next one."""


@dataclass(frozen=True)
class Likelihood:
    """The penalised likelihood at some coefficients: its logarithm, its gradient [p] and the inverse information."""

    log: float
    gradient: Floats
    covariance: Floats


@dataclass(frozen=True)
class Firth:
    """A logistic model of counts, whose likelihood is raised to the power `weight` and penalised.

    log L* = weight * log L + log det(I) / 2, with the information I = weight * X' diag(m p (1 - p)) X (D. Firth,
    Biometrika 80, 1993): Jeffreys' prior. A `weight` below 1 is one over the dispersion of clustered trials (P.
    McCullagh, J. A. Nelder, Generalized Linear Models, 1989, section 4.5), and `freedom` are the degrees of freedom
    of that estimate: then intervals and p are by Student's t in place of the normal distribution.
    """

    design: Floats
    successes: Floats
    trials: Floats
    weight: float = 1.0
    freedom: float = np.inf

    def evaluate(self, coefficients: Floats) -> Likelihood:
        """Return the penalised likelihood at these coefficients [p]; LinAlgError if the information is singular."""
        from scipy.special import expit, log_expit

        linear = self.design @ coefficients
        rates = expit(linear)
        rooted = self.design * np.sqrt(self.weight * self.trials * rates * (1 - rates))[:, None]
        lower = np.linalg.cholesky(rooted.T @ rooted)
        inverse = np.linalg.inv(lower)
        hats = ((rooted @ inverse.T) ** 2).sum(axis=1)
        failures = self.trials - self.successes
        log = self.weight * float(self.successes @ log_expit(linear) + failures @ log_expit(-linear))
        residuals = self.weight * (self.successes - self.trials * rates) + hats * (0.5 - rates)
        return Likelihood(log + float(np.log(np.diag(lower)).sum()), self.design.T @ residuals, inverse.T @ inverse)

    def maximise(self, start: Floats | None = None, fixed: int | None = None) -> tuple[Floats, Likelihood]:
        """Return the coefficients [p] that maximise the likelihood, and its value; `fixed` is one that stays as it is.

        Raise LinAlgError if the information is singular, or if Newton's method does not converge.
        """
        place = np.zeros(self.design.shape[1]) if start is None else start.copy()
        free = np.arange(len(place)) != (-1 if fixed is None else fixed)
        here = self.evaluate(place)
        for _ in range(ITERATIONS):
            if np.abs(here.gradient[free]).max(initial=0.0) < TOLERANCE:
                return place, here
            step = np.zeros(len(place))
            covariance = here.covariance[np.ix_(free, free)]
            if fixed is not None:  # the inverse of the information of the others, from that of all
                column = here.covariance[free, fixed]
                covariance = covariance - np.outer(column, column) / here.covariance[fixed, fixed]
            step[free] = covariance @ here.gradient[free]
            step *= min(1.0, LONGEST_STEPS[0] / max(np.abs(step).max(), 1e-300))
            place, here = self._ascend(place, here, step)
        raise np.linalg.LinAlgError("Newton's method does not converge")

    def _ascend(self, place: Floats, here: Likelihood, step: Floats) -> tuple[Floats, Likelihood]:
        """Return the coefficients after a step, halved until the likelihood does not fall, and the likelihood there."""
        for _ in range(30):
            there = self.evaluate(place + step)
            if there.log >= here.log - 1e-10 * max(1.0, abs(here.log)):
                return place + step, there
            step = step / 2
        raise np.linalg.LinAlgError("no step raises the likelihood")

    def profile(self, best: Floats, index: int, level: float = 0.95) -> Interval:
        """Return the interval of a coefficient from its profile penalised likelihood, around the maximum `best` [p].

        G. Heinze, M. Schemper, Statistics in Medicine 21 (2002); found by the method of D. J. Venzon and S. H.
        Moolgavkar, Applied Statistics 37 (1988). NaN if it does not converge.
        """
        from scipy.stats import t

        target = self.evaluate(best).log - float(t.ppf((1 + level) / 2, self.freedom)) ** 2 / 2
        try:
            return Interval(*(self._find_end(best, index, target, sign) for sign in (-1.0, 1.0)))
        except np.linalg.LinAlgError:
            return NO_INTERVAL

    def _find_end(self, best: Floats, index: int, target: float, sign: float) -> float:
        """Return the end of the profile interval below (`sign` -1) or above (1) the maximum."""
        for longest in LONGEST_STEPS:
            place = best
            for _ in range(ITERATIONS):
                here = self.evaluate(place)
                rest = np.delete(here.gradient, index)
                if max(abs(here.log - target), np.abs(rest).max(initial=0.0)) < TOLERANCE:
                    return float(place[index])
                across = float(here.gradient @ here.covariance @ here.gradient)
                square = (2 * (here.log - target) + across) / here.covariance[index, index]
                gradient = here.gradient.copy()
                gradient[index] += sign * np.sqrt(max(0.0, square))
                step = here.covariance @ gradient
                place = place + step * min(1.0, longest / max(np.abs(step).max(), 1e-300))
        raise np.linalg.LinAlgError("the profile likelihood does not converge")

    def test(self, best: Likelihood, coefficients: Floats, index: int) -> float:
        """Return the p-value of a coefficient of 0 by the penalised likelihood ratio; `best` is the maximum."""
        from scipy.stats import t

        start = coefficients.copy()
        start[index] = 0.0
        _, without = self.maximise(start, fixed=index)
        return float(2 * t.sf(np.sqrt(max(0.0, 2 * (best.log - without.log))), self.freedom))
