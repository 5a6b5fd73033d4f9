"""FLOPs are those of matrix products: a linear layer from n x a to n x b has 2 n a b, and as many for each gradient."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from ganbench import plan, registry, suite
from ganbench.engine.cost import count_update_flops
from ganbench.engine.train import prepare

ROWS, LATENT, WIDTH = 8, 5, 6
GENERATOR = [(LATENT, WIDTH), (WIDTH, 2)]
CRITIC = [(2, WIDTH), (WIDTH, 1)]


@pytest.fixture(scope="module")
def plugins() -> registry.Registry:
    return registry.load()


def make_suite(method: dict[str, Any], budget: dict[str, Any], seeds: int = 1) -> suite.Suite:
    sizes = {"latent": LATENT} | {f"{p}_{s}": n for p in ("generator", "critic") for s, n in SIZES.items()}
    return suite.parse(
        {
            "question": "What does it cost?",
            "seeds": seeds,
            "method": [{"name": "m", "loss": "non-saturating", **method}],
            "budget": {"batch_size": ROWS, "snapshots": 1, **budget},
            "architectures": {"space": "mlp", "options": sizes},
            "dataset": [{"name": "ring"}],
        }
    )


SIZES = {"depth": 1, "width": WIDTH}


def matrix_flops(layers: list[tuple[int, int]], rows: int = ROWS) -> int:
    return sum(2 * rows * a * b for a, b in layers)


def critic_flops() -> int:
    """Return the FLOPs of a critic update.

    They are one forward pass of the generator and, for real and for generated samples, one forward pass of the critic,
    the gradients of its weights, and the gradient of its hidden layer.
    """
    return matrix_flops(GENERATOR) + 2 * (2 * matrix_flops(CRITIC) + matrix_flops(CRITIC[1:]))


def generator_flops() -> int:
    """Return the FLOPs of a generator update.

    They are one forward pass of both networks, the gradients of the inputs of all layers except the noise, and the
    gradients of the generator's weights.
    """
    return matrix_flops(GENERATOR) * 2 + matrix_flops(GENERATOR[1:]) + matrix_flops(CRITIC) * 2


def mean_update_flops(plugins: registry.Registry, method: dict[str, Any], seeds: int = 1) -> dict[str, float]:
    (batch,) = plan.make(make_suite(method, {"generator_steps": 3}, seeds), plugins).batches
    return dict(count_update_flops(prepare(batch, plugins, torch.device("cpu"))))


def test_an_update_costs_what_its_matrices_cost(plugins: registry.Registry) -> None:
    assert mean_update_flops(plugins, {}) == {"critic": critic_flops(), "generator": generator_flops()}


def test_a_member_of_a_stack_costs_what_it_costs_alone(plugins: registry.Registry) -> None:
    assert mean_update_flops(plugins, {}, seeds=4) == mean_update_flops(plugins, {})


def test_a_lazy_penalty_costs_its_share_of_the_updates(plugins: registry.Registry) -> None:
    every = mean_update_flops(plugins, {"constraints": ["r1"]})["critic"]
    lazy = mean_update_flops(plugins, {"constraints": [{"name": "r1", "every": 4}]})["critic"]
    assert every > critic_flops()
    assert lazy == pytest.approx(critic_flops() + (every - critic_flops()) / 4, rel=1e-12)


@pytest.mark.parametrize("mode", ["loop", "stack"])
def test_a_run_adds_up_its_updates(plugins: registry.Registry, mode: str) -> None:
    seeds = 1 if mode == "loop" else 3
    (batch,) = plan.make(make_suite({"critic_steps": 2}, {"generator_steps": 7}, seeds), plugins).batches
    *_, last = prepare(batch, plugins, torch.device("cpu")).run()
    assert last.updates["flops"] == 14 * critic_flops() + 7 * generator_flops()


def test_a_budget_in_flops_gives_the_largest_number_of_steps_that_fits(plugins: registry.Registry) -> None:
    step = 2 * critic_flops() + generator_flops()
    for amount, steps in ((10 * step, 10), (10 * step - 1, 9), (10.5 * step, 10)):
        (trial,) = plan.make(make_suite({"critic_steps": 2}, {"flops": amount}), plugins).trials
        assert trial.budget.generator_steps == steps
