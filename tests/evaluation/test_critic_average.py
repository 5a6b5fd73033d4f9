"""Either player may have an average: metrics of the networks see the critic's, and nothing else changes by it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from ganbench import registry
from ganbench.engine.snapshot import Snapshot
from ganbench.engine.train import Training, prepare
from ganbench.evaluation.evidence import open_evidence
from ganbench.evaluation.reference import Reference
from ganbench.registry.registry import Registry
from torch import Tensor

from tests.support.small_games import make_training, mlp, ns_gan, ring
from tests.support.tiny_suite import plan_small

STEPS = 6


def train(**averages: Any) -> tuple[Training, list[Snapshot]]:
    """Return a training with a snapshot after every step, each with a copy of the weights that snapshots share."""
    training = make_training(replace(ns_gan(), **averages), mlp(), ring(), steps=STEPS)
    training.budget = replace(training.budget, snapshots=tuple(range(1, STEPS + 1)))
    snapshots = []
    for snapshot in training.run():
        copied = {
            player: {n: p.clone() for n, p in part.items()} for player, part in snapshot.ensemble.detached.items()
        }
        ensemble = replace(snapshot.ensemble)
        ensemble.detached = copied
        snapshots.append(replace(snapshot, ensemble=ensemble))
    return training, snapshots


@pytest.mark.parametrize(
    ("averages", "averaged"),
    [({"ema": 0.9}, "generator"), ({"critic_ema": 0.9}, "critic"), ({"ema": 0.9, "critic_ema": 0.5}, "both"), ({}, "")],
)
def test_either_player_alone_may_have_an_average_and_training_has_the_same_bits(
    averages: dict[str, float], averaged: str
) -> None:
    (_, snapshots), (_, plain) = train(**averages), train()
    last, without = snapshots[-1], plain[-1]
    assert (last.average is not None) == (averaged in ("generator", "both"))
    assert (last.critic_average is not None) == (averaged in ("critic", "both"))
    for player, weights in without.ensemble.detached.items():
        for name, tensor in weights.items():
            assert torch.equal(last.ensemble.detached[player][name], tensor)


def test_until_its_start_the_critics_average_is_the_critic_and_then_it_follows() -> None:
    _, snapshots = train(critic_ema=0.75, ema_start=3)
    by_hand: dict[str, Tensor] = {}
    for step, snapshot in enumerate(snapshots):
        weights = snapshot.ensemble.detached["critic"]
        share = 1.0 if step < 3 else 0.25
        by_hand = {n: torch.lerp(by_hand.get(n, weights[n]), weights[n], share) for n in weights}
        assert snapshot.critic_average is not None
        for name, tensor in snapshot.critic_average.items():
            torch.testing.assert_close(tensor, by_hand[name], rtol=1e-12, atol=0)


def test_a_metric_sees_the_average_and_calls_the_averaged_critic() -> None:
    training, snapshots = train(critic_ema=0.75)
    last = snapshots[-1]
    assert last.critic_average is not None
    x = ring().reference(5)
    evidence = open_evidence(training, last, 1, torch.zeros(4, 2), Reference(training.source, 4))
    seen = {name: tensor[1].cpu() for name, tensor in last.critic_average.items()}
    for name, tensor in evidence.critic_parameters.items():
        assert torch.equal(tensor, seen[name])
    expected = torch.func.functional_call(last.ensemble.networks.critic, seen, (x.double(),))
    torch.testing.assert_close(evidence.critic(x), expected, rtol=0, atol=1e-12)
    raw = {name: tensor[1].cpu() for name, tensor in last.ensemble.detached["critic"].items()}
    others = torch.func.functional_call(last.ensemble.networks.critic, raw, (x.double(),))
    assert (expected - others).abs().max() > 1e-6


@pytest.fixture(scope="module")
def plugins() -> Registry:
    return registry.load()


def test_a_suite_sets_the_critics_average_which_is_part_of_the_key_only_where_it_is_set(plugins: Registry) -> None:
    tables: Any = [{"name": "plain", "from": "ns-gan"}, {"name": "averaged", "from": "ns-gan", "critic_ema": 0.9}]
    plan = plan_small(plugins, methods=[], method=tables, success=None, seeds=1)
    recipes = {trial.labels["method"]: trial.recipe for trial in plan.trials}
    assert "critic_ema" not in recipes["plain"].plain
    assert recipes["averaged"].plain["critic_ema"] == 0.9
    assert len({trial.key for trial in plan.trials}) == 2
    (batch,) = (batch for batch in plan.batches if batch.trials[0].labels["method"] == "averaged")
    (*_, last) = prepare(batch, plugins, torch.device("cpu")).run()
    assert last.critic_average is not None
