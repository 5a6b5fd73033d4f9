"""What `ganbench check` runs: one test for each rule that goes for an offer. Needs the plugin beside it."""

from __future__ import annotations

from ganbench.testing.rule import Contract


def test_an_offer_keeps_a_rule(contract: Contract) -> None:
    """An offer keeps a rule of its kind."""
    contract.hold()
