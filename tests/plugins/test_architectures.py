"""The perceptrons and the Dirac-GAN's networks, and what methods may rely on."""

from __future__ import annotations

import math
from collections import Counter
from random import Random
from typing import Any

import pytest
import torch
from ganbench import Ask, GanbenchError, Networks
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from ganbench_plugins.architectures import linear, mlp

(DIRAC,) = linear.ganbench_architectures()
MLP, RANDOM = mlp.ganbench_architectures()
FLAT, IMAGE = Ask(shape=(2,)), Ask(shape=(1, 4, 4))
NORMS = ["batch", "layer"]


def networks(ask: Ask, seed: int = 0, **options: Any) -> Networks:
    """Return the fixed perceptron, with weights drawn from the global generator, which the engine seeds too."""
    space = MLP.build(**options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return space.networks(space.sample(Random(0)), ask)


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", [(2,), (1, 4, 4), (3, 2, 2)])
def test_a_generator_returns_samples_and_a_critic_one_score_per_sample(shape: tuple[int, ...]) -> None:
    nets = networks(Ask(shape=shape), latent=5)
    samples = nets.generator(normal(7, 5))
    assert nets.latent == 5
    assert samples.shape == (7, *shape)
    assert nets.critic(samples).shape == (7,)


def test_codes_widen_the_latent_packing_widens_the_critic_and_heads_add_answers() -> None:
    nets = networks(Ask(shape=(1, 4, 4), latent=3, pack=2, heads={"code": 4, "pose": 1}), latent=5)
    assert nets.generator(normal(7, 8)).shape == (7, 1, 4, 4)
    answers = nets.critic(normal(6, 2, 4, 4))
    assert {name: tuple(answer.shape) for name, answer in answers.items()} == {
        "score": (6,),
        "code": (6, 4),
        "pose": (6, 1),
    }


def test_a_seed_gives_the_same_weights_for_every_method() -> None:
    """The weights of heads are drawn last, and norms and biases draw nothing."""
    plain = networks(IMAGE, critic_normalised=True)
    with_heads = networks(
        Ask(shape=(1, 4, 4), heads={"code": 4}, critic_norm="batch"), critic_normalised=True, generator_normalised=True
    )
    for name in ("generator", "critic"):
        weights = getattr(with_heads, name).state_dict()
        for key, weight in getattr(plain, name).state_dict().items():
            assert "linear" not in key or "bias" in key or torch.equal(weight, weights[key])
    assert torch.equal(plain.critic.score.weight, with_heads.critic.score.weight)


def test_another_seed_gives_other_weights() -> None:
    first, second = (networks(FLAT, seed=seed).critic.score.weight for seed in (0, 1))
    assert not torch.equal(first, second)


@pytest.mark.parametrize(("initialisation", "variance"), [("he", 2 / 400), ("glorot", 2 / 800)])
def test_hidden_weights_have_the_variance_of_their_initialisation(initialisation: str, variance: float) -> None:
    nets = networks(FLAT, critic_width=400, initialisation=initialisation)
    assert nets.critic.trunk.linear2.weight.var().item() == pytest.approx(variance, rel=0.02)
    assert nets.critic.score.weight.var().item() == pytest.approx(2 / 401, rel=0.2)
    assert nets.critic.trunk.linear2.bias.abs().max().item() == 0.0


def test_depth_counts_hidden_layers_and_width_their_units() -> None:
    nets = networks(IMAGE, generator_depth=2, generator_width=9, critic_depth=4, critic_width=11, latent=3)
    layers = {
        player: [module for module in getattr(nets, player).modules() if isinstance(module, nn.Linear)]
        for player in ("generator", "critic")
    }
    shapes = {player: [(layer.in_features, layer.out_features) for layer in layers[player]] for player in layers}
    assert shapes["generator"] == [(3, 9), (9, 9), (9, 16)]
    assert shapes["critic"] == [(16, 11), (11, 11), (11, 11), (11, 11), (11, 1)]


@pytest.mark.parametrize(("norm", "kind"), [("batch", nn.BatchNorm1d), ("layer", nn.LayerNorm)])
def test_normalisation_follows_the_method_and_skips_the_critics_first_layer(norm: Any, kind: type) -> None:
    nets = networks(Ask(shape=(2,), critic_norm=norm), generator_normalised=True, critic_normalised=True)
    trunk = nets.critic.trunk
    assert not hasattr(trunk, "norm1")
    assert isinstance(trunk.norm2, kind)
    assert isinstance(trunk.norm3, kind)
    assert all(isinstance(getattr(nets.generator, f"norm{index}"), nn.BatchNorm1d) for index in (1, 2, 3))
    assert not any(isinstance(module, nn.BatchNorm1d | nn.LayerNorm) for module in networks(FLAT).critic.modules())


@pytest.mark.parametrize("norm", NORMS)
def test_a_layer_before_a_norm_has_no_bias(norm: Any) -> None:
    trunk = networks(Ask(shape=(2,), critic_norm=norm), critic_normalised=True).critic.trunk
    assert trunk.linear1.bias is not None
    assert trunk.linear2.bias is None


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("normalised", [False, True])
def test_a_critic_is_rowwise_unless_it_normalises_by_batch_and_behaves_as_declared(norm, normalised) -> None:
    nets = networks(Ask(shape=(2,), critic_norm=norm), critic_normalised=normalised)
    assert nets.rowwise == (not (normalised and norm == "batch"))
    x = normal(8, 2)
    apart = torch.cat([nets.critic(x[:3]), nets.critic(x[3:])])
    assert torch.allclose(nets.critic(x), apart, atol=1e-5) == nets.rowwise


def test_networks_have_no_buffers() -> None:
    """A functional call could not return their new values."""
    nets = networks(Ask(shape=(2,), critic_norm="batch"), generator_normalised=True, critic_normalised=True)
    assert not [*nets.generator.buffers(), *nets.critic.buffers()]


def test_a_tanh_output_is_the_tanh_of_the_linear_one() -> None:
    plain, bounded = (networks(IMAGE, output=output).generator for output in ("linear", "tanh"))
    z = normal(5, 16)
    torch.testing.assert_close(bounded(z), plain(z).tanh())


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("relu", [0.0, 0.0, 3.0]),
        ("leaky-relu", [-0.4, 0.0, 3.0]),
        ("softplus-shifted", [math.log1p(math.exp(-2)) / 2 - 1, math.log1p(math.exp(2)) / 2 - 1, 3.0001677]),
        ("tanh", [math.tanh(-2), 0.0, math.tanh(3)]),
    ],
)
def test_an_activation_is_the_papers_function(name: str, values: list[float]) -> None:
    """The shifted softplus is softplus(2x + 2) / 2 - 1: at 3 it is 3 + log(1 + e^-8) / 2 = 3.0001677."""
    actual = mlp.ACTIVATIONS[name]()(torch.tensor([-2.0, 0.0, 3.0]))
    torch.testing.assert_close(actual, torch.tensor(values), atol=1e-6, rtol=0)


