"""The stages of a training: one, or as many as the architecture has networks that grow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from ganbench.engine.step import Game
from ganbench.engine.step_inputs import StepInputs


@dataclass(kw_only=True)
class Stage:
    """The current state of a stage: its generator steps, its players, and the inputs of each player's steps.

    `done` counts the generator steps of the whole run that are done.
    """

    number: int
    steps: range
    done: int
    game: Game
    inputs: Mapping[str, StepInputs]


def split_steps(steps: int, shares: Sequence[float]) -> list[range]:
    """Return the generator steps of each stage, by its share of all of them."""
    ends = [0, *(round(steps * share / sum(shares)) for share in accumulate(shares[:-1])), steps]
    return [range(first, end) for first, end in pairwise(ends)]
