"""Minibatch discrimination, virtual batch norm, maxout and equalised steps, by the formulas of their papers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from ganbench_plugins.architectures import parts


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# Equalised learning rates


@pytest.mark.parametrize(("kernel_size", "stride", "padding"), [(4, 2, 1), (3, 1, 1), (1, 2, 0)])
@pytest.mark.parametrize("gain", [2**0.5, 1.0])
def test_equalised_convolutions_of_any_stride_have_hes_factor(kernel_size, stride, padding, gain) -> None:
    torch.manual_seed(0)
    sizes = {"kernel_size": kernel_size, "stride": stride, "padding": padding}
    net = parts.EqualConv2d(20, 60, gain=gain, **sizes)
    assert net.scale == pytest.approx(gain / math.sqrt(20 * kernel_size**2))
    plain = nn.Conv2d(20, 60, **sizes)
    plain.load_state_dict({"weight": net.weight * net.scale, "bias": net.bias})
    x = torch.randn(3, 20, 8, 8)
    torch.testing.assert_close(net(x), plain(x))


@torch.no_grad()
def test_an_equalised_transposed_convolution_counts_the_numbers_that_a_pixel_reads() -> None:
    """With a kernel of 4 and a stride of 2, a pixel reads every fourth weight; gain 1 keeps the variance."""
    torch.manual_seed(0)
    net = parts.EqualConvTranspose2d(64, 32, 4, gain=1.0, stride=2, padding=1)
    assert net.weight.var().item() == pytest.approx(1, rel=0.05)
    assert not net.bias.any()
    y = net(torch.randn(64, 64, 8, 8))
    assert y.shape == (64, 32, 16, 16)
    assert y[..., 1:-1, 1:-1].var().item() == pytest.approx(1, rel=0.05)
    plain = nn.ConvTranspose2d(64, 32, 4, 2, 1)
    plain.load_state_dict({"weight": net.weight * net.scale, "bias": net.bias})
    x = torch.randn(2, 64, 4, 4)
    torch.testing.assert_close(net(x), plain(x))


def test_adams_first_step_changes_all_equalised_weights_by_the_same_part_of_their_spread() -> None:
    """Karras et al. 2018, section 4.1: a plain layer's step is lr, whatever its weights' standard deviation."""
    for inputs in (4, 64, 1024):
        torch.manual_seed(0)
        layer = parts.EqualLinear(inputs, 1).double()
        before = layer.weight.detach() * layer.scale
        optimizer = torch.optim.Adam(layer.parameters(), lr=0.01, eps=0)
        layer(normal(8, inputs)).sum().backward()
        optimizer.step()
        change = (layer.weight.detach() * layer.scale - before).abs() / math.sqrt(2 / inputs)
        torch.testing.assert_close(change, torch.full_like(change, 0.01))


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
