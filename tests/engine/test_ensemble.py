"""Dice of torch, CUDA, Python and NumPy are refused during training, and only during training."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from ganbench import Constraint, GanbenchError
from ganbench.engine.global_random import GlobalRandomGuard
from ganbench.engine.program import Link, Program
from ganbench.engine.train import RECORD_FROM

from tests.support.small_games import NS, make_training, mlp, ns_gan, ring


@pytest.mark.parametrize(("library", "draw"), [("Python", random.random), ("NumPy", np.random.rand)])
@pytest.mark.parametrize("mode", ["stack", "loop"])
@pytest.mark.parametrize("recordable", [False, True])
def test_dice_of_python_and_numpy_are_refused_in_both_modes(library, draw, mode, recordable):
    dice = Constraint(critic=lambda play: play.scores_real.mean() * draw())
    program = Program(objective=NS, constraints=(Link("dice", 1.0, dice),), critic_steps=lambda t: 3)
    run = make_training(program, mlp(), ring(), mode=mode, steps=RECORD_FROM)
    run.recordable = recordable
    with pytest.raises(GanbenchError, match=f"global generator of {library}, .*play.draws"):
        list(run.run())
    assert run.stage.done == 0


def test_whoever_draws_between_the_steps_is_not_blamed():
    run = make_training(ns_gan(), mlp(), ring(), steps=6)
    run.budget = replace(run.budget, snapshots=(2, 4, 6))
    for _ in run.run(lambda step, steps: random.random()):
        for draw in (lambda: torch.rand(()), np.random.rand, random.random):
            draw()
    assert run.stage.done == 6


def test_the_generator_of_a_cuda_device_is_guarded_too(monkeypatch):
    """On a machine without one, another function stands for reading its state: 16 bytes, the seed and an offset."""
    offsets = iter([0, 0, 0, 4])

    def read_state(device):
        assert device == torch.device("cuda", 0)
        return torch.tensor([7, next(offsets)]).view(torch.uint8)

    monkeypatch.setattr(torch.cuda, "get_rng_state", read_state)
    with GlobalRandomGuard(torch.device("cuda", 0)):
        pass
    guard = GlobalRandomGuard(torch.device("cuda", 0))
    with pytest.raises(GanbenchError, match="global generator of torch on CUDA"), guard:
        pass
