"""The pace of a training counts each kind of update as often as the budget has it, and only what was measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import count

import pytest
import torch
from ganbench.engine.pace import count_updates, find_pace
from ganbench.engine.train import Training, prepare
from ganbench.registry import Registry, load

from tests.support.tiny_suite import plan_small

Make = Callable[..., Training]


@pytest.fixture(scope="module")
def plugins() -> Registry:
    return load()


@pytest.fixture
def make(plugins: Registry) -> Make:
    """Return what builds the training of one seed of the small suite's `wgan-gp`, with some settings of its own."""

    def build(**settings: object) -> Training:
        method = {"name": "mine", "from": "wgan-gp", **settings}
        budget = {"generator_steps": 8, "batch_size": 16, "snapshots": 2}
        changes = {"methods": ["mine"], "method": [method], "seeds": 1, "success": None, "budget": budget}
        batch = plan_small(plugins, **changes).batches[0]
        return prepare(batch, plugins, torch.device("cpu"))

    return build


def test_updates_follow_the_schedule_of_critic_steps(make: Make) -> None:
    counts = count_updates(make(critic_steps={"steps": [[3, 4], [math.inf, 2]]}))
    assert list(counts) == [4, 8]
    players = {step: {} for step in counts}
    for step, made in counts.items():
        for (_, parts), number in made.items():
            name = parts[0][0] if parts else "rest"
            players[step][name] = players[step].get(name, 0) + number
    assert players[4] == {"critic": 3 * 4 + 2, "generator": 4, "rest": 4}
    assert players[8] == {"critic": 3 * 4 + 5 * 2, "generator": 8, "rest": 8}


def test_a_lazy_term_counts_in_one_of_so_many_updates(make: Make) -> None:
    counts = count_updates(make(critic_steps=2, constraints=[{"name": "gradient-penalty", "every": 4}]))
    critic = {parts: number for (_, parts), number in counts[8].items() if parts and parts[0][0] == "critic"}
    assert critic == {(("critic", frozenset({"gradient-penalty"})),): 4, (("critic", frozenset()),): 12}


def test_where_every_update_takes_a_second_the_pace_is_their_number(make: Make) -> None:
    """Each reading of the clock is a second after the one before, so every timed call takes one."""
    clock = count()
    pace = find_pace(make(critic_steps=2), 30.0, lambda: float(next(clock)))
    assert pace == {4: 4 * (2 + 1 + 1), 8: 8 * (2 + 1 + 1)}, "critic, generator and the rest of each step"


def test_a_pace_needs_no_more_rounds_than_its_time(make: Make) -> None:
    """After the first rounds a training is timed until its seconds are over: here they are over at once."""
    clock = count()
    find_pace(make(critic_steps=1), 0.0, lambda: float(next(clock)))
    calls = 6 * 3 * 2  # six rounds of three timed calls, each between two readings
    assert next(clock) <= calls + 3
