"""One player trains alone: the other keeps every bit of its weights, counts no update and costs nothing."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from ganbench import registry
from ganbench.engine.train import prepare

from tests.support.tiny_suite import plan_small

PLUGINS = registry.load()


def plan_alone(player: str, seeds: int = 3, **changes: Any) -> Any:
    method = {"name": "alone", "from": "wgan-gp", "dynamics": f"{player}-alone"}
    return plan_small(PLUGINS, methods=[], method=[method], success=None, seeds=seeds, **changes)


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("player", ["critic", "generator"])
def test_the_other_player_keeps_its_weights(player: str, seeds: int) -> None:
    (batch,) = plan_alone(player, seeds).batches
    training = prepare(batch, PLUGINS, torch.device("cpu"))
    first = {
        name: {key: weights.clone() for key, weights in parameters.items()}
        for name, parameters in training.ensembles[0].detached.items()
    }
    *_, last = training.run()
    other = {"critic": "generator", "generator": "critic"}[player]
    for name, moved in ((player, True), (other, False)):
        now = training.ensembles[0].detached[name]
        assert all(torch.equal(now[key], weights) for key, weights in first[name].items()) != moved
    assert last.updates[other] == 0
    assert last.updates[player] == (20 if player == "critic" else 4)  # five critic steps in each of four rounds
    assert math.isnan(float(last.signals[f"loss.{other}"][1][0, -1]))


def test_a_budget_in_updates_pays_for_the_updates_of_one_player() -> None:
    budget = {"updates": 60, "batch_size": 16, "snapshots": 2}
    (alone,) = plan_alone("critic", budget=budget).batches
    (both,) = plan_small(PLUGINS, methods=["wgan-gp"], success=None, budget=budget).batches
    assert alone.trials[0].budget.generator_steps == 12  # rounds of five updates
    assert both.trials[0].budget.generator_steps == 10  # of six


def test_a_budget_in_flops_counts_one_player_only() -> None:
    budget = {"flops": 1e7, "batch_size": 16, "snapshots": 2}
    (alone,) = plan_alone("generator", budget=budget).batches
    (both,) = plan_small(PLUGINS, methods=["wgan-gp"], success=None, budget=budget).batches
    assert alone.trials[0].budget.generator_steps > both.trials[0].budget.generator_steps
    training = prepare(alone, PLUGINS, torch.device("cpu"))
    *_, last = training.run()
    assert 0.5e7 < last.updates["flops"] <= 1e7
