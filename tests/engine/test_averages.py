"""An average of the critic, and lookahead's slow weights, follow their formulas."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from ganbench import Dynamics
from ganbench.engine.checkpoint import restore_state, save_state
from ganbench.engine.ensemble import Stacked
from ganbench.engine.model import Model
from ganbench.engine.snapshot import pack, unpack
from ganbench.engine.train import Training

from tests.support.small_games import make_training, mlp, ns_gan, ring

STEPS = 8


def open_training(**settings: Any) -> Training:
    return make_training(replace(ns_gan(), **settings), mlp(), ring(), steps=STEPS)


def step_through(training: Training) -> list[dict[str, Stacked]]:
    """Return the weights of both players before the first step and after every step."""
    stage = training.begin_stage(0)

    def copy() -> dict[str, Stacked]:
        return {
            player: {name: p.clone() for name, p in weights.items()}
            for player, weights in stage.game.ensemble.detached.items()
        }

    seen = [copy()]
    for t in range(STEPS):
        training.train_step(t, stage.game, stage.inputs)
        seen.append(copy())
    return seen


def test_the_critic_has_an_average_of_its_own_which_metrics_see_and_training_does_not() -> None:
    training, plain = open_training(critic_ema=0.75), open_training()
    training.budget = replace(training.budget, snapshots=(STEPS,))
    (snapshot,) = training.run()
    weights = step_through(plain)
    by_hand = weights[0]["critic"]
    for seen in weights[1:]:
        by_hand = {name: 0.75 * average + 0.25 * seen["critic"][name] for name, average in by_hand.items()}
    assert snapshot.critic_average is not None
    assert snapshot.average is None
    for name, expected in by_hand.items():
        assert torch.allclose(snapshot.critic_average[name], expected, rtol=1e-12)
        assert torch.equal(snapshot.ensemble.detached["critic"][name], weights[-1]["critic"][name])
    model = Model(training, snapshot, 1)
    assert torch.allclose(next(iter(model.critic_parameters.values())), next(iter(by_hand.values()))[1], rtol=1e-12)


def test_a_packed_snapshot_keeps_the_average_of_the_critic() -> None:
    training = open_training(critic_ema=0.75)
    (snapshot,) = training.run()
    again = unpack(*pack(snapshot, training.ensembles), training.ensembles)
    assert again.critic_average is not None
    assert snapshot.critic_average is not None
    for name, tensor in snapshot.critic_average.items():
        assert torch.equal(again.critic_average[name], tensor)
    chosen = snapshot.select([2]).critic_average
    assert chosen is not None
    assert next(iter(chosen.values())).shape[0] == 1


def test_lookahead_moves_both_players_back_after_every_third_step() -> None:
    """Chavdarova et al. 2021, algorithm 1: slow <- slow + a (fast - slow), fast <- slow."""
    ahead, plain = (
        step_through(open_training(dynamics=Dynamics(lookahead=lookahead))) for lookahead in ((3, 0.25), None)
    )
    for player in ("generator", "critic"):
        for name, start in plain[0][player].items():
            for step in (1, 2):
                assert torch.equal(ahead[step][player][name], plain[step][player][name])
            expected = start + 0.25 * (plain[3][player][name] - start)
            assert torch.allclose(ahead[3][player][name], expected, rtol=1e-12)
            assert not torch.equal(ahead[4][player][name], plain[4][player][name])


@pytest.mark.parametrize("mode", ["stack", "loop"])
def test_averages_and_slow_weights_continue_from_a_checkpoint(mode: Any) -> None:
    def make() -> Training:
        program = replace(ns_gan(), ema=0.5, critic_ema=0.75, dynamics=Dynamics(lookahead=(3, 0.5)))
        return make_training(program, mlp(), ring(), steps=STEPS, mode=mode)

    (whole,) = make().run()
    first = make()
    stage = first.begin_stage(0)
    for t in range(5):
        first.set_progress(t / STEPS, t / STEPS, stage.game.ensemble)
        first.train_step(t, stage.game, stage.inputs)
        stage.done = t + 1
    second = make()
    restore_state(second, *save_state(first))
    (continued,) = second.run()
    for kept in ("generators", "average", "critic_average"):
        for name, tensor in getattr(whole, kept).items():
            assert torch.equal(getattr(continued, kept)[name], tensor)