def slope_penalty(critic: nn.Module, parameters: Any, x: Tensor) -> Tensor:
    """Return the mean squared slope of a critic, a loss whose gradient needs second derivatives."""
    return grad(lambda at: functional_call(critic, parameters, (at,)).sum())(x).square().mean()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("activation", mlp.ACTIVATIONS)
def test_critics_map_over_seeds_through_a_double_backward(activation: str, norm: Any) -> None:
    ask = Ask(shape=(2,), critic_norm=norm)
    options = {"critic_activation": activation, "critic_normalised": True, "critic_width": 8}
    members = [networks(ask, seed=seed, **options).critic.double() for seed in range(3)]
    stacked, _ = stack_module_state(members)
    x, critic = normal(3, 6, 2).double(), members[0]
    mapped = vmap(grad(lambda parameters, x: slope_penalty(critic, parameters, x)))(stacked, x)
    for index, member in enumerate(members):
        parameters = dict(member.named_parameters())
        alone = grad(lambda parameters, at=x[index]: slope_penalty(critic, parameters, at))(parameters)
        for name, gradient in alone.items():
            torch.testing.assert_close(mapped[name][index], gradient, atol=1e-12, rtol=0)
        assert max(gradient.abs().max() for gradient in alone.values()) > 0


def test_the_random_space_has_as_many_points_as_the_papers() -> None:
    assert RANDOM.build().size == 9216
    assert RANDOM.build(depths=(2,), widths=(32,), activations=("relu",), normalised=(False,)).size == 1
    assert MLP.build().size == 1


