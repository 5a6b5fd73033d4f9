"""DCGAN and the paper's space of random ones: factors, layers, norms and initial weights."""

from __future__ import annotations

import math
from collections import Counter
from random import Random
from typing import Any

import pytest
import torch
from ganbench import Ask, GanbenchError
from torch import nn

from ganbench_plugins.architectures import convolutions
from tests.support.image_networks import (
    CONVOLUTIONS,
    DCGAN,
    NORM_LAYERS,
    RANDOM,
    SIX,
    SIX_NAMES,
    build,
    count_weights,
    list_modules,
    normal,
    random_spec,
)


def test_random_dcgan_has_exactly_the_papers_9216_points() -> None:
    """Gulrajani et al. 2017, table 1: 4 nonlinearities, 4 depths, 3 numbers of filters and a norm or none, squared."""
    space, rng = RANDOM.build(), Random(0)
    assert space.size == (4 * 4 * 3 * 2) ** 2 == 9216
    specs = [space.sample(rng) for _ in range(4000)]
    factors = {
        "activation": {"relu", "leaky-relu", "softplus-shifted", "tanh"},
        "depth": {4, 8, 12, 20},
        "filters": {32, 64, 128},
        "normalised": {False, True},
    }
    expected = {
        f"{player}_{factor}": values for player in ("generator", "critic") for factor, values in factors.items()
    }
    assert {name: {spec[name] for spec in specs} for name in specs[0]} == expected
    for name, values in expected.items():  # each value within five standard deviations of its share
        share, counts = 4000 / len(values), Counter(spec[name] for spec in specs)
        assert all(abs(n - share) < 5 * (share * (1 - 1 / len(values))) ** 0.5 for n in counts.values()), name


def test_the_factors_of_the_two_networks_are_drawn_independently() -> None:
    """Of 9,216 draws, each of the 16 pairs of depths takes a sixteenth, within five standard deviations."""
    space, rng = RANDOM.build(), Random(1)
    specs = [space.sample(rng) for _ in range(9216)]
    pairs = Counter((spec["generator_depth"], spec["critic_depth"]) for spec in specs)
    assert len(pairs) == 16
    assert all(abs(n - 576) < 5 * (576 * 15 / 16) ** 0.5 for n in pairs.values())


def test_every_list_of_factors_is_an_option() -> None:
    space = RANDOM.build(activations=("tanh",), depths=(4, 6), filters=(8, 16), normalised=(True,))
    assert space.size == 16
    rng = Random(0)
    specs = [space.sample(rng) for _ in range(200)]
    assert len({tuple(spec.items()) for spec in specs}) == 16
    with pytest.raises(GanbenchError, match="an empty list: give at least one of each of activations, depths"):
        RANDOM.build(depths=())


def test_six_architectures_are_six_and_can_be_chosen() -> None:
    space, rng = SIX.build(), Random(0)
    assert space.size == 6
    assert {space.sample(rng)["architecture"] for _ in range(200)} == set(SIX_NAMES)
    assert SIX.build(architectures=("dcgan-tanh",)).size == 1
    with pytest.raises(GanbenchError, match="each once"):
        SIX.build(architectures=("dcgan-tanh", "dcgan-tanh"))


def test_dcgan_at_64_pixels_has_as_many_weights_as_its_authors() -> None:
    """Generator 3,576,704 and critic 2,765,568 weights without biases, as in PyTorch's example of DCGAN.

    Here the layers without a norm have biases: three for the output, 64 in the first layer, one for the score.
    """
    nets = build(DCGAN, Ask(shape=(3, 64, 64)))
    kernels = 16 * (512 * 256 + 256 * 128 + 128 * 64 + 64 * 3)
    assert count_weights(nets.generator) == 100 * 512 * 16 + kernels + 2 * (512 + 256 + 128 + 64) + 3 == 3_576_704 + 3
    assert count_weights(nets.critic) == kernels + 2 * (128 + 256 + 512) + 512 * 16 + 64 + 1 == 2_765_568 + 65


def test_random_dcgan_of_depth_4_at_64_pixels_has_the_layers_of_dcgan() -> None:
    ask = Ask(shape=(3, 64, 64))
    standard = build(DCGAN, ask, filters=4, latent=9)
    random = build(RANDOM, ask, random_spec(4, normalised=True), latent=9)
    for player in ("generator", "critic"):
        shapes = [[tuple(p.shape) for p in getattr(nets, player).parameters()] for nets in (standard, random)]
        assert shapes[0] == shapes[1]


