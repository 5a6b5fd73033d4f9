"""Small trainings whose members differ in numbers of their recipes, in float64, from suites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from ganbench import plan, registry, suite
from ganbench.api.shared_program import change_numbers
from ganbench.api.trials import Batch, Mode, Trial
from ganbench.engine.train import Training, prepare

from tests.support import device as test_device

STEPS = 50
PLUGINS = registry.load()

Numbers = Mapping[str, Any]
"""Numbers of a recipe by path, as `change_numbers` takes them."""


def make_batch(
    method: Mapping[str, Any], members: Sequence[Numbers], mode: Mode = "stack", steps: int = STEPS
) -> Batch:
    """Return a batch of one trial with each of these numbers; member i has seed i."""
    table = {
        "question": "Do members train as alone?",
        "seeds": 1,
        "method": [{"name": "m", **method}],
        "budget": {"generator_steps": steps, "batch_size": 8, "snapshots": 1},
        "architectures": {"space": "mlp", "options": {"generator_width": 6, "critic_width": 6, "critic_depth": 2}},
        "dataset": [{"name": "ring"}],
    }
    (batch,) = plan.make(suite.parse(table), PLUGINS).batches
    trial = batch.trials[0]
    trials = [replace(trial, seed=i, recipe=change_numbers(trial.recipe, each)) for i, each in enumerate(members)]
    optimizers = [part for each in trials for part in (each.recipe.generator_optimizer, each.recipe.critic_optimizer)]
    scheduled = {part.name for part in optimizers if isinstance(part.options.get("lr"), Mapping)}
    if test_device.DEVICE == "cuda" and scheduled & {"adam", "adamw", "sgd"}:
        pytest.skip("torch's fused kernels on a GPU read a rate in float32 only; test_graphs[scheduled] trains in that")
    return replace(batch, trials=tuple(trials), mode=mode)


def prepare_batch(batch: Batch, recordable: bool = False) -> Training:
    """Return the training of a batch in float64, on the device of these tests."""
    training = prepare(batch, PLUGINS, torch.device(test_device.DEVICE), torch.float64)
    training.recordable = recordable
    return training


def train_alone(batch: Batch, trial: Trial) -> Training:
    """Return the training of one trial of a batch, trained alone to its end."""
    return run_to_end(prepare_batch(replace(batch, trials=(trial,), mode="loop")))


def run_to_end(training: Training) -> Training:
    """Train to the end of the budget, and return the training."""
    for _ in training.run():
        pass
    return training


def require_members_as_alone(together: Training, alone: Sequence[Training], tolerance: float = 1e-9) -> None:
    """Assert that the weights and states of each member are those of its training alone, and that members differ."""
    assert together.stage is not None
    game = together.stage.game
    for i, training in enumerate(alone):
        assert training.stage is not None
        expected = training.stage.game
        for player, weights in game.ensemble.detached.items():
            for name, p in weights.items():
                gap = (p[i] - expected.ensemble.detached[player][name][0]).abs().max().item()
                assert gap <= tolerance, f"{player} {name} of member {i} is off by {gap:.2g}"
        for plugin, state in game.state.items():
            for name, value in state.items():
                torch.testing.assert_close(value[i], expected.state[plugin][name][0], rtol=0, atol=tolerance)