def test_a_random_spec_draws_every_factor_of_both_players_uniformly() -> None:
    """4,000 draws: each of k values within five standard deviations of its share."""
    space, rng = RANDOM.build(), Random(0)
    specs = [space.sample(rng) for _ in range(4000)]
    factors = {"activation": 4, "depth": 4, "width": 3, "normalised": 2}
    assert specs[0].keys() == {f"{player}_{factor}" for player in ("generator", "critic") for factor in factors}
    for key in specs[0]:
        values, counts = factors[key.split("_")[1]], Counter(spec[key] for spec in specs)
        assert len(counts) == values
        spread = (4000 / values * (1 - 1 / values)) ** 0.5
        assert all(abs(count - 4000 / values) < 5 * spread for count in counts.values())


def test_equal_random_states_give_equal_lists_of_specs() -> None:
    space = RANDOM.build()
    first, second = ([space.sample(rng) for _ in range(5)] for rng in (Random(3), Random(3)))
    assert first == second
    assert len({tuple(spec.values()) for spec in first}) > 1


@pytest.mark.parametrize("norm", NORMS)
def test_random_specs_build_the_networks_they_describe(norm: Any) -> None:
    space, rng = RANDOM.build(), Random(1)
    for _ in range(8):
        spec = space.sample(rng)
        nets = space.networks(spec, Ask(shape=(1, 4, 4), critic_norm=norm))
        assert nets.generator(normal(4, nets.latent)).shape == (4, 1, 4, 4)
        assert nets.critic(normal(4, 1, 4, 4)).shape == (4,)
        kinds = [type(module) for module in nets.critic.modules()]
        assert kinds.count(nn.Linear) == spec["critic_depth"] + 1
        assert any(kind in (nn.BatchNorm1d, nn.LayerNorm) for kind in kinds) == spec["critic_normalised"]
        assert kinds.count(type(mlp.ACTIVATIONS[spec["critic_activation"]]())) == spec["critic_depth"]


def test_a_normalised_perceptron_under_a_method_without_a_norm_is_one_without() -> None:
    """With the same seed it has the same weights, and it scores each sample on its own."""
    normalised = networks(Ask(shape=(2,), critic_norm="none"), seed=3, critic_normalised=True)
    plain = networks(Ask(shape=(2,), critic_norm="batch"), seed=3)
    assert normalised.rowwise
    assert normalised.critic.state_dict().keys() == plain.critic.state_dict().keys()
    for name, weight in plain.critic.state_dict().items():
        assert torch.equal(normalised.critic.state_dict()[name], weight)


@pytest.mark.parametrize(
    ("offer", "options"), [(MLP, {"critic_depth": 1, "critic_normalised": True}), (RANDOM, {"depths": (1, 2)})]
)
def test_a_normalised_critic_without_a_layer_to_normalise_is_refused_with_a_way_out(offer, options) -> None:
    with pytest.raises(GanbenchError, match=r"depth 1 has no layer to normalise .* depth of at least 2"):
        offer.build(**options)


def test_the_dirac_gans_networks_are_a_point_and_a_line_through_the_origin() -> None:
    nets = DIRAC.build(theta=0.5, psi=-2.0).networks({}, Ask(shape=(1,)))
    assert nets.generator(normal(3, 1)).tolist() == [[0.5]] * 3
    assert nets.critic(torch.tensor([[3.0], [0.0]])).tolist() == [-6.0, 0.0]
    sizes = [sum(weight.numel() for weight in net.parameters()) for net in (nets.generator, nets.critic)]
    assert sizes == [1, 1]


