"""The f-GAN: its bounds are tight at the known critic, and its generator follows the divergence."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.func import grad, vmap

from ganbench_plugins.losses import cross_entropy, f_gan
from tests.plugins.test_losses import JS, P, Q, critic_loss

# by divergence: D_f(P || Q), the critic's best score as a function of p / q, and f* by the paper's own formula of t
DIVERGENCES: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "kl": (lambda q: (P * (P / q).log()).sum(), lambda u: 1 + u.log(), lambda t: (t - 1).exp()),
    "reverse-kl": (lambda q: (q * (q / P).log()).sum(), lambda u: u.log(), lambda t: -1 - (-t).log()),
    "pearson": (lambda q: ((P - q).square() / q).sum(), lambda u: 2 * (u - 1), lambda t: t.square() / 4 + t),
    "hellinger": (lambda q: (P.sqrt() - q.sqrt()).square().sum(), lambda u: u.log() / 2, lambda t: t / (1 - t)),
    "js": (
        lambda q: (P * (2 * P / (P + q)).log()).sum() + (q * (2 * q / (P + q)).log()).sum(),
        lambda u: u.log(),
        lambda t: -(2 - t.exp()).log(),
    ),
}
every_divergence = pytest.mark.parametrize("name", DIVERGENCES)


@every_divergence
def test_the_critics_smallest_loss_is_minus_the_divergence_at_the_known_score(name: str) -> None:
    objective, (divergence, best, _) = f_gan.build(name), DIVERGENCES[name]
    assert grad(lambda scores: critic_loss(objective, scores))(best(P / Q)).abs().max().item() < 1e-12
    least = critic_loss(objective, best(P / Q)).item()
    assert least == pytest.approx(-divergence(Q).item(), abs=1e-12)
    for step in (-0.1, 0.1):
        assert critic_loss(objective, best(P / Q) + step).item() > least + 1e-4


def test_the_papers_jensen_shannon_divergence_is_twice_the_one_with_the_halves() -> None:
    assert DIVERGENCES["js"][0](Q).item() == pytest.approx(2 * JS.item(), abs=1e-12)


@every_divergence
def test_the_written_out_conjugate_is_the_papers_formula_of_the_activation(name: str) -> None:
    scores = torch.linspace(-3, 3, 13, dtype=torch.float64)
    activation, conjugate = f_gan.BOUNDS[name]
    torch.testing.assert_close(conjugate(scores), DIVERGENCES[name][2](activation(scores)), atol=1e-12, rtol=1e-12)


@every_divergence
def test_the_generator_at_the_best_critic_follows_the_gradient_of_the_divergence(name: str) -> None:
    """Danskin's theorem for the minimax game; no such law holds for the trick, whose loss is -g instead of -f*(g)."""
    divergence, best, _ = DIVERGENCES[name]
    per_atom = vmap(lambda score: f_gan.build(name).generator(None, score[None]))(best(P / Q))
    logits = Q.log()
    slope = grad(lambda logits: (logits.softmax(0) * per_atom).sum())(logits)
    torch.testing.assert_close(slope, grad(lambda logits: divergence(logits.softmax(0)))(logits), atol=1e-12, rtol=0)


@every_divergence
def test_the_trick_changes_the_generators_loss_alone(name: str) -> None:
    scores = torch.linspace(-2, 2, 5, dtype=torch.float64)
    plain, trick = f_gan.build(name), f_gan.build(name, trick=True)
    assert torch.equal(plain.critic(scores, -scores), trick.critic(scores, -scores))
    assert trick.generator(None, scores).item() == pytest.approx(-f_gan.BOUNDS[name][0](scores).mean().item())
    assert trick.generator(None, scores).item() != pytest.approx(plain.generator(None, scores).item(), abs=1e-3)


def test_the_jensen_shannon_game_is_the_gan_shifted_by_log_4_and_its_trick_the_log_d_trick() -> None:
    scores = torch.linspace(-4, 4, 9, dtype=torch.float64)
    game, trick = f_gan.build("js"), f_gan.build("js", trick=True)
    gan, ns_gan = cross_entropy.build_minimax(), cross_entropy.build_non_saturating()
    assert game.critic(scores, -scores).item() == pytest.approx(
        gan.critic(scores, -scores).item() - math.log(4), abs=1e-12
    )
    assert game.generator(None, scores).item() == pytest.approx(
        gan.generator(None, scores).item() + math.log(2), abs=1e-12
    )
    assert trick.generator(None, scores).item() == pytest.approx(
        ns_gan.generator(None, scores).item() - math.log(2), abs=1e-12
    )
