"""Parts by name in perceptrons and convolutional architectures: what they add, refuse, and leave as it was."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
import torch
from ganbench import Ask, GanbenchError, Networks, registry
from ganbench.testing.contracts import offer_contracts
from ganbench.testing.rule import Contract, Subject
from torch import nn

from ganbench_plugins.architectures import dcgan, mlp, parts, resnet
from tests.support.image_networks import DCGAN, RANDOM, SNGAN, TINY, WGAN_GP, build, count_weights, list_modules, normal

MLP, RANDOM_MLP = mlp.ganbench_architectures()
IMAGE = Ask(shape=(1, 8, 8))
SMALL: dict[str, dict[str, Any]] = {
    **{name: {key: tuple(v) if isinstance(v, list) else v for key, v in TINY[name].items()} for name in TINY},
    "mlp": {"generator_normalised": True, "generator_width": 8, "critic_width": 8, "latent": 4},
    "random-mlp": {"depths": (2,), "widths": (8,), "normalised": (True,), "latent": 4},
}
SPACES = [MLP, RANDOM_MLP, DCGAN, RANDOM, WGAN_GP, SNGAN]
GENERATOR: tuple[Any, ...] = ("equalised", "pixel-norm", {"name": "virtual-batch-norm", "rows": 3})
CRITIC: tuple[Any, ...] = (
    "equalised",
    {"name": "minibatch-discrimination", "kernels": 3, "width": 2},
    "minibatch-stddev",
)
MAXOUT = ({"name": "maxout", "pieces": 3},)


def build_small(offer: Any, ask: Ask = IMAGE, **options: Any) -> Networks:
    return build(offer, ask, **{**SMALL[offer.name], **options})


PARTS = (
    parts.EqualLinear,
    parts.EqualConv2d | parts.EqualConvTranspose2d,
    parts.Maxout,
    parts.MinibatchDiscrimination,
    parts.MinibatchStd,
    parts.PixelNorm,
    parts.VirtualBatchNorm,
)


@pytest.mark.parametrize("offer", SPACES, ids=lambda offer: offer.name)
def test_every_space_takes_all_parts_at_once(offer: Any) -> None:
    ask = Ask(shape=(1, 8, 8), pack=2, latent=2, heads={"code": 5}, head="features")
    nets = build_small(offer, ask, generator_parts=GENERATOR, critic_parts=CRITIC)
    assert nets.generator(normal(4, nets.latent + 2)).shape == (4, 1, 8, 8)
    assert nets.critic is not None
    answers = nets.critic(normal(4, 2, 8, 8))
    assert answers["score"].shape == (4,)
    assert answers["code"].shape == (4, 5)
    assert not nets.rowwise
    layers = nn.Linear | nn.Conv2d | nn.ConvTranspose2d
    for net in (nets.generator, nets.critic):
        equalised = parts.EqualLinear | parts.EqualConv2d | parts.EqualConvTranspose2d
        assert list_modules(net, layers) == list_modules(net, equalised) != []
    assert not list_modules(nets.generator, nn.BatchNorm1d | nn.BatchNorm2d)
    assert len(list_modules(nets.generator, parts.VirtualBatchNorm)) >= 1
    assert len(list_modules(nets.generator, parts.PixelNorm)) >= 1
    assert len(list_modules(nets.critic, parts.MinibatchStd)) == 1
    assert len(list_modules(nets.critic, parts.MinibatchDiscrimination)) == 1
    assert not any(list_modules(nets.critic, kind) for kind in (parts.PixelNorm, parts.VirtualBatchNorm))


@pytest.mark.parametrize("offer", SPACES, ids=lambda offer: offer.name)
def test_without_parts_no_layer_is_one_and_the_critic_is_rowwise(offer: Any) -> None:
    nets = build_small(offer)
    for net in (nets.generator, nets.critic):
        assert not any(list_modules(net, kind) for kind in PARTS)
    assert nets.rowwise


@pytest.mark.parametrize("offer", SPACES, ids=lambda offer: offer.name)
def test_a_seed_gives_the_critic_the_same_weights_whether_or_not_the_generator_has_virtual_batch_norm(
    offer: Any,
) -> None:
    """The reference batch is drawn last."""
    plain, virtual = (build_small(offer, generator_parts=given) for given in ((), ("virtual-batch-norm",)))
    assert plain.critic is not None
    assert virtual.critic is not None
    for name, weight in plain.critic.state_dict().items():
        assert torch.equal(virtual.critic.state_dict()[name], weight)
    reference = virtual.generator.reference
    assert isinstance(reference, torch.Tensor)
    assert reference.shape == (64, plain.latent)


def test_a_generator_with_virtual_batch_norm_makes_each_sample_on_its_own() -> None:
    nets = build_small(DCGAN, generator_parts=("virtual-batch-norm",))
    generator, z = nets.generator.double(), normal(6, 100).double()
    torch.testing.assert_close(generator(z), torch.cat([generator(z[:1]), generator(z[1:])]), rtol=0, atol=1e-12)
    batch = build_small(DCGAN).generator.double()
    assert (batch(z)[:1] - batch(z[:2])[:1]).abs().max() > 1e-3


def test_minibatch_stddev_adds_one_map_before_the_score_and_discrimination_a_feature_for_each_kernel() -> None:
    plain = build_small(DCGAN).critic
    std = build_small(DCGAN, critic_parts=("minibatch-stddev",)).critic
    kernels = build_small(DCGAN, critic_parts=("minibatch-discrimination",)).critic
    width = plain.score.in_features  # type: ignore[union-attr]
    assert count_weights(std) - count_weights(plain) == 16  # one map of 4 x 4
    assert count_weights(kernels) - count_weights(plain) == width * 100 * 5 + 100  # the defaults: 100 kernels of 5
    flat = build_small(MLP, critic_parts=("minibatch-stddev",)).critic
    assert count_weights(flat) - count_weights(build_small(MLP).critic) == 1


def test_maxout_takes_the_place_of_the_nonlinearity_and_the_spec_says_so() -> None:
    space = MLP.build(critic_parts=MAXOUT, generator_parts=MAXOUT, critic_depth=2)
    spec = space.sample(Random(0))
    assert (spec["generator_activation"], spec["critic_activation"]) == ("maxout", "maxout")
    critic = space.networks(spec, IMAGE).critic
    assert [type(layer) for layer in critic.trunk] == [nn.Linear, parts.Maxout] * 2
    maps = build_small(DCGAN, critic_parts=MAXOUT, generator_parts=MAXOUT)
    assert maps.generator(normal(2, 100)).shape == (2, 1, 8, 8)
    for net in (maps.generator, maps.critic):
        assert list_modules(net, parts.Maxout)
        assert not list_modules(net, nn.ReLU | nn.LeakyReLU)


@pytest.mark.parametrize("offer", [MLP, DCGAN], ids=lambda offer: offer.name)
def test_an_autoencoder_critic_compares_samples_in_its_encoder_and_shares_the_other_parts_with_its_decoder(
    offer: Any,
) -> None:
    ask = Ask(shape=(1, 8, 8), head="reconstruction", heads={"code": 5})
    nets = build_small(offer, ask, critic_parts=(*CRITIC, *MAXOUT))
    assert nets.critic is not None
    answers = nets.critic(normal(4, 1, 8, 8))
    assert answers["reconstruction"].shape == (4, 1, 8, 8)
    assert answers["code"].shape == (4, 5)
    encoder, decoder = nets.critic.encoder, nets.critic.decoder
    assert isinstance(encoder, nn.Module)
    assert isinstance(decoder, nn.Module)
    for kind, counts in {parts.MinibatchStd: (1, 0), parts.MinibatchDiscrimination: (1, 0)}.items():
        assert tuple(len(list_modules(net, kind)) for net in (encoder, decoder)) == counts
    layers = nn.Linear | nn.Conv2d | nn.ConvTranspose2d
    equalised = parts.EqualLinear | parts.EqualConv2d | parts.EqualConvTranspose2d
    assert list_modules(nets.critic, layers) == list_modules(nets.critic, equalised)
    innermost, heads = encoder.code, list_modules(nets.critic.heads, parts.EqualLinear)
    for layer in (innermost, *heads):  # no rectifier comes after them
        assert layer.scale == pytest.approx(layer.in_features**-0.5)
    assert all(list_modules(net, parts.Maxout) for net in (encoder, decoder))
    assert not nets.rowwise


@pytest.mark.parametrize("pack", [1, 2, 3, 4])
def test_the_networks_of_pacgans_authors_are_perceptrons_with_batch_norm_and_maxout(pack: int) -> None:
    """Lin et al. 2018, the authors' code for rings and grids: 4 x 400 with batch norm; 3 x 200 with maxout of 5."""
    nets = build(
        MLP,
        Ask(shape=(2,), pack=pack),
        generator_depth=4,
        generator_width=400,
        generator_normalised=True,
        critic_depth=3,
        critic_width=200,
        critic_parts=("maxout",),
        latent=2,
    )
    hidden = 2 * 400 + 3 * 400 * 400  # without biases, which the batch norms have
    assert count_weights(nets.generator) == hidden + 4 * 2 * 400 + (400 * 2 + 2)
    assert count_weights(nets.critic) == (2 * pack + 1) * 1000 + 2 * (200 + 1) * 1000 + 201
    assert nets.rowwise


