"""The table [[claim]]: what a test needs, what it does not read, and names that the suite does not have."""

from __future__ import annotations

from typing import Any

import pytest
from ganbench import GanbenchError
from ganbench.suite.claims import least_p
from ganbench.suite.loading import parse

from tests.support.tiny_suite import suite as small

LESS = {"text": "so", "test": "less", "value": "modes", "method": "ns-gan", "than": {"method": "wgan-gp"}}


@pytest.mark.parametrize(
    ("claim", "fragments"),
    [
        ({"text": "so"}, ["claim[0].test: missing"]),
        (LESS | {"test": "smaller"}, ["claim[0].test = 'smaller': it should be 'converges'"]),
        (LESS | {"than": None}, ["claim[0].than: write exactly one of `than` (another value) and `target` (a number)"]),
        (LESS | {"target": 3.0}, ["claim[0].than: write exactly one of"]),
        (LESS | {"than": {}}, ["claim[0].than: it is empty, so nothing differs. Say what does."]),
        (LESS | {"value": None}, ["claim[0].value: missing. The test 'less' needs it."]),
        (
            LESS | {"where": {"depth": 2}, "than": {"where": {"width": 16}}},
            ["claim[0].than.where", "both sides must name the same factors"],
        ),
        (LESS | {"tolerance": 0.1}, ["claim[0].tolerance = 0.1: the test 'less' does not read it; it belongs to conv"]),
        (LESS | {"factor": 0.5}, ["claim[0].factor = 0.5: it should be greater than or equal to 1"]),
        (LESS | {"rate": 1.0}, ["claim[0].rate = 1.0: it should be less than 1"]),
        (LESS | {"method": "wgan"}, ["claim[0].method = 'wgan': no method of this suite called 'wgan'."]),
        (LESS | {"than": {"method": "wgan-pg"}}, ["claim[0].than.method = 'wgan-pg'", "Did you mean 'wgan-gp'?"]),
        (
            LESS | {"dataset": "rings"},
            ["claim[0].dataset = 'rings': no [[dataset]] called 'rings'. Did you mean 'ring'?"],
        ),
        (LESS | {"test": "within"}, ["claim[0].tolerance: missing. The test 'within' needs it."]),
        ({"text": "so", "test": "always"}, ["claim[0].condition: write exactly one of `condition` and `outcome`."]),
        ({"text": "so", "test": "absent", "condition": "modes >"}, ["claim[0].condition = 'modes >': ", "a number"]),
        (
            {"text": "so", "test": "monotone", "value": "modes", "direction": "up"},
            ["claim[0].direction = 'up': it should be 'rises', 'falls' or 'neither'"],
        ),
        (
            {"text": "so", "test": "monotone", "value": "modes", "direction": "rises", "along": "methods"},
            ["claim[0].order: along = 'methods' needs at least four of them"],
        ),
        (
            {"text": "so", "test": "monotone", "value": "modes", "direction": "rises", "along": "trials"},
            ["claim[0].along = 'trials': trials have no order"],
        ),
    ],
)
def test_a_claim_that_is_not_whole_is_refused(claim: dict[str, Any], fragments: list[str]) -> None:
    table = {key: value for key, value in claim.items() if value is not None}
    with pytest.raises(GanbenchError) as error:
        parse(small(claim=[table]), "s.toml")
    for fragment in fragments:
        assert fragment in str(error.value)


def test_a_claim_defaults_to_the_final_score_and_half_of_the_units() -> None:
    (claim,) = parse(small(claim=[LESS])).claim
    assert (claim.at, claim.rate, claim.inference, claim.factor) == ("final", 0.5, True, None)


def test_the_least_p_value_is_that_of_all_units() -> None:
    """All of ten: 2 x 2^-10 at the rate 1/2; at the rate .9 for it 2 x .9^10, against it 2 x .1^10."""
    (claim,) = parse(small(claim=[LESS])).claim
    assert least_p(claim, 10) == pytest.approx((2 * 2**-10, 2 * 2**-10))
    high = claim.model_copy(update={"rate": 0.9})
    assert least_p(high, 10) == pytest.approx((2 * 0.9**10, 2 * 0.1**10))
    absent = claim.model_copy(update={"rate": 0.9, "test": "absent"})
    assert least_p(absent, 10) == pytest.approx((2 * 0.1**10, 2 * 0.9**10))