def test_the_dirac_gans_default_start_is_the_papers_in_our_sign() -> None:
    """The paper's critic is high on fake, so the paper's (1, 1) is our (1, -1)."""
    nets = DIRAC.build().networks({}, Ask(shape=(1,)))
    assert [weight.item() for net in (nets.generator, nets.critic) for weight in net.parameters()] == [1.0, -1.0]


def test_the_dirac_gans_critic_refuses_heads_with_a_way_out() -> None:
    with pytest.raises(GanbenchError, match=r"asks for code\. Use 'mlp'"):
        DIRAC.build().networks({}, Ask(shape=(1,), heads={"code": 2}))


def test_the_dirac_gans_networks_map_over_seeds() -> None:
    nets = DIRAC.build().networks({}, Ask(shape=(1,)))
    theta, psi = torch.tensor([[1.0], [2.0]]), torch.tensor([[[3.0]], [[4.0]]])

    def score(theta: Tensor, psi: Tensor, z: Tensor) -> Tensor:
        return functional_call(nets.critic, {"psi": psi}, (functional_call(nets.generator, {"theta": theta}, (z,)),))

    assert vmap(score)(theta, psi, torch.zeros(2, 3, 1)).tolist() == [[3.0] * 3, [8.0] * 3]


@pytest.mark.parametrize(("shape", "pack"), [((2,), 1), ((1, 4, 4), 1), ((1, 4, 4), 2)])
def test_a_critic_reconstructs_where_the_method_reads_reconstructions(shape: tuple[int, ...], pack: int) -> None:
    ask = Ask(shape=shape, pack=pack, head="reconstruction", heads={"pose": 3})
    nets = networks(ask, latent=5, critic_depth=2, critic_width=7, output="tanh")
    x = normal(6, pack * shape[0], *shape[1:])
    answers = nets.critic(x)
    sizes = {"reconstruction": x.shape, "features": (6, 5), "score": (6,), "pose": (6, 3)}
    assert {name: tuple(answer.shape) for name, answer in answers.items()} == {n: tuple(s) for n, s in sizes.items()}
    assert answers["reconstruction"].abs().max() <= 1
    assert torch.equal(answers["score"], -(x - answers["reconstruction"]).flatten(1).square().mean(1))
    flat = math.prod(x.shape[1:])
    layers = [m for m in nets.critic.modules() if isinstance(m, nn.Linear)]
    widths = [(layer.in_features, layer.out_features) for layer in layers]
    assert widths == [(flat, 7), (7, 7), (7, 5), (5, 7), (7, 7), (7, flat), (5, 3)]


@pytest.mark.parametrize("norm", NORMS)
def test_an_autoencoder_is_normalised_as_the_critic_is_and_rowwise_under_layer_norm(norm: Any) -> None:
    nets = networks(Ask(shape=(3,), head="reconstruction", critic_norm=norm), critic_depth=2, critic_normalised=True)
    kinds = Counter(type(m).__name__ for m in nets.critic.modules())
    assert kinds[{"batch": "BatchNorm1d", "layer": "LayerNorm"}[norm]] == 3  # not in the first layer
    x = normal(8, 3)
    alone = nets.critic(x[:4])["reconstruction"]
    assert nets.rowwise == (norm == "layer") == torch.allclose(nets.critic(x)["reconstruction"][:4], alone, atol=1e-6)


def test_the_generator_has_the_same_weights_whether_the_critic_reconstructs_or_not() -> None:
    scoring, reconstructing = networks(IMAGE), networks(Ask(shape=(1, 4, 4), head="reconstruction"))
    for name, weight in scoring.generator.state_dict().items():
        assert torch.equal(weight, reconstructing.generator.state_dict()[name])
