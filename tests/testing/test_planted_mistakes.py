"""The contract tests find every planted mistake, report what is wrong, and accept every correct offer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ganbench import registry
from ganbench.registry.registry import Offered, Registry
from ganbench.testing.contracts import contracts, offer_contracts
from ganbench.testing.rule import Contract, ContractError, Subject

from tests.support.correct_offers import CorrectOffers
from tests.support.more_planted_mistakes import OTHER_MISTAKES
from tests.support.planted_constraint_mistakes import NEW_CONSTRAINTS
from tests.support.planted_energy_mistakes import ENERGY_MISTAKES
from tests.support.planted_game_mistakes import GAME_MISTAKES
from tests.support.planted_loss_mistakes import OTHER_LOSS_MISTAKES
from tests.support.planted_mistakes import CONSTRAINTS, INPUTS, LOSSES, Planted
from tests.support.planted_number_mistakes import NUMBER_MISTAKES
from tests.support.planted_part_mistakes import PART_MISTAKES
from tests.support.planted_sequence_mistakes import SEQUENCES
from tests.support.planted_stage_mistakes import STAGE_MISTAKES

INSTALLED = registry.load()
MISTAKES = (
    *OTHER_MISTAKES,
    *NEW_CONSTRAINTS,
    *ENERGY_MISTAKES,
    *GAME_MISTAKES,
    *OTHER_LOSS_MISTAKES,
    *CONSTRAINTS,
    *INPUTS,
    *LOSSES,
    *NUMBER_MISTAKES,
    *PART_MISTAKES,
    *SEQUENCES,
    *STAGE_MISTAKES,
)


def make_subject(planted: Planted) -> Subject:
    """Return the offer with the mistake, in a registry with all that is installed."""
    offered = Offered(planted.kind, planted.offer, "planted", "planted.py", lambda: ())
    offers = {kind: {item.offer.name: item for item in INSTALLED.offers(kind)} for kind in INSTALLED.kinds}
    offers[planted.kind][planted.offer.name] = offered
    return Subject(offered, Registry(offers))


def collect_messages(planted: Planted) -> Iterator[str]:
    """Yield the messages about the mistake, rule by rule."""
    for contract in offer_contracts(make_subject(planted)):
        try:
            contract.check()
        except ContractError as error:
            yield str(error)


@pytest.mark.parametrize("planted", MISTAKES, ids=[f"{mistake.kind}: {mistake.offer.name}" for mistake in MISTAKES])
def test_a_planted_mistake_is_reported_in_words(planted: Planted) -> None:
    messages = []
    for message in collect_messages(planted):
        messages.append(message)
        if planted.message in message:
            return
    pytest.fail(f"no message contains {planted.message!r} about {planted.offer.name!r}. Messages: {messages}")


CORRECT = list(contracts(registry.load(plugins=[CorrectOffers], installed=False)))


@pytest.mark.parametrize("contract", CORRECT, ids=str)
def test_a_correct_offer_follows_every_rule(contract: Contract) -> None:
    """A rule with false alarms would be switched off."""
    contract.check()


def test_there_are_many_mistakes_of_many_kinds() -> None:
    assert len(MISTAKES) >= 60
    assert {mistake.kind for mistake in MISTAKES} >= {
        "losses",
        "constraints",
        "inputs",
        "architectures",
        "datasets",
        "metrics",
        "extractors",
    }
    assert len({(mistake.kind, mistake.offer.name) for mistake in MISTAKES}) == len(MISTAKES)
