"""Values and effects of the constraints, on critics whose slopes are known."""

from __future__ import annotations

from itertools import chain
from types import SimpleNamespace

import pytest
import torch
from ganbench import Draw, Example, Offer
from torch import Tensor
from torch.func import grad, vmap

from ganbench_plugins.constraints import gradient_penalties, spectral_norm, weight_clipping, weight_decay
from ganbench_plugins.losses import wasserstein

MODULES = (gradient_penalties, spectral_norm, weight_clipping, weight_decay)
OFFERS = {offer.name: offer for offer in chain.from_iterable(module.ganbench_constraints() for module in MODULES)}
EXAMPLES = [(offer, example) for offer in OFFERS.values() for example in offer.examples]
PENALTIES = ("gradient-penalty", "r1", "r2")


def label(value: Offer | Example) -> str:
    return value.name if isinstance(value, Offer) else value.source


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make_play(critic, real: Tensor, fake: Tensor, mix: Tensor | None = None) -> SimpleNamespace:
    """Return the parts of a play that penalties read."""
    mix = (
        torch.rand(len(real), *[1] * (real.ndim - 1), dtype=real.dtype, generator=generator(7)) if mix is None else mix
    )
    draws = {"mix": mix, "share": mix, "noise": torch.full_like(real, 0.3)}
    return SimpleNamespace(critic=critic, real=real, fake=fake, draws=draws)


def samples(*shape: int) -> tuple[Tensor, Tensor]:
    real, fake = torch.randn(2, *shape, dtype=torch.float64, generator=generator())
    return real, fake


def slope_of_length(length: float, size: int) -> Tensor:
    direction = torch.randn(size, dtype=torch.float64, generator=generator(1))
    return length * direction / direction.norm()


def linear(w: Tensor):
    return lambda x: x.flatten(1) @ w


@pytest.mark.parametrize(("offer", "example"), EXAMPLES, ids=label)
def test_a_penalty_has_the_value_its_example_claims(offer: Offer, example) -> None:
    shape = example.given["shape"]
    real, fake = samples(6, *shape)
    w = slope_of_length(example.given["slope"], real[0].numel())
    value = offer.build(**example.options).critic(make_play(linear(w), real, fake))
    assert value.item() == pytest.approx(example.expect["critic"], abs=1e-5)


@pytest.mark.parametrize("shape", [(1,), (48,), (3, 16), (3, 4, 4)])
@pytest.mark.parametrize(("name", "value"), [("gradient-penalty", 4.9), ("r1", 14.45), ("r2", 14.45)])
def test_a_slope_of_1_7_costs_4_9_and_14_45_at_weight_10_for_every_shape_of_samples(name, value, shape) -> None:
    """The norm is over all axes of a sample; over other axes the value would differ."""
    real, fake = samples(5, *shape)
    w = slope_of_length(1.7, real[0].numel())
    assert 10 * OFFERS[name].build().critic(make_play(linear(w), real, fake)).item() == pytest.approx(value, abs=1e-5)


def test_the_penalty_uses_each_samples_own_slope() -> None:
    """D = |x|^2 / 2 has slope |x|: at 1, 2 and 5 the penalty is (0 + 1 + 16) / 3; one norm for all gives 20."""
    x = torch.diag(torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64))
    term = OFFERS["gradient-penalty"].build(centre="real").critic
    assert term(make_play(lambda x: x.square().sum(1) / 2, x, x)).item() == pytest.approx(17 / 3, abs=1e-9)


@pytest.mark.parametrize(("mix", "value"), [(1.0, 9.0), (0.0, 25.0), (0.25, 14.625)])
def test_the_mixing_coefficient_is_the_real_samples_share(mix: float, value: float) -> None:
    """With D = |x|^2 / 2, target 0, real (3, 0) and fake (0, 5) the penalty is |(3 e, 5 (1 - e))|^2."""
    real, fake = torch.tensor([[[3.0, 0.0]], [[0.0, 5.0]]], dtype=torch.float64)
    e = torch.full((1, 1), mix, dtype=torch.float64)
    term = OFFERS["gradient-penalty"].build(target=0.0).critic
    assert term(make_play(lambda x: x.square().sum(1) / 2, real, fake, e)).item() == pytest.approx(value, abs=1e-9)


