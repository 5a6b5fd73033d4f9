"""How many pairs a comparison needs: published numbers, and the exact law by brute force."""

from __future__ import annotations

import itertools

import pytest
from ganbench.statistics.paired_tests import mcnemar_exact
from ganbench.statistics.pairs_needed import mcnemar_formula, mcnemar_pairs, mcnemar_power, noether_pairs
from scipy.stats import multinomial


@pytest.mark.parametrize(("probability", "pairs"), [(0.75, 29), (0.7, 46), (0.6, 181)])
def test_noethers_pairs(probability: float, pairs: int) -> None:
    """At .75 it is the 29 of Bouthillier et al. 2021."""
    assert noether_pairs(probability) == pairs


@pytest.mark.parametrize(
    ("only_a", "only_b", "pairs"),
    [(0, 8 / 200, 194), (1 / 200, 88 / 200, 16), (1 / 200, 104 / 200, 13), (0.2, 0.1, 234)],
)
def test_the_formula_at_the_rates_of_the_wgan_gp_paper(only_a: float, only_b: float, pairs: int) -> None:
    assert mcnemar_formula(only_a, only_b) == mcnemar_formula(only_b, only_a) == pairs


@pytest.mark.parametrize(("n", "power"), [(20, 0.046), (48, 0.170), (100, 0.373), (200, 0.703)])
def test_the_exact_tests_power(n: int, power: float) -> None:
    assert mcnemar_power(n, 0.2, 0.1) == pytest.approx(power, abs=5e-4)


def test_the_power_is_the_sum_over_all_paired_tables() -> None:
    n, cells = 9, (0.6, 0.1, 0.3)
    total = sum(
        multinomial.pmf([a, b, n - a - b], n, cells)
        for a, b in itertools.product(range(n + 1), repeat=2)
        if 0 < a + b <= n and mcnemar_exact(a, b) <= 0.05
    )
    assert mcnemar_power(n, 0.6, 0.1) == pytest.approx(total)


def test_the_exact_test_needs_more_pairs_and_then_has_the_power() -> None:
    n = mcnemar_pairs(0.2, 0.1)
    assert 234 < n < 260
    assert mcnemar_power(n, 0.2, 0.1) >= 0.8 > mcnemar_power(n - 1, 0.2, 0.1)


def test_beyond_a_thousand_pairs_the_formula_answers() -> None:
    assert mcnemar_pairs(0.21, 0.2) == mcnemar_formula(0.21, 0.2) > 1000


@pytest.mark.parametrize("rates", [(0.1, 0.1), (-0.1, 0.2), (0.7, 0.4)])
def test_no_effect_and_no_rates_are_refused(rates: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="not two different probabilities"):
        mcnemar_pairs(*rates)
    with pytest.raises(ValueError, match="not a probability above one half"):
        noether_pairs(0.5)
