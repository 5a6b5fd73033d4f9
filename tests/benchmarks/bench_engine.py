"""What training seeds as one stacked program is worth here: the same sixteen trials stacked, and in a plain loop.

    make bench

The groups are methods. Divide a loop's time by the stack's for the gain; each round trains all sixteen.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from ganbench import plan, registry, suite
from ganbench.api.trials import Batch
from ganbench.engine.train import prepare

SUITE = {
    "question": "What is stacking worth?",
    "seeds": 16,
    "methods": ["ns-gan", "wgan-gp"],
    "budget": {"generator_steps": 20, "batch_size": 64, "snapshots": 1},
    "architectures": {"space": "mlp"},
    "dataset": [{"name": "ring"}],
}


@pytest.fixture(scope="module")
def plugins() -> registry.Registry:
    return registry.load()


@pytest.fixture(scope="module")
def batches(plugins: registry.Registry) -> dict[str, Batch]:
    return {batch.trials[0].labels["method"]: batch for batch in plan.make(suite.parse(SUITE), plugins).batches}


@pytest.mark.parametrize("mode", ["stack", "loop"])
@pytest.mark.parametrize("method", SUITE["methods"])
def test_sixteen_seeds(benchmark, plugins, batches, method, mode) -> None:
    torch.set_num_threads(1)
    benchmark.group = f"{method}, 20 generator steps"
    batch = replace(batches[method], mode=mode)
    assert len(batch.trials) == 16

    def train() -> int:
        *_, last = prepare(batch, plugins, torch.device("cpu")).run()
        return last.step

    assert benchmark.pedantic(train, rounds=3, warmup_rounds=1) == 20