def test_one_coefficient_per_sample_spreads_the_interpolates_by_the_root_of_one_24th() -> None:
    """|x^|^2 / 48 of x, x~ ~ N(0, I_48) has standard deviation .2041; one coefficient per pixel would give .141."""
    draw = OFFERS["gradient-penalty"].build().draws["mix"]
    assert draw == Draw("uniform", "sample")
    real, fake = samples(20000, 3, 4, 4)
    e = torch.rand(20000, 1, 1, 1, dtype=torch.float64, generator=generator(2))  # as `Draw` defines it
    term = OFFERS["gradient-penalty"].build(target=0.0).critic

    def penalty(real: Tensor, fake: Tensor, e: Tensor) -> Tensor:
        return term(make_play(lambda x: x.flatten(1).square().sum(1) / 2, real[None], fake[None], e[None]))

    assert (vmap(penalty)(real, fake, e) / 48).std().item() == pytest.approx((1 / 24) ** 0.5, abs=0.005)


def test_no_random_draws_are_declared_where_none_are_used() -> None:
    for centre in ("real", "fake"):
        assert OFFERS["gradient-penalty"].build(centre=centre).draws == {}


@pytest.mark.parametrize(("centre", "value"), [("real", 4.0), ("fake", 64.0)])
def test_the_penalty_is_taken_at_its_centre(centre: str, value: float) -> None:
    real, fake = torch.tensor([[[3.0]], [[9.0]]], dtype=torch.float64)
    term = OFFERS["gradient-penalty"].build(centre=centre).critic
    assert term(make_play(lambda x: x.square().sum(1) / 2, real, fake)).item() == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize(("name", "value"), [("r1", 4.5), ("r2", 40.5)])
def test_r1_uses_real_samples_and_r2_fake_ones(name: str, value: float) -> None:
    real, fake = torch.tensor([[[3.0]], [[9.0]]], dtype=torch.float64)
    assert OFFERS[name].build().critic(make_play(lambda x: x.square().sum(1) / 2, real, fake)).item() == value


@pytest.mark.parametrize(("weight", "report"), [(0.1, 6.0), (0.5, 2.0), (10.0, 1.05)])
def test_a_penalised_linear_critic_is_steeper_than_1_by_theta_over_2_lambda(weight: float, report: float) -> None:
    """Between parallel lines 1 apart the slope s minimises -s + lambda (s - 1)^2: lambda .1 reports six times W1."""
    z = torch.rand(6, dtype=torch.float64, generator=generator())
    real, fake = (torch.stack([torch.full_like(z, at), z], 1) for at in (0.0, 1.0))
    gp, (offer,) = OFFERS["gradient-penalty"].build().critic, wasserstein.ganbench_losses()

    def loss(w: Tensor) -> Tensor:
        return offer.build().critic(real @ w, fake @ w) + weight * gp(make_play(linear(w), real, fake))

    best = torch.tensor([-report, 0.0], dtype=torch.float64)
    assert grad(loss)(best).abs().max().item() < 1e-9
    assert (real @ best - fake @ best).mean().item() == pytest.approx(1 + 1 / (2 * weight), abs=1e-12)
    for step in torch.tensor([[0.1, 0.0], [-0.1, 0.0], [0.0, 0.1], [0.0, -0.1]], dtype=torch.float64):
        assert loss(best + step) > loss(best)


@pytest.mark.parametrize("name", PENALTIES)
def test_a_penalty_is_finite_with_a_finite_gradient_where_the_critic_is_flat(name: str) -> None:
    real, fake = samples(4, 3)
    term = OFFERS[name].build().critic
    slope = grad(lambda w: term(make_play(linear(w), real, fake)))(torch.zeros(3, dtype=torch.float64))
    assert slope.isfinite().all()


@pytest.mark.parametrize("name", PENALTIES)
def test_a_constant_added_to_the_critic_costs_nothing(name: str) -> None:
    real, fake = samples(4, 3)
    w, term = slope_of_length(2.0, 3), OFFERS[name].build().critic
    raised = term(make_play(lambda x: linear(w)(x) + 7, real, fake))
    assert raised.item() == pytest.approx(term(make_play(linear(w), real, fake)).item(), abs=1e-12)


@pytest.mark.parametrize("name", PENALTIES)
def test_the_penalty_of_a_batch_is_the_mean_over_its_rows(name: str) -> None:
    real, fake = samples(5, 2, 3)
    term, mix = OFFERS[name].build().critic, torch.rand(5, 1, 1, dtype=torch.float64, generator=generator(3))

    def critic(x: Tensor) -> Tensor:
        return x.flatten(1).sin().sum(1)

    rows = [term(make_play(critic, real[i : i + 1], fake[i : i + 1], mix[i : i + 1])) for i in range(5)]
    together = term(make_play(critic, real, fake, mix))
    assert together.item() == pytest.approx(torch.stack(rows).mean().item(), abs=1e-12)


