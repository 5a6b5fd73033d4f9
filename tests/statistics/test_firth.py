"""Firth's penalised likelihood: closed forms, brute force, and ordinary logistic regression where nothing separates."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from ganbench.statistics.firth import Firth
from scipy.optimize import minimize
from scipy.stats import chi2
from statsmodels.discrete.discrete_model import Logit


def make_model(seed: int, n: int = 40, weight: float = 1.0, *, separated: bool = False) -> Firth:
    """Return a model with two factors of two levels; if `separated`, the first decides success alone."""
    rng = np.random.default_rng(seed)
    factors = rng.integers(0, 2, (n, 2))
    success = factors[:, 0] if separated else rng.random(n) < 0.2 + 0.5 * factors[:, 0]
    return Firth(np.column_stack([np.ones(n), factors]).astype(float), success.astype(float), np.ones(n), weight)


@pytest.mark.parametrize("table", list(product((0, 3, 8), (0, 1, 10))))
def test_the_odds_ratio_of_two_levels_is_that_with_half_a_trial_added_to_every_cell(table: tuple[int, int]) -> None:
    """For a saturated model Jeffreys' prior adds 1/2 to each cell (Firth 1993, section 3; Haldane 1956)."""
    (a, b), (m, n) = table, (8, 10)
    model = Firth(np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([a, b], float), np.array([m, n], float))
    (_, slope), _ = model.maximise()
    assert np.exp(slope) == pytest.approx((b + 0.5) * (m - a + 0.5) / ((a + 0.5) * (n - b + 0.5)), rel=1e-5)


@pytest.mark.parametrize("separated", [False, True])
@pytest.mark.parametrize("weight", [1.0, 0.4])
def test_the_maximum_is_that_of_brute_force(separated: bool, weight: float) -> None:
    model = make_model(1, weight=weight, separated=separated)

    def penalised(coefficients: np.ndarray) -> float:
        """Return the negative penalised likelihood, from its definition."""
        rates = 1 / (1 + np.exp(-model.design @ coefficients))
        log = weight * float(np.log(np.where(model.successes > 0, rates, 1 - rates)).sum())
        information = weight * model.design.T @ (model.design * (rates * (1 - rates))[:, None])
        return -log - 0.5 * float(np.log(np.linalg.det(information)))

    best, top = model.maximise()
    brute = minimize(penalised, np.zeros(3), method="BFGS", options={"gtol": 1e-8})
    assert best == pytest.approx(brute.x, abs=1e-3)
    assert top.log == pytest.approx(-brute.fun, abs=1e-6)
    assert np.isfinite(best).all()


def profile_likelihood(model: Firth, index: int, value: float) -> float:
    """Return the highest penalised likelihood with one of three coefficients fixed, by several simplexes."""
    free = [place for place in range(3) if place != index]

    def negative(others: np.ndarray) -> float:
        coefficients = np.empty(3)
        coefficients[index], coefficients[free] = value, others
        return -model.evaluate(coefficients).log

    options = {"xatol": 1e-8, "fatol": 1e-10}
    starts = product((-5.0, -2.0, 2.0), (-2.0, 2.0))
    return -min(float(minimize(negative, start, method="Nelder-Mead", options=options).fun) for start in starts)


@pytest.mark.parametrize(("seed", "separated"), [(1, False), (2, False), (3, True), (4, True)])
def test_the_profile_interval_ends_where_the_likelihood_ratio_does_and_its_p_agrees(seed: int, separated: bool) -> None:
    model = make_model(seed, separated=separated)
    best, top = model.maximise()
    for index in (1, 2):
        low, high = model.profile(best, index)
        assert low < best[index] < high
        for end in (low, high):
            assert 2 * (top.log - profile_likelihood(model, index, end)) == pytest.approx(chi2.ppf(0.95, 1), abs=1e-4)
        p = model.test(top, best, index)
        ratio = 2 * (top.log - profile_likelihood(model, index, 0.0))
        assert p == pytest.approx(float(chi2.sf(ratio, 1)), abs=1e-5)
        assert (p < 0.05) == (not low < 0 < high)


def test_without_separation_and_with_many_trials_it_is_ordinary_logistic_regression() -> None:
    model = make_model(5, n=4000)
    best, top = model.maximise()
    known = Logit(model.successes, model.design).fit(disp=0)
    errors = np.sqrt(np.diag(top.covariance))
    assert np.abs(best - known.params).max() < 0.01
    assert errors == pytest.approx(known.bse, rel=0.01)
    for index in (1, 2):
        wald = known.conf_int()[index]
        assert model.profile(best, index) == pytest.approx(tuple(wald), abs=0.02)


def test_grouped_trials_have_the_likelihood_of_single_ones() -> None:
    single = make_model(6)
    patterns, group = np.unique(single.design, axis=0, return_inverse=True)
    counts = [np.bincount(group.ravel(), weights) for weights in (single.successes, single.trials)]
    grouped = Firth(patterns, *counts)
    best, _ = single.maximise()
    assert grouped.maximise()[0] == pytest.approx(best, abs=1e-5)
    assert grouped.profile(best, 1) == pytest.approx(tuple(single.profile(best, 1)), abs=1e-4)


def test_a_design_whose_columns_depend_on_each_other_is_refused() -> None:
    model = make_model(7)
    doubled = Firth(np.column_stack([model.design, model.design[:, 1]]), model.successes, model.trials)
    with pytest.raises(np.linalg.LinAlgError):
        doubled.maximise()
