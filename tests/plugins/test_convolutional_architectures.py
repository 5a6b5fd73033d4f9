"""Every convolutional architecture: the data it takes, what methods may request, and what each of them is."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
import torch
from ganbench import Ask, GanbenchError, registry
from ganbench.testing.contracts import contracts
from ganbench.testing.rule import Contract
from torch import nn

from ganbench_plugins.architectures import convolutions, resnet, six_architectures
from tests.support.image_networks import (
    AUTOENCODER,
    CONVOLUTIONS,
    NORM_LAYERS,
    OFFERS,
    RANDOM,
    SIX,
    SIX_NAMES,
    SNGAN,
    TINY,
    WGAN_GP,
    build,
    build_tiny,
    count_weights,
    list_modules,
    normal,
    random_spec,
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "contract" in metafunc.fixturenames:
        plugins = registry.load(plugins=[six_architectures])
        offered = [plugins.get("architectures", SIX.name)]
        subjects = [{**TINY[SIX.name], "architectures": [name]} for name in SIX_NAMES]
        given = [{("architectures", SIX.name): options} for options in subjects]
        found = [contract for each in given for contract in contracts(plugins, offered, each)]
        metafunc.parametrize("contract", found, ids=str)


def test_each_of_the_six_follows_every_rule(contract: Contract) -> None:
    """The other spaces are checked with all offers; of this one, a check sees the first that are drawn."""
    contract.check()


@pytest.mark.parametrize("side", [8, 16, 32, 64])
@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: offer.name)
def test_networks_fit_squares_of_8_to_64_pixels_with_any_channels(offer: Any, side: int) -> None:
    ask = Ask(shape=(5 if side < 32 else 1, side, side))
    names = SIX_NAMES if offer is SIX else (None,)
    for name in names:
        nets = build_tiny(offer, ask, **({"architectures": (name,)} if name else {}))
        fake = nets.generator(normal(3, nets.latent))
        assert fake.shape == (3, *ask.shape)
        if offer is not AUTOENCODER:
            assert fake.abs().max() <= 1
        answers = nets.critic(fake)
        score = answers["score"] if isinstance(answers, dict) else answers
        assert score.shape == (3,)


@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: offer.name)
@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((2,), r"needs images \[channels, height, width\], and this dataset has shape \(2,\): use 'mlp'"),
        ((1, 28, 28), r"needs square images of 8, 16, 32, 64 pixels, not of 28 x 28: resize or pad"),
        ((3, 16, 32), r"needs square images of .* not of 16 x 32"),
    ],
)
def test_other_data_is_refused_with_a_way_out(offer: Any, shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(GanbenchError, match=f"architecture '{offer.name}' {words}"):
        build_tiny(offer, Ask(shape=shape))


def test_a_depth_below_the_doublings_of_the_side_is_refused_with_a_way_out() -> None:
    with pytest.raises(GanbenchError, match=r"3 convolutions cannot make 64 pixels of 4, .* at least 4"):
        build(RANDOM, Ask(shape=(3, 64, 64)), random_spec(3))


@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: offer.name)
def test_codes_widen_the_latent_packing_widens_the_critic_and_heads_add_answers(offer: Any) -> None:
    ask = Ask(shape=(2, 16, 16), latent=3, pack=2, heads={"code": 4, "pose": 1})
    nets = build_tiny(offer, ask)
    assert nets.generator(normal(4, nets.latent + 3)).shape == (4, 2, 16, 16)
    answers = nets.critic(normal(5, 4, 16, 16))
    expected = {"score": (5,), "code": (5, 4), "pose": (5, 1)}
    if offer is AUTOENCODER:
        expected |= {"reconstruction": (5, 4, 16, 16), "features": (5, 6)}
    assert {name: tuple(answer.shape) for name, answer in answers.items()} == expected


@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: offer.name)
def test_a_seed_gives_the_same_weights_with_and_without_heads(offer: Any) -> None:
    """Weights are drawn in this order: generator, critic, heads."""
    plain, headed = (build_tiny(offer, Ask(shape=(1, 16, 16), heads=heads)) for heads in ({}, {"code": 3}))
    for player in ("generator", "critic"):
        weights = getattr(headed, player).state_dict()
        assert all(torch.equal(w, weights[name]) for name, w in getattr(plain, player).state_dict().items())
    norms = [build_tiny(offer, Ask(shape=(1, 16, 16), critic_norm=norm)) for norm in ("batch", "layer")]
    first, second = (list(nets.critic.parameters())[-2] for nets in norms)
    assert torch.equal(first, second)


NORMALISED: list[tuple[Any, dict[str, Any]]] = [
    (WGAN_GP, {}),
    (SNGAN, {"critic_normalised": True}),
    *((SIX, {"architectures": (name,)}) for name in SIX_NAMES if name != "dcgan-unnormalised"),
]


@pytest.mark.parametrize(
    ("offer", "options"), NORMALISED, ids=[f"{offer.name} {options}" for offer, options in NORMALISED]
)
def test_a_normalised_critic_under_a_method_without_a_norm_has_none(offer: Any, options: Any) -> None:
    layer, none = (
        build_tiny(offer, Ask(shape=(1, 16, 16), critic_norm=norm), **options).critic for norm in ("layer", "none")
    )
    assert list_modules(layer, NORM_LAYERS)
    assert not list_modules(none, NORM_LAYERS)
    assert all(convolution.bias is not None for convolution in list_modules(none, CONVOLUTIONS))
    assert none(normal(3, 1, 16, 16)).shape == (3,)


def test_the_decoder_of_an_autoencoder_has_no_norm_either() -> None:
    ask = Ask(shape=(1, 16, 16), head="reconstruction", critic_norm="none")
    critic = build(RANDOM, ask, random_spec(4, normalised=True)).critic
    assert not list_modules(critic, NORM_LAYERS)


def test_each_of_the_six_is_what_its_name_says() -> None:
    ask = Ask(shape=(3, 64, 64))
    six = {name: build_tiny(SIX, ask, architectures=(name,)) for name in SIX_NAMES}
    kinds = {name: {type(m) for m in [*n.generator.modules(), *n.critic.modules()]} for name, n in six.items()}
    constant = six["dcgan-constant"].generator
    assert {layer.in_channels for layer in list_modules(constant, CONVOLUTIONS)} == {4}
    assert not list_modules(constant, NORM_LAYERS)
    assert len(list_modules(six["dcgan-constant"].critic, NORM_LAYERS)) == 3
    widths = [(m.in_features, m.out_features) for m in list_modules(six["mlp-512"].generator, nn.Linear)]
    assert widths == [(128, 8), (8, 8), (8, 8), (8, 8), (8, 3 * 64 * 64)]
    assert len(list_modules(six["mlp-512"].critic, nn.Conv2d)) == 4
    assert not kinds["dcgan-unnormalised"] & {nn.BatchNorm2d, nn.GroupNorm}
    rectifiers = {nn.ReLU, nn.LeakyReLU}
    assert not kinds["dcgan-gated"] & rectifiers
    assert not kinds["dcgan-tanh"] & rectifiers
    assert len(list_modules(six["dcgan-gated"].generator, convolutions.Gate)) == 4
    assert len(list_modules(six["dcgan-gated"].critic, convolutions.Gate)) == 4
    assert len(list_modules(six["dcgan-tanh"].critic, nn.Tanh)) == 4
    torch.testing.assert_close(
        convolutions.Gate()(torch.tensor([[1.0, 2.0]])), torch.sigmoid(torch.tensor([[1.0]])) * math.tanh(2)
    )


@pytest.mark.parametrize("side", [16, 32, 64])
def test_the_residual_one_has_101_layers_at_every_size(side: int) -> None:
    """Convolutions and linear layers on the main path; at 64 pixels 6 + 6 + 6 + 6 + 5 blocks and 4 that double."""
    nets = build(SIX, Ask(shape=(3, side, side)), architectures=("resnet-101",), filters=4)
    for net in (nets.generator, nets.critic):
        main = [n for n, m in net.named_modules() if isinstance(m, CONVOLUTIONS | nn.Linear) and "shortcut" not in n]
        assert len(main) == 101
    kinds = Counter(six_architectures.list_blocks(101, side))
    if side == 64:
        expected = {("same", at): 6 for at in (4, 8, 16, 32)} | {("same", 64): 5}
        assert kinds == expected | {("up", at): 1 for at in (8, 16, 32, 64)}
    with pytest.raises(GanbenchError, match=r"layers = 100 .*: use 2 \+ 3 n"):
        build(SIX, Ask(shape=(3, side, side)), architectures=("resnet-101",), layers=100)


@pytest.mark.parametrize("layers", [100, 5], ids=["not 2 + 3 n", "too few for the doublings"])
def test_wrong_layers_are_refused_whichever_of_the_six_is_drawn(layers: int) -> None:
    space = SIX.build(layers=layers)
    with pytest.raises(GanbenchError, match=rf"layers = {layers} for 32 pixels"):
        space.networks({"architecture": "mlp-512"}, Ask(shape=(3, 32, 32)))
    others = SIX.build(layers=layers, architectures=("mlp-512",), width=2)
    others.networks({"architecture": "mlp-512"}, Ask(shape=(3, 32, 32)))  # nothing has these layers


def test_the_filters_of_the_residual_one_double_at_each_halving() -> None:
    nets = build(SIX, Ask(shape=(3, 64, 64)), architectures=("resnet-101",), filters=8, layers=14)
    blocks = [module for name, module in nets.generator.named_children() if name.startswith("block")]
    assert [block.main[-1].num_features for block in blocks] == [32, 16, 8, 4]
    assert nets.generator.project.out_features == 64 * 16


def test_the_residual_networks_at_32_pixels_are_those_of_the_papers() -> None:
    """By hand: a block has two 3 x 3 convolutions, a 1 x 1 shortcut where the size changes, in G two batch norms.

    A convolution before a norm has no bias.
    """
    ask = Ask(shape=(3, 32, 32))
    for offer, wide, total in ((WGAN_GP, 128, False), (SNGAN, 256, True)):
        nets = build(offer, ask)
        up = 2 * 9 * wide**2 + wide + (wide**2 + wide) + 2 * 2 * wide
        assert count_weights(nets.generator) == 129 * 16 * wide + 3 * up + 2 * wide + 27 * wide + 3
        pair, point = 2 * (9 * 128**2 + 128), 128**2 + 128
        first = (27 * 128 + 128) + (9 * 128**2 + 128) + (3 * 128 + 128)
        assert count_weights(nets.critic) == first + (pair + point) + 2 * pair + 129
        assert nets.critic.trunk.pool.total is total
        x = normal(2, 3, 4, 4)
        torch.testing.assert_close(nets.critic.trunk.pool(x), x.sum((2, 3)) if total else x.mean((2, 3)))


@pytest.mark.parametrize(("side", "blocks"), [(8, 3), (16, 3), (32, 4), (64, 5)])
def test_the_residual_critic_pools_maps_of_8_pixels(side: int, blocks: int) -> None:
    nets = build_tiny(WGAN_GP, Ask(shape=(1, side, side)))
    trunk = nets.critic.trunk
    assert sum(name.startswith("block") for name, _ in trunk.named_children()) == blocks
    assert trunk[:-1](normal(2, 1, side, side)).shape == (2, 6, min(8, side // 2), min(8, side // 2))
    assert len(list_modules(nets.generator, resnet.Residual)) == math.log2(side / 4)


def test_a_shortcut_at_the_smaller_size_equals_the_papers_at_the_larger() -> None:
    """Nearest neighbours and means commute with a 1 x 1 convolution: resample, then convolve, in the authors' code."""
    x = normal(2, 4, 6, 6)
    for resample, resized in (("up", x.repeat_interleave(2, 2).repeat_interleave(2, 3)), ("down", x)):
        shortcut = resnet.make_block(4, "", resample).shortcut
        (point,) = list_modules(shortcut, nn.Conv2d)
        papers = point(resized) if resample == "up" else nn.functional.avg_pool2d(point(x), 2)
        torch.testing.assert_close(shortcut(x), papers)


def test_the_autoencoders_answers_are_its_reconstruction_its_code_and_minus_its_error() -> None:
    nets = build_tiny(AUTOENCODER, Ask(shape=(2, 16, 16)))
    x = normal(3, 2, 16, 16)
    answers = nets.critic(x)
    assert nets.rowwise
    torch.testing.assert_close(answers["reconstruction"], nets.critic.decoder(answers["features"]))
    errors = (x - answers["reconstruction"]).square().mean((1, 2, 3))
    torch.testing.assert_close(answers["score"], -errors)
    generator, decoder = ([tuple(p.shape) for p in net.parameters()] for net in (nets.generator, nets.critic.decoder))
    assert generator[1:] == decoder[1:]  # but for the width of their inputs


def test_the_filters_of_the_encoder_grow_by_as_many_at_each_halving() -> None:
    nets = build_tiny(AUTOENCODER, Ask(shape=(1, 64, 64)))
    assert [layer.out_channels for layer in list_modules(nets.critic.encoder, nn.Conv2d)] == [
        *(4, 4, 4, 8, 8, 8, 12, 12, 12, 16, 16, 16)
    ]
