"""Parts of networks have the values of their papers."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.func import vmap

from ganbench_plugins.architectures.parts import EqualConv2d, EqualLinear, MinibatchStd, PixelNorm
from tests.support.image_networks import normal


@pytest.mark.parametrize(
    ("make", "fan_in"),
    [
        (lambda **given: EqualLinear(200, 300, **given), 200),
        (lambda **given: EqualConv2d(20, 300, 3, **given), 180),
        (lambda **given: EqualConv2d(50, 300, 1, **given), 50),
    ],
)
@pytest.mark.parametrize("gain", [2**0.5, 1.0])
def test_equalised_layers_have_standard_normal_weights_scaled_at_run_time(
    make: Callable[..., nn.Linear | nn.Conv2d], fan_in: int, gain: float
) -> None:
    torch.manual_seed(0)
    layer = make(gain=gain)
    assert float(layer.weight.detach().std()) == pytest.approx(1, abs=0.02)
    assert layer.bias is not None
    assert not layer.bias.any()
    weight = layer.weight * math.sqrt(gain**2 / fan_in)
    sides = () if isinstance(layer, nn.Linear) else (6, 6)
    x = normal(2, weight.shape[1], *sides)
    if isinstance(layer, nn.Linear):
        by_hand = nn.functional.linear(x, weight, layer.bias)
    else:
        by_hand = nn.functional.conv2d(x, weight, layer.bias, padding=weight.shape[-1] // 2)
    torch.testing.assert_close(layer(x), by_hand, rtol=1e-5, atol=1e-6)
    assert layer(x).shape[2:] == sides


@torch.no_grad()
def test_an_equalised_layer_keeps_the_variance_of_rectified_inputs() -> None:
    torch.manual_seed(1)
    hidden = EqualLinear(500, 500)(normal(400, 500))
    rectified = EqualLinear(500, 500)(hidden.relu())
    assert float(rectified.square().mean() / hidden.square().mean()) == pytest.approx(1, abs=0.05)


def test_pixel_norm_divides_by_the_root_of_the_mean_square_over_channels() -> None:
    x = torch.zeros(1, 4, 1, 2)
    x[0, :, 0, 0] = torch.tensor([1.0, 2.0, 3.0, 4.0])  # mean square 7.5; the second pixel is 0 and stays 0
    expected = torch.tensor([1.0, 2.0, 3.0, 4.0]) / math.sqrt(7.5 + 1e-8)
    torch.testing.assert_close(PixelNorm()(x)[0, :, 0, 0], expected)
    assert not PixelNorm()(x)[0, :, 0, 1].any()


@pytest.mark.parametrize("shape", [(2,), (3, 5, 5)])
def test_minibatch_std_appends_the_biased_deviation_of_four_samples_that_are_n_4_apart(shape: tuple[int, ...]) -> None:
    x = normal(8, *shape)
    out = MinibatchStd()(x)
    assert out.shape == (8, shape[0] + 1, *shape[1:])
    assert torch.equal(out[:, :-1], x)
    for first in (0, 1):
        group = x[first::2]
        by_hand = ((group - group.mean(0)).square().mean(0) + 1e-8).sqrt().mean()
        torch.testing.assert_close(out[first::2, -1], by_hand.expand(4, *shape[1:]))


def test_minibatch_std_of_normal_numbers_is_798_thousandths_on_average() -> None:
    """E of the biased standard deviation of 4 normal numbers: sqrt(2/4) Gamma(2) / Gamma(3/2) = 0.7979."""
    assert float(MinibatchStd()(normal(400, 3, 16, 16))[:, -1].mean()) == pytest.approx(0.7979, abs=2e-3)


@pytest.mark.parametrize(("rows", "group"), [(6, 3), (10, 2), (5, 5), (1, 1), (12, 4)])
def test_minibatch_std_takes_other_groups_where_four_does_not_divide_the_batch(rows: int, group: int) -> None:
    x = normal(rows, 2, 4, 4)
    expected = (x[:: rows // group].var(0, correction=0) + 1e-8).sqrt().mean()
    torch.testing.assert_close(MinibatchStd()(x)[0, -1, 0, 0], expected)


def test_minibatch_std_of_equal_samples_has_finite_derivatives_and_runs_under_a_stack() -> None:
    x = torch.ones(8, 2, 4, 4, requires_grad=True)
    MinibatchStd()(x)[:, -1].sum().backward()
    assert x.grad is not None
    assert not x.grad.any()
    stack = normal(3, 8, 2, 4, 4)
    torch.testing.assert_close(vmap(MinibatchStd())(stack)[1], MinibatchStd()(stack[1]))
