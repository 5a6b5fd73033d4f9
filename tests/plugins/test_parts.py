"""Parts of networks, by the formulas of their papers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from ganbench_plugins.architectures import parts


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# Equalised learning rates


@pytest.mark.parametrize(
    ("layer", "fan_in"),
    [
        (lambda: parts.EqualisedLinear(50, 400), 50),
        (lambda: parts.EqualisedConv2d(20, 60, kernel_size=3, padding=1), 180),
    ],
)
def test_an_equalised_layer_multiplies_weights_of_variance_one_by_hes_standard_deviation(layer, fan_in) -> None:
    torch.manual_seed(0)
    net = layer()
    assert net.weight.var().item() == pytest.approx(1, rel=0.05)
    assert net.bias.abs().max().item() == 0
    assert net.scale == pytest.approx(math.sqrt(2 / fan_in))
    plain = nn.Linear(50, 400) if isinstance(net, nn.Linear) else nn.Conv2d(20, 60, 3, padding=1)
    plain.load_state_dict({"weight": net.weight * net.scale, "bias": net.bias})
    x = torch.randn(3, 50) if isinstance(net, nn.Linear) else torch.randn(3, 20, 8, 8)
    torch.testing.assert_close(net(x), plain(x))


def test_adams_first_step_changes_all_equalised_weights_by_the_same_part_of_their_spread() -> None:
    """Karras et al. 2018, section 4.1: a plain layer's step is lr, whatever its weights' standard deviation."""
    for inputs in (4, 64, 1024):
        torch.manual_seed(0)
        layer = parts.EqualisedLinear(inputs, 1).double()
        before = layer.weight.detach() * layer.scale
        optimizer = torch.optim.Adam(layer.parameters(), lr=0.01, eps=0)
        layer(normal(8, inputs)).sum().backward()
        optimizer.step()
        change = (layer.weight.detach() * layer.scale - before).abs() / math.sqrt(2 / inputs)
        torch.testing.assert_close(change, torch.full_like(change, 0.01))


# Pixel norm


@pytest.mark.parametrize("shape", [(5, 8), (5, 8, 3, 3)])
def test_pixel_norm_gives_every_pixel_a_root_mean_square_of_one_over_its_channels(shape: tuple[int, ...]) -> None:
    x = 7 * normal(*shape)
    normalised = parts.PixelNorm()(x)
    rms = normalised.square().mean(1).sqrt()
    torch.testing.assert_close(rms, torch.ones_like(rms))
    torch.testing.assert_close(normalised * x.square().mean(1, keepdim=True).sqrt(), x)
    assert parts.PixelNorm()(torch.tensor([[3.0, 4.0]])).tolist()[0] == pytest.approx([3 / 12.5**0.5, 4 / 12.5**0.5])


# Minibatch standard deviation


def test_minibatch_std_of_normal_noise_is_the_mean_biased_deviation_of_four() -> None:
    """E of the biased deviation of 4 normals is sqrt(2 / 4) Gamma(2) / Gamma(3 / 2) = .7979."""
    expected = math.sqrt(2 / 4) * math.gamma(2) / math.gamma(1.5)
    assert expected == pytest.approx(0.798, abs=1e-3)
    x = normal(256, 64, 8, 8)
    y = parts.MinibatchStd()(x)
    assert y.shape == (256, 65, 8, 8)
    assert torch.equal(y[:, :64], x)
    assert y[:, 64].mean().item() == pytest.approx(expected, abs=0.003)


def test_minibatch_std_is_one_number_for_each_group_and_zero_for_equal_samples() -> None:
    x = normal(8, 3)
    y = parts.MinibatchStd()(x)[:, 3]
    by_hand = torch.stack([x[[i, i + 2, i + 4, i + 6]].std(0, correction=0).mean() for i in (0, 1)])
    torch.testing.assert_close(y, by_hand.repeat(4))
    assert parts.MinibatchStd()(torch.ones(8, 3))[:, 3].max() < 2e-4  # sqrt(1e-8)


@pytest.mark.parametrize(("rows", "last"), [(6, range(2, 6)), (3, range(3)), (1, range(1))])
def test_samples_that_fill_no_group_make_one_with_those_before_them(rows: int, last: range) -> None:
    x = normal(rows, 3)
    y = parts.MinibatchStd()(x)[:, 3]
    torch.testing.assert_close(y[-1], (x[list(last)].var(0, correction=0) + 1e-8).sqrt().mean())
