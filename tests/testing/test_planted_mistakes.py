"""The contract tests find what they are for: every planted mistake is caught, and its sentence says what is wrong."""

from __future__ import annotations

import pytest
from ganbench import registry
from ganbench.registry.registry import Offered, Registry
from ganbench.testing.contracts import contracts, offer_contracts
from ganbench.testing.rule import Contract, ContractError, Subject

from tests.support.correct_offers import Sound
from tests.support.more_planted_mistakes import ELSEWHERE
from tests.support.planted_mistakes import CONSTRAINTS, INPUTS, LOSSES, Planted

INSTALLED = registry.load()
ALL = (*LOSSES, *CONSTRAINTS, *INPUTS, *ELSEWHERE)


def subject(planted: Planted) -> Subject:
    """Put the mistake on the shelf beside everything that is installed."""
    offered = Offered(planted.kind, planted.offer, "planted", "planted.py", lambda: ())
    shelf = {kind: {one.offer.name: one for one in INSTALLED.offers(kind)} for kind in INSTALLED.kinds}
    shelf[planted.kind][planted.offer.name] = offered
    return Subject(offered, Registry(shelf))


def sentences(planted: Planted):
    """Give what is said of the mistake, rule by rule."""
    for contract in offer_contracts(subject(planted)):
        try:
            contract.hold()
        except ContractError as error:
            yield str(error)


@pytest.mark.parametrize("planted", ALL, ids=[f"{one.kind}: {one.offer.name}" for one in ALL])
def test_a_planted_mistake_is_told_in_words(planted: Planted) -> None:
    said = []
    for sentence in sentences(planted):
        said.append(sentence)
        if planted.says in sentence:
            return
    pytest.fail(f"nobody said {planted.says!r} of {planted.offer.name!r}. Said: {said}")


SOUND = list(contracts(registry.load(plugins=[Sound], installed=False)))


@pytest.mark.parametrize("contract", SOUND, ids=str)
def test_what_is_right_is_left_alone(contract: Contract) -> None:
    """A rule that cries wolf would be switched off."""
    contract.hold()


def test_there_are_many_mistakes_of_many_kinds() -> None:
    assert len(ALL) >= 60
    assert {one.kind for one in ALL} >= {"losses", "constraints", "inputs", "architectures", "datasets", "metrics"}
    assert len({(one.kind, one.offer.name) for one in ALL}) == len(ALL)
