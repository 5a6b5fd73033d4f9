"""Values of the losses: by hand, at the tabular optimum, and between two Gaussians."""

from __future__ import annotations

import math
from itertools import chain

import numpy as np
import pytest
import torch
from ganbench import Example, Objective, Offer
from torch import Tensor
from torch.func import grad, vmap

from ganbench_plugins.losses import cross_entropy, f_gan, hinge, least_squares, wasserstein

OFFERS = {
    offer.name: offer
    for offer in chain.from_iterable(
        m.ganbench_losses() for m in (cross_entropy, wasserstein, least_squares, hinge, f_gan)
    )
}
EXAMPLES = [(offer, example) for offer in OFFERS.values() for example in offer.examples]
every_offer = pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)

# discrete distributions of data and generator, in twentieths, so that a batch of 20 rows is the distribution itself
REAL, FAKE = torch.tensor([8, 5, 4, 2, 1]), torch.tensor([1, 3, 4, 6, 6])
P, Q = REAL.double() / 20, FAKE.double() / 20
JS = 0.5 * (P * (2 * P / (P + Q)).log()).sum() + 0.5 * (Q * (2 * Q / (P + Q)).log()).sum()
TV = (P - Q).abs().sum() / 2


def label(value: Offer | Example) -> str:
    return value.name if isinstance(value, Offer) else value.source


def critic_loss(objective: Objective, scores: Tensor) -> Tensor:
    """Return the critic's expected loss over both distributions, with one score per atom."""
    return objective.critic(scores.repeat_interleave(REAL), scores.repeat_interleave(FAKE))


@pytest.mark.parametrize(("offer", "example"), EXAMPLES, ids=label)
def test_a_loss_has_the_value_its_example_claims(offer: Offer, example) -> None:
    objective = offer.build(**example.options)
    scores = (torch.tensor(example.given[side], dtype=torch.float64) for side in ("real", "fake"))
    real, fake = scores
    for player, value in example.expect.items():
        assert getattr(objective, player)(real, fake).item() == pytest.approx(value, abs=1e-12)


@every_offer
def test_losses_and_gradients_are_finite_over_the_claimed_range(offer: Offer) -> None:
    objective = offer.build()
    edge = torch.tensor([-offer.safe_range, 0.0, offer.safe_range])
    for loss in (objective.critic, objective.generator):
        assert loss(edge, edge).isfinite()
        assert grad(lambda fake, loss=loss: loss(edge, fake))(edge).isfinite().all()


@every_offer
def test_the_generator_needs_no_real_scores(offer: Offer) -> None:
    objective = offer.build()
    assert not objective.paired
    assert objective.generator(None, torch.zeros(3)).isfinite()


@pytest.mark.parametrize(
    ("name", "options", "best", "value"),
    [
        ("minimax", {}, (P / Q).log(), 2 * math.log(2) - 2 * JS),
        ("non-saturating", {}, (P / Q).log(), 2 * math.log(2) - 2 * JS),
        ("least-squares", {}, P / (P + Q), (P * Q / (P + Q)).sum() / 2),
        ("least-squares", {"a": -1.0, "b": 1.0, "c": 0.0}, (P - Q) / (P + Q), 2 * (P * Q / (P + Q)).sum()),
        ("least-squares", {"a": -1.0, "b": 1.0, "c": 0.0}, (P - Q) / (P + Q), 1 - ((P - Q) ** 2 / (P + Q)).sum() / 2),
    ],
)
def test_a_free_critic_is_stationary_at_the_closed_form_with_the_known_minimum(name, options, best, value) -> None:
    """BCE: 2 log 2 - 2 JS at D* = p / (p + q); LSGAN: D* = (b p + a q) / (p + q). Both are convex in the scores."""
    objective = OFFERS[name].build(**options)
    slope, least = torch.func.grad_and_value(lambda scores: critic_loss(objective, scores))(best)
    assert slope.abs().max().item() < 1e-12
    assert least.item() == pytest.approx(float(value), abs=1e-12)