@pytest.mark.parametrize(
    ("depth", "side", "maps"),
    [
        (4, 64, [8, 16, 32, 64]),
        (4, 32, [8, 8, 16, 32]),
        (4, 16, [8, 8, 16, 16]),
        (8, 32, [8, 8, 8, 16, 16, 16, 32, 32]),
        (12, 64, [8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64]),
        (20, 32, 7 * [8] + 7 * [16] + 6 * [32]),
        (20, 16, 10 * [8] + 10 * [16]),
    ],
)
def test_depth_is_spread_over_the_sizes_of_the_maps(depth: int, side: int, maps: list[int]) -> None:
    """Each convolution's output, from what ran; the critic has the same layers in reverse."""
    nets = build(RANDOM, Ask(shape=(3, side, side)), random_spec(depth, filters=2))
    seen: dict[str, list[tuple[int, int]]] = {"generator": [], "critic": []}
    for player, shapes in seen.items():
        for layer in list_modules(getattr(nets, player), CONVOLUTIONS):
            layer.register_forward_hook(lambda _, __, out, shapes=shapes: shapes.append((out.shape[1], out.shape[2])))
    nets.critic(nets.generator(normal(1, nets.latent)))
    assert [at for _, at in seen["generator"]] == maps
    *hidden, (channels, _) = seen["generator"]
    assert channels == 3
    assert all(width == 2 * max(1, side // (2 * at)) for width, at in [*hidden, *seen["critic"]])
    assert [at for _, at in seen["critic"]] == [*maps[-2::-1], 4]
    assert len(list_modules(nets.critic, CONVOLUTIONS)) == depth


@pytest.mark.parametrize(("norm", "kind"), [("batch", nn.BatchNorm2d), ("layer", nn.GroupNorm)])
def test_norms_follow_the_method_and_skip_the_generators_output_and_the_critics_input(norm: Any, kind: type) -> None:
    ask = Ask(shape=(3, 16, 16), critic_norm=norm)
    nets = build(RANDOM, ask, random_spec(6, normalised=True))
    assert len(list_modules(nets.generator, nn.BatchNorm2d)) == 6  # of the projection and five convolutions
    assert not hasattr(nets.critic.trunk, "norm1")
    assert all(type(getattr(nets.critic.trunk, f"norm{index}")) is kind for index in range(2, 7))
    for trunk in (nets.generator, nets.critic.trunk):  # a layer before a norm has no bias, the others have one
        for name, layer in trunk.named_children():
            if isinstance(layer, CONVOLUTIONS):
                assert (layer.bias is None) == (name != "output" and hasattr(trunk, name.replace("conv", "norm")))
    assert nets.rowwise == (norm == "layer")
    plain = build(RANDOM, ask, random_spec(6))
    assert plain.rowwise
    assert not [*list_modules(plain.generator, NORM_LAYERS), *list_modules(plain.critic, NORM_LAYERS)]


def test_the_layer_norm_is_that_of_wgan_gps_code() -> None:
    """Moments of each sample over [channels, height, width], eps 1e-5, then a gain and an offset for each channel."""
    norm, x = convolutions.NORMS["layer"](3), normal(4, 3, 5, 5)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    variance, mean = torch.var_mean(x, (1, 2, 3), correction=0, keepdim=True)
    expected = (x - mean) / (variance + 1e-5).sqrt() * norm.weight.view(3, 1, 1) + norm.bias.view(3, 1, 1)
    torch.testing.assert_close(norm(x), expected)


@pytest.mark.parametrize(("initialisation", "deviation"), [("he", math.sqrt(2 / (64 * 9))), ("dcgan", 0.02)])
def test_weights_have_the_deviation_of_their_initialisation(initialisation: Any, deviation: float) -> None:
    nets = build(RANDOM, Ask(shape=(1, 8, 8)), random_spec(3, filters=64), initialisation=initialisation)
    same, up = nets.generator.conv2.weight, nets.generator.conv1.weight
    assert same.std().item() == pytest.approx(deviation, rel=0.03)
    assert same.mean().abs().item() < 3 * deviation / same.numel() ** 0.5
    # a pixel of a doubled map meets 2 x 2 of the kernel's 4 x 4 weights
    assert up.std().item() == pytest.approx(0.02 if initialisation == "dcgan" else (2 / (64 * 4)) ** 0.5, rel=0.03)
    assert nets.generator.conv1.bias.abs().max().item() == 0.0


@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize("activation", ["relu", "leaky-relu", "softplus-shifted", "tanh"])
def test_gradients_reach_every_weight_at_depth_20(activation: str, normalised: bool) -> None:
    """He's weights are the default since with a deviation of 0.02 networks of 20 layers without a norm stand still."""
    spec = random_spec(20, filters=8, normalised=normalised, activation=activation)
    nets = build(RANDOM, Ask(shape=(3, 16, 16)), spec)
    weights = {(net, n): w for net in (nets.generator, nets.critic) for n, w in net.named_parameters() if w.ndim > 1}
    scores = nets.critic(nets.generator(normal(8, nets.latent)))
    slopes = torch.autograd.grad(torch.nn.functional.softplus(-scores).mean(), [*weights.values()])
    relative = [
        float(slope.norm() / weight.detach().norm()) for slope, weight in zip(slopes, weights.values(), strict=True)
    ]
    assert min(relative) > 1e-4
    assert max(relative) < 1e3


def test_unnormalised_networks_of_depth_20_stand_still_with_dcgans_initial_weights() -> None:
    nets = build(RANDOM, Ask(shape=(3, 16, 16)), random_spec(20, filters=8), initialisation="dcgan")
    nets.critic(nets.generator(normal(8, nets.latent))).sum().backward()
    assert nets.generator.project.weight.grad.abs().max().item() < 1e-20


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_dcgans_critic_reconstructs_where_the_method_reads_reconstructions(norm: Any) -> None:
    ask = Ask(shape=(1, 8, 8), pack=2, head="reconstruction", heads={"pose": 3}, critic_norm=norm)
    nets = build(DCGAN, ask, filters=4, latent=5)
    x = torch.randn(6, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    sizes = {"reconstruction": (6, 2, 8, 8), "features": (6, 5), "score": (6,), "pose": (6, 3)}
    answers = nets.critic(x)
    assert {name: tuple(answer.shape) for name, answer in answers.items()} == sizes
    alone = nets.critic(x[:3])["reconstruction"]
    assert nets.rowwise == (norm == "layer") == torch.allclose(answers["reconstruction"][:3], alone, atol=1e-6)
    plain = build(DCGAN, Ask(shape=(1, 8, 8), pack=2, critic_norm=norm), filters=4, latent=5)
    for name, weight in plain.generator.state_dict().items():
        assert torch.equal(weight, nets.generator.state_dict()[name])
