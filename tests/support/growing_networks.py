"""A training of networks that grow, small enough for tests."""

from __future__ import annotations

from typing import Any

from ganbench.engine.program import Program
from ganbench.engine.train import Training

from ganbench_plugins.architectures import progressive
from tests.support.small_games import images, make_training


def grow(program: Program, **given: Any) -> Training:
    """Return a training of two stages, of 4 x 4 and 8 x 8 pixels, with half of the steps each."""
    space = progressive.build(shares=(1.0,), filters=2, widest=4, latent=4)
    training = make_training(program, space, images(8), **given)
    training.spec = {"grow": True}
    return training
