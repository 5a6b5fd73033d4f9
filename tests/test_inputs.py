"""What the critic sees through instance noise."""

from __future__ import annotations

import pytest
import torch
from ganbench import Draw
from torch.func import vmap

from ganbench_plugins.inputs import instance_noise

(OFFER,) = instance_noise.ganbench_inputs()
NOW = torch.tensor(0.0)


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_noise_is_sigma_times_a_standard_normal_draw_of_the_samples_shape() -> None:
    part = OFFER.build(sigma=0.5)
    assert part.draws == {"noise": Draw("normal", "data")}
    x, noise = torch.tensor([[1.0, 2.0]]), torch.tensor([[4.0, -2.0]])
    assert torch.equal(part.view(x, {"noise": noise}, NOW), torch.tensor([[3.0, 1.0]]))


def test_noise_adds_sigma_squared_to_the_variance() -> None:
    seen = OFFER.build(sigma=0.7).view(torch.zeros(40000), {"noise": normal(40000)}, NOW)
    assert seen.var().item() == pytest.approx(0.49, rel=0.03)


def test_a_sigma_of_zero_changes_no_bit() -> None:
    x = normal(5, 3)
    assert torch.equal(OFFER.build(sigma=0.0).view(x, {"noise": 3 * x}, NOW), x)


def test_sigma_may_be_a_tensor_that_changes_between_steps() -> None:
    sigma = torch.tensor(1.0)
    view, x = OFFER.build(sigma=sigma).view, torch.zeros(2, 1)
    for value in (1.0, 0.25):
        sigma.fill_(value)
        assert view(x, {"noise": torch.ones(2, 1)}, NOW).tolist() == [[value], [value]]


def test_the_view_maps_over_seeds_and_leaves_its_argument_alone() -> None:
    view, x, noise = OFFER.build().view, normal(3, 4, 2), normal(3, 4, 2).flip(0)
    before = x.clone()
    mapped = vmap(view, in_dims=(0, 0, None))(x, {"noise": noise}, NOW)
    assert torch.equal(mapped, x + 0.1 * noise)
    assert torch.equal(x, before)
