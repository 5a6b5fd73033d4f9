"""The test that `ganbench check` runs, once for each rule of each offer; it needs `pytest_plugin`."""

from __future__ import annotations

from ganbench.testing.rule import Contract


def test_an_offer_follows_a_rule(contract: Contract) -> None:
    """An offer follows a rule of its kind."""
    contract.check()