def test_the_hinge_loss_is_least_at_the_sign_of_p_minus_q_where_it_is_2_minus_2_tv() -> None:
    objective, best = OFFERS["hinge"].build(), (P - Q).sign()
    least = critic_loss(objective, best).item()
    assert least == pytest.approx(2 - 2 * TV.item(), abs=1e-12)
    for direction in torch.eye(5, dtype=torch.float64)[P != Q]:
        for step in (-0.1, 0.1):  # at a corner of a convex function every step along an axis increases it
            assert critic_loss(objective, best + step * direction).item() > least + 1e-3


def test_one_sided_smoothing_moves_the_optimal_critic_to_nine_tenths_of_p_over_p_plus_q() -> None:
    objective = OFFERS["non-saturating"].build(real_label=0.9)
    best = (0.9 * P / (P + Q)).logit()
    assert grad(lambda scores: critic_loss(objective, scores))(best).abs().max().item() < 1e-12


@pytest.mark.parametrize("fake_label", [0.05, 0.2])
def test_two_sided_smoothing_mixes_both_labels_in_the_optimal_critic(fake_label: float) -> None:
    """D* = (a p + b q) / (p + q), which is between the labels b and a."""
    objective = OFFERS["non-saturating"].build(real_label=0.9, fake_label=fake_label)
    best = ((0.9 * P + fake_label * Q) / (P + Q)).logit()
    assert grad(lambda scores: critic_loss(objective, scores))(best).abs().max().item() < 1e-12


def test_smoothed_labels_leave_the_generators_loss_unchanged() -> None:
    plain, smoothed = OFFERS["non-saturating"].build(), OFFERS["non-saturating"].build(real_label=0.9, fake_label=0.1)
    fake = torch.linspace(-3, 3, 7)
    assert torch.equal(plain.generator(None, fake), smoothed.generator(None, fake))


@pytest.mark.parametrize(("name", "value"), [("minimax", -math.log(2)), ("non-saturating", math.log(2))])
def test_at_p_equal_q_the_critics_loss_is_log_4_and_the_generators_log_2(name: str, value: float) -> None:
    objective, zero = OFFERS[name].build(), torch.zeros(4, dtype=torch.float64)
    assert objective.critic(zero, zero).item() == pytest.approx(math.log(4), abs=1e-12)
    assert objective.generator(None, zero).item() == pytest.approx(value, abs=1e-12)


def divergence(logits: Tensor, kind: str) -> Tensor:
    """Return KL(q || p), or JS with its halves, of q = softmax(logits)."""
    q = logits.softmax(0)
    if kind == "kl":
        return (q * (q / P).log()).sum()
    return 0.5 * (P * (2 * P / (P + q)).log()).sum() + 0.5 * (q * (2 * q / (P + q)).log()).sum()


def test_generator_gradients_at_the_optimal_critic_are_those_of_divergences() -> None:
    """-log D follows KL(Pg || Pr) - 2 JS (Arjovsky, Bottou 2017, Theorem 2.5), the minimax game 2 JS (Goodfellow)."""
    logits, best = Q.log(), (P / Q).log()

    def slope(name: str) -> Tensor:
        per_atom = vmap(lambda score: OFFERS[name].build().generator(None, score[None]))(best)
        return grad(lambda logits: (logits.softmax(0) * per_atom).sum())(logits)

    kl, js = (grad(lambda logits, kind=kind: divergence(logits, kind))(logits) for kind in ("kl", "js"))
    torch.testing.assert_close(slope("non-saturating"), kl - 2 * js, atol=1e-12, rtol=0)
    torch.testing.assert_close(slope("minimax"), 2 * js, atol=1e-12, rtol=0)


