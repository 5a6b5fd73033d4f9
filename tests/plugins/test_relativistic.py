"""The relativistic losses: their values by hand, and the optimal critic of the paired one."""

from __future__ import annotations

import math

import pytest
import torch
from ganbench import Example, Objective, Offer
from torch import Tensor
from torch.func import grad

from ganbench_plugins.losses import relativistic
from tests.plugins.test_losses import FAKE, REAL, P, Q, label

OFFERS = {offer.name: offer for offer in relativistic.ganbench_losses()}
every_offer = pytest.mark.parametrize("name", OFFERS)


def build(name: str) -> Objective:
    return OFFERS[name].build()


def all_pairs(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Return real and fake scores, one per atom, such that their pairs are those of independent samples: 400 rows."""
    real, fake = scores.repeat_interleave(REAL), scores.repeat_interleave(FAKE)
    return real.repeat_interleave(len(fake)), fake.repeat(len(real))


@pytest.mark.parametrize(
    ("offer", "example"), [(offer, example) for offer in OFFERS.values() for example in offer.examples], ids=label
)
def test_a_relativistic_loss_has_the_value_its_example_claims(offer: Offer, example: Example) -> None:
    sides = (torch.tensor(example.given[side], dtype=torch.float64) for side in ("real", "fake"))
    real, fake = sides
    for player, value in example.expect.items():
        assert getattr(offer.build(), player)(real, fake).item() == pytest.approx(value, abs=1e-12)


def test_the_best_paired_critic_is_the_log_of_p_over_q_up_to_a_constant() -> None:
    for constant in (0.0, -2.0):
        best = (P / Q).log() + constant
        slope = grad(lambda scores: build("rpgan").critic(*all_pairs(scores)))(best)
        assert slope.abs().max().item() < 1e-12
    least = build("rpgan").critic(*all_pairs((P / Q).log())).item()
    for atom in torch.eye(5, dtype=torch.float64):
        for step in (-0.2, 0.2):
            assert build("rpgan").critic(*all_pairs((P / Q).log() + step * atom)).item() > least + 1e-5


@every_offer
def test_a_constant_added_to_every_score_changes_nothing(name: str) -> None:
    real, fake = torch.randn(2, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for player in ("critic", "generator"):
        loss = getattr(build(name), player)
        assert loss(real + 3, fake + 3).item() == pytest.approx(loss(real, fake).item(), abs=1e-12)


@every_offer
def test_the_generators_loss_is_the_critics_with_the_sides_swapped(name: str) -> None:
    real, fake = torch.randn(2, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    assert build(name).paired
    assert build(name).generator(real, fake).item() == pytest.approx(build(name).critic(fake, real).item(), abs=1e-12)


def test_the_means_of_the_average_forms_are_differentiated() -> None:
    """By hand, for RaLSGAN with one sample a side and d = r - f: the loss is (d - 1)^2, with the slope 2 (d - 1).

    With detached means the slope would be half as steep.
    """
    real, fake = torch.tensor([0.25]), torch.tensor([-0.5])
    slopes = grad(lambda real, fake: build("ralsgan").critic(real, fake), argnums=(0, 1))(real, fake)
    assert [slope.item() for slope in slopes] == pytest.approx([-0.5, 0.5], abs=1e-6)


@every_offer
def test_equal_scores_give_each_player_the_same_loss(name: str) -> None:
    scores, expected = torch.zeros(6, dtype=torch.float64), math.log(2) if name in ("rpgan", "rasgan") else 1.0
    for player in ("critic", "generator"):
        assert getattr(build(name), player)(scores, scores).item() == pytest.approx(expected, abs=1e-12)
