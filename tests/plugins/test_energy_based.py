"""EBGAN: its tabular optimum, its energy, and its pulling-away term."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from ganbench import GanbenchError, Objective
from torch import Tensor

from ganbench_plugins.constraints import pulling_away
from ganbench_plugins.losses import energy_based


def play(objective: Objective, player: str, real: Tensor | None, fake: Tensor) -> Tensor:
    """Return a player's loss at these energies, whatever the errors of the mean image are."""
    sides = [None if side is None else torch.stack([side, 9 + 0 * side], 1) for side in (real, fake)]
    loss: Tensor = getattr(objective, player)(*sides, {})[0]
    return loss


@pytest.mark.parametrize("margin", [0.5, 2.0])
def test_the_minimum_of_ebgans_critic_loss_is_the_margin_times_the_overlap_of_the_distributions(margin: float) -> None:
    """It is m sum min(p, q).

    For p = (3, 1, 0) / 4 and q = (1, 1, 2) / 4, with a free energy for each atom, it is m / 2.
    """
    real, fake = torch.tensor([0, 0, 0, 1]), torch.tensor([0, 1, 2, 2])
    objective = energy_based.build(margin)
    ticks = torch.linspace(0, 1.5 * margin, 7, dtype=torch.float64)
    energies = torch.cartesian_prod(ticks, ticks, ticks)  # the loss is linear between 0 and m, and increases above m
    losses = [play(objective, "critic", energy[real], energy[fake]).item() for energy in energies]
    assert min(losses) == pytest.approx(margin / 2, abs=1e-12)
    assert play(objective, "generator", None, ticks).item() == pytest.approx(0.75 * margin, abs=1e-12)


def test_the_energy_is_the_norm_or_the_mean_square_over_all_elements_of_each_sample() -> None:
    x = torch.zeros(2, 3, 4, 4, dtype=torch.float64)
    answer = torch.stack([torch.full((3, 4, 4), 0.5), torch.zeros(3, 4, 4)]).double()
    norms, squares = (energy_based.build(energy=energy).read(answer, x)[:, 0] for energy in ("norm", "mean-square"))
    assert norms.tolist() == pytest.approx([0.5 * math.sqrt(48), 0.0], abs=2e-6)
    assert squares.tolist() == [0.25, 0.0]


def test_its_signals_are_the_error_on_real_samples_and_that_of_their_mean_image() -> None:
    """Two images of zeros and of ones: their mean is .5 everywhere; a perfect reconstruction has no error."""
    x = torch.stack([torch.zeros(3, 4, 4), torch.ones(3, 4, 4)]).double()
    objective = energy_based.build(energy="mean-square")
    real, fake = objective.read(x, x), objective.read(x + 3, x)
    value, state = objective.critic(real, fake, objective.init())
    assert {name: leaf.item() for name, leaf in state.items()} == {"error": 0.0, "mean_image": 0.25}
    assert value.item() == 1.0  # the margin of 10 less an energy of 9
    assert objective.generator(None, fake, state)[1] == state


def test_a_fake_beyond_the_margin_has_no_slope_in_the_critics_loss_but_in_the_generators() -> None:
    real, fake = torch.zeros(2), torch.tensor([3.0, 0.5], requires_grad=True)
    objective = energy_based.build(margin=1.0)
    (slope,) = torch.autograd.grad(play(objective, "critic", real, fake), fake)
    assert slope.tolist() == [0.0, -0.5]
    (slope,) = torch.autograd.grad(play(objective, "generator", None, fake), fake)
    assert slope.tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("rows", "value"),
    [
        ([[1.0, 0.0], [2.0, 0.0], [-3.0, 0.0]], 1.0),
        ([[1.0, 0.0], [0.0, 5.0]], 0.0),
        ([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], 1 / 3),
    ],
)
def test_pulling_away_is_the_mean_squared_cosine_of_different_rows(rows: list[list[float]], value: float) -> None:
    play = SimpleNamespace(answers_fake={"features": torch.tensor(rows)})
    assert float(pulling_away.build().generator(play)) == pytest.approx(value, abs=1e-6)


def test_pulling_away_of_a_critic_without_features_names_the_way_out() -> None:
    with pytest.raises(GanbenchError, match=r"returns only score\. Choose an autoencoder"):
        pulling_away.build().generator(SimpleNamespace(answers_fake={"score": torch.zeros(3)}))


def test_pulling_away_refuses_a_batch_of_one_sample_and_ebgan_a_margin_of_zero() -> None:
    with pytest.raises(GanbenchError, match="compares pairs"):
        pulling_away.build().generator(SimpleNamespace(answers_fake={"features": torch.ones(1, 3)}))
    with pytest.raises(GanbenchError, match="margin = 0"):
        energy_based.build(margin=0)
