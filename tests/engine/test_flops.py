"""FLOPs are those of the matrices: of a linear layer of n x a -> b, 2 n a b forward, and as much for each gradient."""

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


def asked(method: dict[str, Any], budget: dict[str, Any], seeds: int = 1) -> suite.Suite:
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


def products(layers: list[tuple[int, int]], rows: int = ROWS) -> int:
    return sum(2 * rows * a * b for a, b in layers)


def critic_price() -> int:
    """The generator once; the critic on real and fake, its weights' gradients, and the hidden layer's."""
    return products(GENERATOR) + 2 * (2 * products(CRITIC) + products(CRITIC[1:]))


def generator_price() -> int:
    """Both once, every input's gradient but the noise's, and the generator's weights'."""
    return products(GENERATOR) * 2 + products(GENERATOR[1:]) + products(CRITIC) * 2


def price_of(plugins: registry.Registry, method: dict[str, Any], seeds: int = 1) -> dict[str, float]:
    (batch,) = plan.make(asked(method, {"generator_steps": 3}, seeds), plugins).batches
    return dict(count_update_flops(prepare(batch, plugins, torch.device("cpu"))))


def test_an_update_costs_what_its_matrices_cost(plugins: registry.Registry) -> None:
    assert price_of(plugins, {}) == {"critic": critic_price(), "generator": generator_price()}


def test_a_stacked_member_costs_what_it_costs_alone(plugins: registry.Registry) -> None:
    assert price_of(plugins, {}, seeds=4) == price_of(plugins, {})


def test_a_lazy_penalty_costs_its_share(plugins: registry.Registry) -> None:
    every = price_of(plugins, {"constraints": ["r1"]})["critic"]
    lazy = price_of(plugins, {"constraints": [{"name": "r1", "every": 4}]})["critic"]
    assert every > critic_price()
    assert lazy == pytest.approx(critic_price() + (every - critic_price()) / 4, rel=1e-12)


@pytest.mark.parametrize("mode", ["loop", "stack"])
def test_a_run_adds_up_its_updates(plugins: registry.Registry, mode: str) -> None:
    seeds = 1 if mode == "loop" else 3
    (batch,) = plan.make(asked({"critic_steps": 2}, {"generator_steps": 7}, seeds), plugins).batches
    *_, last = prepare(batch, plugins, torch.device("cpu")).run()
    assert last.updates["flops"] == 14 * critic_price() + 7 * generator_price()


def test_a_budget_in_flops_pays_for_as_many_steps_as_fit(plugins: registry.Registry) -> None:
    step = 2 * critic_price() + generator_price()
    for amount, steps in ((10 * step, 10), (10 * step - 1, 9), (10.5 * step, 10)):
        (trial,) = plan.make(asked({"critic_steps": 2}, {"flops": amount}), plugins).trials
        assert trial.budget.generator_steps == steps
