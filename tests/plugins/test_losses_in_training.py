"""Losses on any answer of the critic train the same in a stack of seeds as in a loop."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from ganbench import Objective
from ganbench.engine.program import Link, Program
from ganbench.engine.snapshot import Snapshot
from torch import Tensor

from ganbench_plugins.constraints import gradient_penalties, pulling_away
from ganbench_plugins.losses import energy_based, f_gan, feature_matching, kernel_distances, relativistic
from tests.support.answering_networks import make_critic_free_space, make_space
from tests.support.small_games import make_training, ring

GP = Link("gradient-penalty", 1.0, gradient_penalties.build_gradient_penalty())
AWAY = Link("pulling-away", 0.1, pulling_away.build())


def on_samples(objective: Objective) -> Objective:
    """Return the loss of features for the samples themselves, without a critic."""
    return replace(objective, head=None, read=lambda answer, x: x.flatten(1))


PROGRAMS = {
    **{f"f-gan, {name}": Program(objective=f_gan.build(name)) for name in f_gan.BOUNDS},
    "rpgan": Program(objective=relativistic.build_paired(), constraints=(GP,)),
    "rahinge": Program(objective=relativistic.build_average_hinge()),
    "ebgan, pulling away": Program(objective=energy_based.build(margin=1.0), constraints=(AWAY,)),
    "mmd-gan": Program(objective=kernel_distances.build_mmd_gan("rational-quadratic", linear=1.0), constraints=(GP,)),
    "energy distance": Program(objective=kernel_distances.build_energy_distance(), constraints=(GP,)),
    "surrogate": Program(objective=kernel_distances.build_energy_distance(surrogate=True), constraints=(GP,)),
    "feature matching": Program(objective=feature_matching.build(), constraints=(GP,)),
    "no critic": Program(objective=on_samples(kernel_distances.build_energy_distance()), critic_steps=lambda step: 0),
}


def train(name: str, mode: str) -> tuple[Snapshot, Tensor]:
    """Return the last snapshot of three seeds, and their samples."""
    space = make_critic_free_space() if name == "no critic" else make_space()
    run = make_training(PROGRAMS[name], space, ring(), mode=mode, steps=6)
    *_, last = run.run()
    return last, run.draw_samples(last, 20)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_stack_and_a_loop_of_seeds_end_alike(name: str) -> None:
    (stacked, samples), (looped, others) = train(name, "stack"), train(name, "loop")
    torch.testing.assert_close(samples, others, rtol=0, atol=1e-6)
    assert (samples[0] - samples[1]).abs().max() > 1e-3, "two seeds must give different samples"
    assert stacked.diverged_at == looped.diverged_at == [-1, -1, -1]
    for signal, (steps, values) in stacked.signals.items():
        assert looped.signals[signal][0] == steps
        torch.testing.assert_close(values, looped.signals[signal][1], rtol=0, atol=1e-8, equal_nan=True)
