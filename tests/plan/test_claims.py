"""A claim that could not be tested, or could not be otherwise, is refused when the suite is planned."""

from __future__ import annotations

from typing import Any

import pytest
from ganbench import GanbenchError, registry

from tests.support.tiny_suite import plan_small

PLUGINS = registry.load()
LESS: dict[str, Any] = {
    "text": "so",
    "test": "less",
    "value": "modes",
    "method": "ns-gan",
    "than": {"method": "wgan-gp"},
    "inference": False,
}
ONE_DEPTH = {"depths": [2], "activations": ["relu"], "normalised": [False]}
WIDTHS = {"architectures": {"space": "random-mlp", "sample": 4, "options": ONE_DEPTH | {"widths": [8, 16]}}}
TWO = [{"name": "ring"}, {"name": "grid"}]


@pytest.mark.parametrize(
    ("claim", "changes", "fragments"),
    [
        (LESS | {"than": {"method": "ns-gan"}}, {}, ["claim[0]: both sides are equal, so it cannot be otherwise."]),
        (LESS | {"value": "mode"}, {}, ["no value of 'ns-gan' on 'ring' called 'mode'. Did you mean 'modes'?"]),
        (LESS | {"than": {"value": "loss.critics"}}, {}, ["called 'loss.critics'. Did you mean 'loss.critic'?"]),
        (
            {"text": "so", "test": "monotone", "value": "cost.flops", "method": "ns-gan", "direction": "rises"},
            {},
            ["claim[0]: a trial has one 'cost.flops', and this test reads a series. Use less."],
        ),
        (LESS | {"position": 3}, {}, ["claim[0]: 'modes' is no profile, so it has no position. Leave that out."]),
        (LESS | {"method": None}, {}, ["claim[0]: the suite has 2 methods. Name one: method = 'ns-gan'."]),
        (LESS | {"where": {"width": 8}}, WIDTHS, ["claim[0]: no factor of architectures called 'width'."]),
        (LESS | {"where": {"critic_width": 9}}, WIDTHS, ["no architecture has critic_width = 9. They have 16, 8."]),
        (
            LESS | {"than": {"where": {"critic_width": 8}}, "where": {"critic_width": 8}},
            WIDTHS,
            ["claim[0]: both sides are equal"],
        ),
        (
            LESS | {"than": {"where": {"critic_width": 8}}, "where": {"critic_width": 16}, "inference": True},
            WIDTHS,
            ["with 2 units", "Use 6 seeds"],
        ),
        (LESS, {"dataset": TWO}, ["claim[0]: the suite has 2 datasets. Name one: dataset = 'ring'."]),
        (
            {"text": "so", "test": "always", "outcome": "crashed", "method": "ns-gan", "inference": False},
            {},
            ["claim[0]: no outcome 'crashed'.", "collapsed, critic-dead"],
        ),
        (
            {"text": "so", "test": "cycles", "value": "modes", "method": "ns-gan", "inference": False},
            {},
            ["'modes' is measured at 2 snapshots of a trial, and this test reads a series of at least 40. Raise"],
        ),
        (
            {"text": "so", "test": "monotone", "value": "modes", "method": "ns-gan", "direction": "rises"},
            {"seeds": 10},
            ["'modes' is measured at 2 snapshots", "at least 6"],
        ),
        (
            LESS | {"inference": True},
            {},
            ["with 3 units", "could never be reproduced: of 1 claims", "p would be 0.25", "Use 6 seeds"],
        ),
        (
            LESS | {"inference": True, "rate": 0.99},
            {"seeds": 10},
            ["with 10 units", "could never be reproduced", "p would be 1 at best. Use 368 seeds"],
        ),
        (
            LESS | {"inference": True, "rate": 0.001},
            {"seeds": 10},
            ["with 10 units", "could never be contradicted", "or write inference = false"],
        ),
    ],
)
def test_refused(claim: dict[str, Any], changes: dict[str, Any], fragments: list[str]) -> None:
    table = {key: value for key, value in claim.items() if value is not None}
    with pytest.raises(GanbenchError) as error:
        plan_small(PLUGINS, success=None, claim=[table], **changes)
    for fragment in fragments:
        assert fragment in str(error.value), error.value


def test_more_claims_need_more_units() -> None:
    """Six seeds decide one claim (2 x 2^-6 = .031), not two."""
    one = LESS | {"inference": True}
    plan_small(PLUGINS, seeds=6, claim=[one])
    with pytest.raises(GanbenchError, match="of 2 claims with inference"):
        plan_small(PLUGINS, seeds=6, claim=[one, one | {"test": "greater"}])


def test_signals_of_terms_can_be_claimed() -> None:
    grows = {"text": "so", "test": "less", "value": "term.gradient-penalty", "method": "wgan-gp", "target": 1.0}
    assert plan_small(PLUGINS, claim=[grows | {"inference": False}]).trials


def test_a_claim_along_trials_needs_no_exact_test() -> None:
    over = {"text": "so", "test": "correlates", "value": "modes", "method": "ns-gan", "than": {"value": "loss.critic"}}
    assert plan_small(PLUGINS, claim=[over | {"along": "trials", "direction": "falls"}]).trials
