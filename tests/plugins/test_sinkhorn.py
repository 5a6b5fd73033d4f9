"""The Sinkhorn loss: zero on equal batches, its limits for little and much entropy, and training without a critic."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from ganbench.engine.program import Program
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from ganbench_plugins.losses import sinkhorn
from tests.support.answering_networks import make_critic_free_space
from tests.support.small_games import make_training, ring


def draw_pair(n: int = 12) -> tuple[Tensor, Tensor]:
    x, y = torch.randn(2, n, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    return x, y + 1


def square_costs(x: Tensor, y: Tensor) -> Tensor:
    return (x.unsqueeze(1) - y).square().sum(2)


def test_the_loss_is_zero_on_equal_batches_and_positive_on_others() -> None:
    x, y = draw_pair()
    loss = sinkhorn.build().generator
    assert float(loss(x, x)) == pytest.approx(0, abs=1e-12)
    assert float(loss(x, x + 3)) > 1
    assert float(sinkhorn.build(on="features").critic(x, y)) == -float(loss(x, y))


def test_much_entropy_makes_it_the_mmd_of_the_negative_squared_distance() -> None:
    """The plan is then the product of the weights (Genevay et al. 2018, theorem 1)."""
    x, y = draw_pair()
    expected = 2 * square_costs(x, y).mean() - square_costs(x, x).mean() - square_costs(y, y).mean()
    assert float(sinkhorn.build(epsilon=1e9).generator(x, y)) == pytest.approx(float(expected), rel=1e-6)


def test_little_entropy_makes_it_twice_the_exact_transport_cost() -> None:
    x, y = draw_pair(6)
    costs = square_costs(x, y)
    rows, columns = linear_sum_assignment(costs.numpy())
    expected = 2 * float(costs[rows, columns].mean())
    assert float(sinkhorn.build(epsilon=0.01, iterations=2000).generator(x, y)) == pytest.approx(expected, rel=1e-3)


def test_its_gradient_is_that_of_the_value_through_the_iterations() -> None:
    x, y = draw_pair(5)
    assert torch.autograd.gradcheck(sinkhorn.build(iterations=3).generator, (x.requires_grad_(), y.requires_grad_()))


def test_a_learned_cost_without_a_constraint_has_a_caution() -> None:
    (offer,) = sinkhorn.ganbench_losses()
    for on, constraints, count in (("features", (), 1), ("features", ("weight-clipping",), 0), ("samples", (), 0)):
        recipe = SimpleNamespace(loss=SimpleNamespace(options={"on": on}), constraints=constraints)
        assert len(list(offer.caution(recipe, {}))) == count


def test_it_trains_a_generator_without_a_critic_seed_by_seed() -> None:
    def fast_adam(parameters: object) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=0.05)  # type: ignore[arg-type]

    source = ring()
    shifted = replace(source, draw=lambda generator, n: source.draw(generator, n) + 3)  # type: ignore[misc]
    program = Program(objective=sinkhorn.build(), critic_steps=lambda t: 0)
    run = make_training(
        program, make_critic_free_space(), shifted, seeds=(0, 1), mode="loop", steps=80, optimizer=fast_adam
    )
    *_, last = run.run()
    loss = last.signals["loss.generator"][1]
    assert (loss[:, :3].mean(1) > 10).all()
    assert (loss[:, -3:].mean(1) < 2).all()
    assert (last.updates["critic"], last.updates["generator"]) == (0, 80)