def test_two_gaussians_one_apart_have_the_known_loss_and_generator_gradients() -> None:
    """N(0, 1) against N(1, 1), D* = 1/2 - x: losses 1.163451, gradients .397973 and .602027, which add up to 1."""
    nodes, weights = (torch.from_numpy(part) for part in np.polynomial.hermite_e.hermegauss(80))
    weights = weights / weights.sum()

    def expected(loss, theta: Tensor) -> Tensor:
        return (weights * vmap(lambda z: loss(0.5 - z[None], 0.5 - (theta + z[None])))(nodes)).sum()

    shift = torch.tensor(1.0, dtype=torch.float64)
    saturating = grad(lambda theta: expected(OFFERS["minimax"].build().generator, theta))(shift).item()
    trick = grad(lambda theta: expected(OFFERS["non-saturating"].build().generator, theta))(shift).item()
    assert expected(OFFERS["minimax"].build().critic, shift).item() == pytest.approx(1.163451, abs=1e-6)
    assert saturating == pytest.approx(0.397973, abs=1e-6)
    assert trick == pytest.approx(0.602027, abs=1e-6)
    assert saturating + trick == pytest.approx(1.0, abs=1e-12)


def on_lines(name: str, player: str, scale: float, theta: Tensor) -> Tensor:
    """Return a loss for real (0, Z), fake (theta, Z) and the critic's score `scale` (1 - 2 x / theta) of (x, Z)."""
    objective, zero = OFFERS[name].build(), torch.zeros(1, dtype=torch.float64)
    return getattr(objective, player)(scale * (1 - zero), scale * (1 - 2 * (zero + theta) / theta.detach()))


@pytest.mark.parametrize("theta", [1e-3, 1.0, -2.0])
def test_on_parallel_lines_js_is_log_2_tv_1_and_kl_infinite_at_every_distance(theta: float) -> None:
    """WGAN, example 1: the critics' smallest losses 2 log 2 - 2 JS and 2 - 2 TV are 0, and -log D is unbounded."""
    at = torch.tensor(theta, dtype=torch.float64)
    assert math.log(2) - on_lines("minimax", "critic", 40.0, at).item() / 2 == pytest.approx(math.log(2), abs=1e-12)
    assert 1 - on_lines("hinge", "critic", 1.0, at).item() / 2 == pytest.approx(1, abs=1e-12)
    for score in (100.0, 1e4, 1e6):
        assert on_lines("non-saturating", "generator", score, at).item() == pytest.approx(score, rel=1e-12)


def test_where_the_lines_meet_every_critic_has_at_least_the_loss_of_equal_distributions() -> None:
    """JS = TV = W1 = 0: for every common score the losses are at least log 4, 2 and 0, all reached at score 0."""
    for name, least in (("minimax", math.log(4)), ("hinge", 2.0), ("wasserstein", 0.0)):
        losses = [OFFERS[name].build().critic(s[None], s[None]).item() for s in torch.linspace(-5, 5, 21).double()]
        assert min(losses) == pytest.approx(least, abs=1e-12)
        assert losses[10] == pytest.approx(least, abs=1e-12)


@pytest.mark.parametrize("theta", [1e-3, 1.0, -2.0])
def test_between_parallel_lines_the_best_lipschitz_critic_reports_w1_and_its_slope_is_1(theta: float) -> None:
    """Its slope is 1: E r - E f, the critic's loss negated, is |theta|; the generator's slope is the sign of theta."""
    at = torch.tensor(theta, dtype=torch.float64)
    scale = at.abs() / 2  # the score then falls with slope 1 in x towards the fakes
    assert -on_lines("wasserstein", "critic", scale, at).item() == pytest.approx(abs(theta), abs=1e-12)
    slope = grad(lambda t: on_lines("wasserstein", "generator", scale, t))(at)
    assert slope.item() == pytest.approx(math.copysign(1, theta), abs=1e-12)


@every_offer
def test_seeds_mapped_together_have_the_losses_of_each_alone(offer: Offer) -> None:
    objective = offer.build()
    real, fake = torch.randn(2, 3, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for loss in (objective.critic, objective.generator):
        alone = torch.stack([loss(r, f) for r, f in zip(real, fake, strict=True)])
        torch.testing.assert_close(vmap(loss)(real, fake), alone, atol=1e-12, rtol=0)
