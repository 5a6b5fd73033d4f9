"""Feature matching: the critic trains in the usual way, the generator on the means of its features alone."""

from __future__ import annotations

import math

import pytest
import torch
from torch.func import grad

from ganbench_plugins.losses import cross_entropy, feature_matching

OBJECTIVE = feature_matching.build()


def draw_sides(k: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    real, fake = torch.randn(2, 8, k, dtype=torch.float64, generator=torch.Generator().manual_seed(7))
    return real, fake + 0.5


def test_the_generators_loss_is_the_squared_distance_of_the_mean_features() -> None:
    real, fake = draw_sides()
    by_hand = sum((real[:, j].mean().item() - fake[:, j].mean().item()) ** 2 for j in range(6))
    assert OBJECTIVE.generator(real, fake).item() == pytest.approx(by_hand, abs=1e-12)
    slope = grad(lambda fake: OBJECTIVE.generator(real, fake))(fake)
    torch.testing.assert_close(slope, ((fake.mean(0) - real.mean(0)) / 4).expand(8, 6), rtol=0, atol=1e-12)


@pytest.mark.parametrize("k", [1, 5, 6])
def test_the_critics_loss_is_the_cross_entropy_of_its_scores(k: int) -> None:
    real, fake = draw_sides(k)
    signs = torch.tensor([(-1) ** j for j in range(k)], dtype=torch.float64) / math.sqrt(k)
    expected = cross_entropy.critic(real @ signs, fake @ signs).item()
    assert OBJECTIVE.critic(real, fake).item() == pytest.approx(expected, abs=1e-12)
    torch.testing.assert_close(OBJECTIVE.witness(real, real, fake), real @ signs, rtol=0, atol=1e-12)


def test_the_examples_are_the_losses_values() -> None:
    (offer,) = feature_matching.ganbench_losses()
    for example in offer.examples:
        sides = (torch.tensor(example.given[side], dtype=torch.float64) for side in ("real", "fake"))
        real, fake = sides
        for player, value in example.expect.items():
            assert getattr(OBJECTIVE, player)(real, fake).item() == pytest.approx(value, abs=1e-12)