@pytest.mark.parametrize(
    ("offer", "options", "message"),
    [
        (
            MLP,
            {"critic_parts": ("maxuot",)},
            r"critic_parts: no part 'maxuot' here\. There are equalised, maxout, mini",
        ),
        (MLP, {"critic_parts": ("pixel-norm",)}, r"no part 'pixel-norm' here"),
        (MLP, {"critic_parts": ({"pieces": 3},)}, r"no part None here"),
        (MLP, {"critic_parts": ({"name": ["maxout"]},)}, r"no part \['maxout'\] here"),
        (MLP, {"generator_parts": ("maxout", "maxout")}, r"generator_parts: 'maxout' is named twice"),
        (MLP, {"critic_parts": ({"name": "maxout", "piece": 3},)}, r"no number 'piece'\. Its numbers are pieces\."),
        (MLP, {"critic_parts": ({"name": "equalised", "gain": 2},)}, r"no number 'gain'\. It takes no numbers\."),
        (MLP, {"critic_parts": ({"name": "maxout", "pieces": 1},)}, r"pieces = 1: give an integer of 2 or more"),
        (MLP, {"critic_parts": ({"name": "maxout", "pieces": 2.5},)}, r"pieces = 2.5: give an integer of 2 or more"),
        (MLP, {"generator_parts": ("virtual-batch-norm",)}, r"no norm to replace: set generator_normalised"),
        (RANDOM_MLP, {"critic_parts": ("maxout",)}, r"no part 'maxout' here\. There are equalised, minibatch-disc"),
        (SNGAN, {"generator_parts": ("maxout",)}, r"no part 'maxout' here\. There are equalised, pixel-norm"),
    ],
)
def test_a_part_that_is_not_there_is_refused_with_those_that_are(offer: Any, options: Any, message: str) -> None:
    with pytest.raises(GanbenchError, match=message):
        offer.build(**options)


