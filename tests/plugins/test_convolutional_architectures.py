"""The convolutional architectures: their factors, layers, sizes and initial weights, and what methods may rely on."""

from __future__ import annotations

import math
from collections import Counter
from random import Random
from typing import Any

import pytest
import torch
from ganbench import Ask, GanbenchError, Networks, registry
from ganbench.testing.contracts import contracts
from ganbench.testing.rule import Contract
from torch import Tensor, nn

from ganbench_plugins.architectures import autoencoder, convolutions, dcgan, resnet, six_architectures

DCGAN, RANDOM = dcgan.ganbench_architectures()
WGAN_GP, SNGAN = resnet.ganbench_architectures()
(SIX,) = six_architectures.ganbench_architectures()
(AUTOENCODER,) = autoencoder.ganbench_architectures()
OFFERS = [DCGAN, RANDOM, WGAN_GP, SNGAN, SIX, AUTOENCODER]
TINY: dict[str, dict[str, Any]] = {
    "dcgan": {"filters": 4},
    "random-dcgan": {"filters": [4, 6], "depths": [4, 6]},
    "resnet-wgan-gp": {"generator_channels": 4, "critic_channels": 6, "critic_normalised": True},
    "resnet-sngan": {"generator_channels": 4, "critic_channels": 6},
    "six-architectures": {"filters": 4, "width": 8, "layers": 14},
    "autoencoder": {"filters": 4, "code": 6},
}
NORM_LAYERS = nn.BatchNorm2d | nn.GroupNorm
CONVOLUTIONS = nn.Conv2d | nn.ConvTranspose2d


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "contract" in metafunc.fixturenames:
        plugins = registry.load(plugins=[autoencoder, dcgan, resnet, six_architectures])
        given = [{("architectures", name): options} for name, options in TINY.items() if name != "six-architectures"]
        six = TINY["six-architectures"]
        given += [{("architectures", "six-architectures"): six | {"architectures": [name]}} for name in SIX_NAMES]
        found = [
            contract
            for options in given
            for contract in contracts(plugins, [plugins.get(*next(iter(options)))], options)
        ]
        metafunc.parametrize("contract", found, ids=str)


SIX_NAMES = six_architectures.SIX


def test_small_networks_follow_every_rule(contract: Contract) -> None:
    contract.check()


def build(offer: Any, ask: Ask, spec: dict[str, Any] | None = None, seed: int = 0, **options: Any) -> Networks:
    """Return the networks of a spec (default: the first that is drawn), with weights from this seed."""
    space = offer.build(**options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        networks = space.networks(space.sample(Random(0)) if spec is None else spec, ask)
    assert isinstance(networks, Networks)
    return networks


def build_tiny(offer: Any, ask: Ask, **options: Any) -> Networks:
    lists = {name: tuple(v) if isinstance(v, list) else v for name, v in TINY[offer.name].items()}
    return build(offer, ask, **{**lists, **options})


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def count_weights(net: nn.Module | None) -> int:
    assert net is not None
    return sum(weight.numel() for weight in net.parameters())


def list_modules(net: nn.Module | None, kind: Any) -> list[Any]:
    assert net is not None
    return [module for module in net.modules() if isinstance(module, kind)]


def random_spec(depth: int, filters: int = 4, normalised: bool = False, activation: str = "relu") -> dict[str, Any]:
    factors = {"depth": depth, "filters": filters, "normalised": normalised, "activation": activation}
    return {f"{player}_{factor}": value for player in ("generator", "critic") for factor, value in factors.items()}


# the spaces


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


# shapes, and what is refused


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
        ((1, 28, 28), r"needs square images of 8, 16, 32, 64 pixels, and this dataset's have 28 x 28: resize or pad"),
        ((3, 16, 32), r"this dataset's have 16 x 32"),
    ],
)
def test_other_data_is_refused_with_a_way_out(offer: Any, shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(GanbenchError, match=f"architecture '{offer.name}' {words}" if "needs" in words else words):
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


# the layers of DCGAN


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


# the six


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


def test_the_filters_of_the_residual_one_double_at_each_halving() -> None:
    nets = build(SIX, Ask(shape=(3, 64, 64)), architectures=("resnet-101",), filters=8, layers=14)
    blocks = [module for name, module in nets.generator.named_children() if name.startswith("block")]
    assert [block.main[-1].num_features for block in blocks] == [32, 16, 8, 4]
    assert nets.generator.project.out_features == 64 * 16


# the residual networks of CIFAR-10


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


# the autoencoder


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