@pytest.mark.parametrize(("name", "pull"), [("gradient-penalty", 2 * 0.7), ("r1", 1.7), ("r2", 1.7)])
def test_the_penalty_pulls_a_linear_critic_along_its_own_slope(name: str, pull: float) -> None:
    """The derivative of (|w| - 1)^2 is 2 (|w| - 1) w / |w|, that of |w|^2 / 2 is w; both need second derivatives."""
    real, fake = samples(4, 3)
    w, term = slope_of_length(1.7, 3), OFFERS[name].build().critic
    slope = grad(lambda w: term(make_play(linear(w), real, fake)))(w)
    torch.testing.assert_close(slope, pull * w / 1.7, atol=1e-9, rtol=0)


@pytest.mark.parametrize("name", PENALTIES)
def test_seeds_mapped_together_have_the_penalties_of_each_alone(name: str) -> None:
    real, fake = samples(3, 4, 2)
    w1, w2 = torch.randn(2, 3, 2, 2, dtype=torch.float64, generator=generator(4))
    term, mix = OFFERS[name].build().critic, torch.rand(3, 4, 1, dtype=torch.float64, generator=generator(5))

    def member(w1: Tensor, w2: Tensor, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
        return grad(lambda w: term(make_play(lambda x: (x @ w).tanh() @ w2[0], real, fake, mix)))(w1)

    mapped = vmap(member)(w1, w2, real, fake, mix)
    alone = [member(*row) for row in zip(w1, w2, real, fake, mix, strict=True)]
    torch.testing.assert_close(mapped, torch.stack(alone), atol=1e-12, rtol=0)


def test_the_target_may_be_a_tensor_that_changes_between_steps() -> None:
    real, fake = samples(4, 3)
    target = torch.tensor(1.0, dtype=torch.float64)
    term, w = OFFERS["gradient-penalty"].build(target=target).critic, slope_of_length(1.7, 3)
    target.fill_(0.5)
    assert term(make_play(linear(w), real, fake)).item() == pytest.approx(1.44, abs=1e-9)


def test_clipping_moves_every_parameter_to_the_nearest_point_within_the_bound() -> None:
    parameters = {"weight": torch.tensor([[-3.0, -0.5], [0.25, 3.0]]), "bias": torch.tensor([2.0, -0.5])}
    clipped = OFFERS["weight-clipping"].build(bound=0.5).project(parameters, torch.tensor(0.0))
    assert torch.equal(clipped["weight"], torch.tensor([[-0.5, -0.5], [0.25, 0.5]]))
    assert torch.equal(clipped["bias"], torch.tensor([0.5, -0.5]))
    assert parameters["bias"][0] == 2.0  # the argument is unchanged


def test_a_clip_at_infinity_changes_no_bit() -> None:
    parameters = {"weight": torch.randn(4, 5, generator=generator())}
    clipped = OFFERS["weight-clipping"].build(bound=float("inf")).project(parameters, torch.tensor(0.0))
    assert torch.equal(clipped["weight"], parameters["weight"])


def test_the_bound_may_be_a_tensor_that_changes_between_steps() -> None:
    bound = torch.tensor(0.5)
    project, parameters = OFFERS["weight-clipping"].build(bound=bound).project, {"weight": torch.tensor([3.0, -3.0])}
    for value in (0.5, 0.125):
        bound.fill_(value)
        assert project(parameters, torch.tensor(0.0))["weight"].tolist() == [value, -value]


def iterate_spectral_norm(weight: Tensor, steps: int = 2000) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the normalised weight and the state after `steps` iterations at a fixed weight."""
    constraint, parameters = OFFERS["spectral-norm"].build(), {"weight": weight}
    state = constraint.init(parameters, generator())
    for _ in range(steps):
        normalised, state = constraint.reparametrise(parameters, state)
    return normalised["weight"], state


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (1, 5), (4, 2, 3, 3)])
def test_the_power_iteration_converges_to_the_largest_singular_value(shape: tuple[int, ...]) -> None:
    """Convolutions count as the matrix [out, -1]. To 1e-10 in float64, because the spectrum has a gap."""
    weight = torch.randn(shape, dtype=torch.float64, generator=generator(3))
    normalised, _ = iterate_spectral_norm(weight)
    exact = weight / torch.linalg.matrix_norm(weight.flatten(1), 2)
    torch.testing.assert_close(normalised, exact, atol=1e-10, rtol=0)


def test_one_step_is_one_power_iteration_from_the_vector_of_the_step_before() -> None:
    """For W = diag(2, 1) and u = (3, 4)/5: v ~ (6, 4), u ~ (12, 4), sigma = |W v|."""
    constraint = OFFERS["spectral-norm"].build()
    weight, u = torch.diag(torch.tensor([2.0, 1.0], dtype=torch.float64)), torch.tensor([0.6, 0.8], dtype=torch.float64)
    normalised, state = constraint.reparametrise({"weight": weight}, {"weight": u})
    torch.testing.assert_close(state["weight"], torch.tensor([3.0, 1.0], dtype=torch.float64) / 10**0.5)
    sigma = (160 / 52) ** 0.5  # |W v| with v = (6, 4) / sqrt 52
    torch.testing.assert_close(normalised["weight"], weight / sigma, atol=1e-12, rtol=0)


def test_spectral_norm_leaves_vectors_unchanged_and_keeps_one_unit_vector_per_matrix() -> None:
    constraint = OFFERS["spectral-norm"].build()
    parameters = {"trunk.weight": torch.randn(5, 3), "trunk.bias": torch.ones(5), "norm.weight": torch.ones(5)}
    state = constraint.init(parameters, generator())
    normalised, after = constraint.reparametrise(parameters, state)
    assert state.keys() == after.keys() == {"trunk.weight"}
    assert state["trunk.weight"].norm().item() == pytest.approx(1.0, abs=1e-6)
    assert normalised.keys() == parameters.keys()
    assert normalised["trunk.bias"] is parameters["trunk.bias"]
    assert normalised["norm.weight"] is parameters["norm.weight"]


def test_a_matrix_of_zeros_stays_as_it_is_and_is_normalised_once_it_has_values() -> None:
    constraint = OFFERS["spectral-norm"].build()
    zeros = torch.zeros(3, 2, dtype=torch.float64)
    state = constraint.init({"w": zeros}, generator())
    gradient, (normalised, after) = grad(
        lambda w: ((out := constraint.reparametrise({"w": w}, state))[0]["w"].sum(), out), has_aux=True
    )(zeros)
    assert torch.equal(normalised["w"], zeros)
    assert torch.equal(gradient, torch.ones_like(zeros)), "it can leave zero"
    assert torch.equal(after["w"], state["w"])
    weight = torch.randn(3, 2, dtype=torch.float64, generator=generator(3))
    for _ in range(200):
        normalised, after = constraint.reparametrise({"w": weight}, after)
    assert torch.linalg.matrix_norm(normalised["w"], 2).item() == pytest.approx(1.0, abs=1e-9)


def test_the_normalised_weight_has_torchs_gradient_once_converged() -> None:
    """Compared with torch's own parametrisation after as many iterations, at a loss of W / sigma."""
    probe = torch.randn(4, 6, dtype=torch.float64, generator=generator(1))
    layer = torch.nn.Linear(6, 4, bias=False, dtype=torch.float64)
    weight = layer.weight.detach().clone()
    torch.nn.utils.parametrizations.spectral_norm(layer, n_power_iterations=2000)
    (layer.weight * probe).sum().backward()
    _, state = iterate_spectral_norm(weight)
    ours = grad(
        lambda w: (OFFERS["spectral-norm"].build().reparametrise({"weight": w}, state)[0]["weight"] * probe).sum()
    )
    torch.testing.assert_close(ours(weight), layer.parametrizations.weight.original.grad, atol=1e-9, rtol=0)


def test_seeds_mapped_together_are_normalised_as_each_alone() -> None:
    constraint = OFFERS["spectral-norm"].build()
    weights = torch.randn(3, 4, 6, dtype=torch.float64, generator=generator(2))
    states = torch.stack([constraint.init({"w": w}, generator(seed))["w"] for seed, w in enumerate(weights)])

    def member(w: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        def loss(w: Tensor) -> tuple[Tensor, Tensor]:
            normalised, state = constraint.reparametrise({"w": w}, {"w": u})
            return normalised["w"].pow(3).sum(), state["w"]

        return grad(loss, has_aux=True)(w)

    alone = [torch.stack(column) for column in zip(*map(member, weights, states), strict=True)]
    for mapped, single in zip(vmap(member)(weights, states), alone, strict=True):
        torch.testing.assert_close(mapped, single, atol=1e-12, rtol=0)


def test_weight_decay_is_half_the_squared_norm_of_the_matrices_and_pulls_by_the_weights_themselves() -> None:
    parameters = {
        "weight": torch.tensor([[1.0, 2.0], [3.0, 4.0]]),
        "bias": torch.tensor([5.0]),
        "out": torch.ones(1, 6),
    }
    term = OFFERS["weight-decay"].build().critic
    assert term(SimpleNamespace(critic_parameters=parameters)).item() == 18.0
    pull = grad(lambda parameters: term(SimpleNamespace(critic_parameters=parameters)))(parameters)
    assert torch.equal(pull["weight"], parameters["weight"])
    assert torch.equal(pull["bias"], torch.zeros(1))