CHECKED = [
    ("mlp", {"generator_normalised": True, "generator_width": 8, "critic_width": 8}, GENERATOR, (*CRITIC, *MAXOUT)),
    ("dcgan", {"filters": 4, "latent": 8}, (*GENERATOR, *MAXOUT), (*CRITIC, *MAXOUT)),
    ("resnet-sngan", TINY["resnet-sngan"] | {"latent": 8}, GENERATOR, CRITIC),
]


def list_contracts() -> list[Contract]:
    """Return the contracts of spaces with all their parts."""
    offers = registry.load(plugins=[mlp, dcgan, resnet], installed=False)
    subjects = [
        Subject(offers.get("architectures", name), offers, {**options, "generator_parts": g, "critic_parts": c})
        for name, options, g, c in CHECKED
    ]
    return [contract for subject in subjects for contract in offer_contracts(subject)]


@pytest.mark.parametrize("contract", list_contracts(), ids=str)
def test_networks_with_all_parts_follow_the_contracts(contract: Contract) -> None:
    contract.check()


def test_a_suite_names_parts_by_strings_and_tables() -> None:
    offers = registry.load(plugins=[mlp], installed=False)
    given = {"critic_parts": ["minibatch-stddev", {"name": "maxout", "pieces": 3}]}
    options = offers.options("architectures", "mlp", given, where="suite")
    assert options == given
    assert offers.options("architectures", "mlp", {"critic_parts": []}, where="suite") == {}
