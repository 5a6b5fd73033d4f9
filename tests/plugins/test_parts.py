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


# Maxout


def test_maxout_is_the_largest_of_neighbouring_channels() -> None:
    x = torch.tensor([[1.0, 4.0, -2.0, -3.0, 0.0, -1.0]])
    assert parts.Maxout(3)(x).tolist() == [[4.0, 0.0]]
    assert parts.Maxout(2)(x.view(1, 6, 1, 1).expand(1, 6, 2, 2))[0, :, 0, 0].tolist() == [4.0, -2.0, 0.0]


# Minibatch discrimination


def discriminate(inputs: int, kernels: int, width: int) -> parts.MinibatchDiscrimination:
    torch.manual_seed(0)
    return parts.MinibatchDiscrimination(inputs, kernels, width).double()


def test_minibatch_discrimination_counts_the_other_rows_of_a_batch_of_equal_ones() -> None:
    x = normal(1, 5).expand(7, 5)
    y = discriminate(5, 3, 2)(x)
    assert y.shape == (7, 8)
    assert torch.equal(y[:, :5], x)
    torch.testing.assert_close(y[:, 5:], torch.full((7, 3), 6.0, dtype=torch.float64))


def test_minibatch_discrimination_is_the_papers_sum_over_the_other_samples() -> None:
    layer, x = discriminate(4, 3, 2), normal(5, 4)
    tensor = layer.weight.detach().view(4, 3, 2)
    rows = torch.einsum("na,abc->nbc", x, tensor)
    for i in range(5):
        for b in range(3):
            expected = sum(math.exp(-float((rows[i, b] - rows[j, b]).abs().sum())) for j in range(5) if j != i)
            assert layer(x)[i, 4 + b].item() == pytest.approx(expected, rel=1e-12)


# Virtual batch norm


@pytest.mark.parametrize("shape", [(3,), (3, 4, 4)])
def test_virtual_batch_norm_gives_a_sample_the_weight_of_one_in_n_plus_one(shape: tuple[int, ...]) -> None:
    """The moments of a batch that is the reference batch and the sample itself, for each channel."""
    norm, reference, x = parts.VirtualBatchNorm(3, rows=6).double(), normal(6, *shape), 5 + normal(4, *shape, seed=1)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([[1.0], [2.0], [3.0]]))
        norm.bias.fill_(0.5)
    y = norm(torch.cat([reference, x]))
    plain = nn.BatchNorm1d(3, track_running_stats=False).double()

    def by_batch_norm(rows: Tensor) -> Tensor:
        """Return rows [m, 3, pixels] normalised over rows and pixels, then with the gain and the offset."""
        return plain(rows.flatten(2) if rows.dim() > 2 else rows).view(rows.shape) * gain + 0.5

    gain = torch.tensor([1.0, 2.0, 3.0]).view(3, *[1] * (len(shape) - 1))
    torch.testing.assert_close(y[:6], by_batch_norm(reference))
    for i in range(4):
        torch.testing.assert_close(y[6 + i], by_batch_norm(torch.cat([reference, x[i : i + 1]]))[-1])


def test_a_generator_with_a_reference_batch_treats_samples_apart_and_hands_each_reference_row_a_label() -> None:
    class Labelled(nn.Module):
        def forward(self, z: Tensor, labels: Tensor) -> Tensor:
            seen.append(labels)
            return z

    seen: list[Tensor] = []
    torch.manual_seed(0)
    net = parts.WithReference(Labelled(), 2, classes=3, rows=5)
    z = torch.ones(2, 2)
    assert torch.equal(net(z, torch.tensor([2, 2])), z)
    assert seen[0].tolist() == [0, 1, 2, 0, 1, 2, 2]
    assert set(net.state_dict()) == {"reference", "reference_labels"}
