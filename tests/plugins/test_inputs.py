"""Instance noise: what the critic sees of real and fake samples."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from ganbench import Constraint, Draw, plan, registry
from ganbench.engine.program import Link
from ganbench.engine.train import prepare
from ganbench.suite.loading import parse
from torch import Tensor
from torch.func import grad, vmap

from ganbench_plugins.inputs import instance_noise
from ganbench_plugins.losses import cross_entropy
from tests.support.small_games import Spy
from tests.support.tiny_suite import suite as small_suite

(OFFER,) = instance_noise.ganbench_inputs()
PROGRESS = torch.tensor(0.0)


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_noise_is_sigma_times_a_standard_normal_draw_of_the_samples_shape() -> None:
    noise_input = OFFER.build(sigma=0.5)
    assert noise_input.draws == {"noise": Draw("normal", "data")}
    x, noise = torch.tensor([[1.0, 2.0]]), torch.tensor([[4.0, -2.0]])
    assert torch.equal(noise_input.view(x, {"noise": noise}, PROGRESS), torch.tensor([[3.0, 1.0]]))


def test_noise_adds_sigma_squared_to_the_variance() -> None:
    noisy = OFFER.build(sigma=0.7).view(torch.zeros(40000), {"noise": normal(40000)}, PROGRESS)
    assert noisy.var().item() == pytest.approx(0.49, rel=0.03)


def test_a_sigma_of_zero_changes_no_bit() -> None:
    x = normal(5, 3)
    assert torch.equal(OFFER.build(sigma=0.0).view(x, {"noise": 3 * x}, PROGRESS), x)


def test_sigma_may_be_a_tensor_that_changes_between_steps() -> None:
    sigma = torch.tensor(1.0)
    view, x = OFFER.build(sigma=sigma).view, torch.zeros(2, 1)
    for value in (1.0, 0.25):
        sigma.fill_(value)
        assert view(x, {"noise": torch.ones(2, 1)}, PROGRESS).tolist() == [[value], [value]]


def test_the_view_maps_over_seeds_and_leaves_its_argument_unchanged() -> None:
    view, x, noise = OFFER.build().view, normal(3, 4, 2), normal(3, 4, 2).flip(0)
    before = x.clone()
    mapped = vmap(view, in_dims=(0, 0, None))(x, {"noise": noise}, PROGRESS)
    assert torch.equal(mapped, x + 0.1 * noise)
    assert torch.equal(x, before)


LOSSES = {offer.name: offer.build() for offer in cross_entropy.ganbench_losses()}


@pytest.mark.parametrize(("theta", "sigma"), [(1.0, 1.0), (0.5, 0.25), (-2.0, 1.5)])
def test_noise_turns_parallel_lines_into_two_gaussians_whose_optimum_is_known(theta: float, sigma: float) -> None:
    """D* is the sigmoid of theta / sigma^2 (theta / 2 - x), and is correct with probability Phi(|theta| / 2 sigma).

    Its loss is 2 log 2 - 2 JS of the two Gaussians, and the saturating and -log D gradients add up to theta / sigma^2.
    """
    nodes, weights = (torch.from_numpy(part) for part in np.polynomial.hermite_e.hermegauss(160))
    weights, view = weights / weights.sum(), OFFER.build(sigma=sigma).view
    at = torch.tensor(theta, dtype=torch.float64)

    def add_noise(place: Tensor) -> Tensor:
        return view(place.expand_as(nodes), {"noise": nodes}, PROGRESS)

    def score(x: Tensor) -> Tensor:
        return theta / sigma**2 * (theta / 2 - x)

    def generator(name: str) -> float:
        loss = vmap(lambda f: LOSSES[name].generator(None, f[None]))
        return grad(lambda t: (weights * loss(score(add_noise(t)))).sum())(at).item()

    real, fake = score(add_noise(torch.zeros_like(at))), score(add_noise(at))
    loss = (weights * vmap(lambda r, f: LOSSES["minimax"].critic(r[None], f[None]))(real, fake)).sum().item()
    js = jensen_shannon(theta, sigma)
    assert generator("minimax") + generator("non-saturating") == pytest.approx(theta / sigma**2, abs=1e-9)
    assert loss == pytest.approx(2 * math.log(2) - 2 * js, abs=1e-7)
    if (theta, sigma) == (1.0, 1.0):
        assert (loss, js) == pytest.approx((1.163451, 0.111421), abs=1e-6)

    quantiles = torch.special.ndtri((torch.arange(100_000, dtype=torch.float64) + 0.5) / 100_000)
    correct = (score(view(0 * quantiles, {"noise": quantiles}, PROGRESS)) > 0).double().mean().item()
    assert correct == pytest.approx((1 + math.erf(abs(theta) / (2 * sigma) / 2**0.5)) / 2, abs=1e-4)


def jensen_shannon(theta: float, sigma: float) -> float:
    """Return JS, with its halves, of N(0, sigma^2) and N(theta, sigma^2) by the trapezium rule."""
    x = torch.linspace(-12 * sigma - abs(theta), 12 * sigma + abs(theta), 20_001, dtype=torch.float64)
    p, q = (torch.distributions.Normal(at, sigma).log_prob(x) for at in (0.0, theta))
    middle = torch.logaddexp(p, q) - math.log(2)
    return torch.trapezoid(p.exp() * (p - middle) + q.exp() * (q - middle), x).item() / 2


def test_in_the_engine_noise_is_new_for_each_step_side_and_player_and_falls_to_zero() -> None:
    """Both sides have noise of the same standard deviation sigma, which a linear schedule lowers to 0 half way."""
    sigma = {"linear": [1.0, 0.0], "over": 0.5}
    method = {"name": "noisy", "from": "ns-gan", "inputs": [{"name": "instance-noise", "sigma": sigma}]}
    budget = {"generator_steps": 8, "batch_size": 512, "snapshots": 1}
    suite = parse(small_suite(methods=None, method=[method], budget=budget, success=None, seeds=1), "s.toml")
    plugins, noted = registry.load(), Spy()
    run = prepare(plan.make(suite, plugins).batches[0], plugins, torch.device("cpu"))

    def spy(play: Any) -> Tensor:
        sides = {"real": play.real - play.step_inputs["real"], "fake": play.fake - play.generator(play.latent)}
        noted.note({side: added.detach().clone() for side, added in sides.items()})
        return 0 * play.scores_fake.sum()

    spy_link = Link("spy", 1.0, Constraint(critic=spy, generator=spy))
    list(replace(run, program=replace(run.program, constraints=(spy_link,)), mode="loop").run())
    noises = noted.notes()
    assert len(noises) == 16  # the critic's and the generator's, eight times
    for turn, noise in enumerate(noises):
        width = max(0.0, 1 - (turn // 2) / 4)
        for added in noise.values():
            assert added.std().item() == pytest.approx(width, abs=0.1 * width + 1e-6)
            assert added.mean().item() == pytest.approx(0, abs=0.15 * width + 1e-6)
    early = [added / added.std() for noise in noises[:6] for added in noise.values()]
    for i, later in enumerate(early):
        for earlier in early[:i]:
            # independent: within 5 standard deviations of the mean of 1,024 products
            assert abs((later * earlier).mean().item()) < 0.15
