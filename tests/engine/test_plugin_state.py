"""A plugin that changes its own Python state fails by name in its first calls, and no other does."""

from __future__ import annotations

import itertools
import logging
import random
import time
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import numpy
import pytest
import torch
from ganbench import Constraint, Dynamics, GanbenchError, Networks, Objective
from ganbench.engine.plugin_state import PluginWatch, list_parts
from ganbench.engine.program import Link, Program
from ganbench.engine.train import RECORD_FROM
from torch import Tensor, nn

from tests.support.small_games import NS, make_training, mlp, ns_gan, ring

COUNT = 0
SEEN: list[int] = []
CONSTANTS: dict[str, Tensor] = {}


class Counter:
    """A loss that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, *scores: Any) -> int:
        self.calls += 1
        return self.calls


class SlottedCounter:
    """A loss that counts its calls in a slot."""

    __slots__ = ("calls",)

    def __init__(self) -> None:
        self.calls = 0

    def call(self) -> None:
        self.calls += 1


class ClassCounter:
    """A loss that counts the calls of all its instances."""

    calls = 0

    def __call__(self) -> None:
        type(self).calls += 1


class CountingNetwork(nn.Module):
    """A network that counts its calls in an ordinary attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(2, 1), nn.Flatten(0))
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.inner(x)


def count_in_a_global() -> None:
    global COUNT
    COUNT += 1


def call_a_helper() -> None:
    count_in_a_global()


def grow_a_global_list() -> None:
    (lambda: SEEN.append(1))()


def count_in_an_attribute() -> None:
    count_in_an_attribute.calls = getattr(count_in_an_attribute, "calls", 0) + 1  # type: ignore[attr-defined]


def grow_a_default(seen: list[int] = []) -> None:  # noqa: B006
    seen.append(1)


def count_in_a_closure() -> Callable[[], None]:
    calls = 0

    def call() -> None:
        nonlocal calls
        calls += 1

    return call


def average_in_a_tensor() -> Callable[[], None]:
    class Average:
        mean = torch.zeros(())

        def __call__(self) -> None:
            self.mean = 0.9 * self.mean + 1

    return Average()


def write_into_a_tensor() -> Callable[[], None]:
    mean = torch.zeros(())
    return lambda: mean.add_(1.0) and None


def read_a_host_side_schedule() -> Callable[[], None]:
    def weights() -> Any:
        yield from [1.0] * 50
        yield from itertools.repeat(0.0)

    schedule = weights()
    return lambda: next(schedule) and None


def next_of(iterator: Any) -> Callable[[], Any]:
    return lambda: next(iterator)


STATES: dict[str, tuple[Callable[[], Callable[[], Any]], str]] = {
    "an attribute": (Counter, "`critic.calls` changes from 1 to 2"),
    "a slot": (lambda: SlottedCounter().call, "`critic.calls` changes from 1 to 2"),
    "an attribute of a class": (ClassCounter, "`critic.calls` changes"),
    "an attribute of a function": (lambda: count_in_an_attribute, "`critic.calls` changes"),
    "a global": (lambda: count_in_a_global, "`COUNT` changes"),
    "a global of a helper": (lambda: call_a_helper, "`COUNT` changes"),
    "a growing global, in a function inside": (lambda: grow_a_global_list, r"`len\(SEEN\)` changes"),
    "a default": (lambda: grow_a_default, r"`len\(critic\(0\)\)` changes"),
    "a closure": (count_in_a_closure, "`critic.calls` changes from 1 to 2"),
    "an argument of a partial": (lambda: partial(lambda seen: seen.append(1), []), r"`len\(critic\)` changes"),
    "a replaced tensor": (average_in_a_tensor, "`critic.mean` changes"),
    "a tensor changed in place": (write_into_a_tensor, "`critic.mean` changes"),
    "a schedule in a generator": (read_a_host_side_schedule, "`critic.schedule"),
    "a counter of itertools": (lambda: next_of(itertools.count()), "`critic.iterator"),
    "a chain of itertools": (lambda: next_of(itertools.chain([1] * 9, [0] * 9)), "`critic.iterator"),
    "an iterator": (lambda: next_of(iter([1] * 9)), "`critic.iterator"),
    "dice of Python": (lambda: partial(lambda dice: dice.random(), random.Random(0)), "`critic` changes"),
    "dice of NumPy": (lambda: partial(lambda dice: dice.random(), numpy.random.default_rng(0)), "`critic"),
    "dice of torch": (
        lambda: partial(lambda dice: torch.rand((), generator=dice), torch.Generator().manual_seed(0)),
        "`critic` changes",
    ),
    "an array": (lambda: partial(lambda seen: seen.__iadd__(1.0), numpy.zeros(3)), "`critic` changes"),
}


def call_three_times(function: Callable[[], Any]) -> None:
    watch = PluginWatch({"loss 'mine'": Objective(function, NS.generator)})
    for _ in range(3):
        with watch.step("critic"):
            function()


@pytest.mark.parametrize("case", STATES)
def test_a_state_in_python_is_refused_by_name_at_the_second_call(case: str) -> None:
    make, words = STATES[case]
    with pytest.raises(
        GanbenchError, match=rf"^loss 'mine' keeps a state in Python: {words}.*Keep what changes .*`init`"
    ):
        call_three_times(make())


class Unreadable(dict):  # type: ignore[type-arg]
    """An object that raises when it is looked at."""

    def items(self) -> Any:
        raise ArithmeticError


@lru_cache
def cached_constant(n: int) -> Tensor:
    return torch.arange(n)


def fill_a_cache() -> Tensor:
    if "ramp" not in CONSTANTS:
        CONSTANTS["ramp"] = torch.linspace(0, 1, 5)
    return CONSTANTS["ramp"]


def import_late() -> None:
    import colorsys

    colorsys.rgb_to_hls(0, 0, 0)


def log_and_read_nan() -> float:
    logging.getLogger("mine").debug("a call")
    return float("nan")


QUIET: dict[str, Callable[[], Any]] = {
    "a cache filled once": fill_a_cache,
    "lru_cache": lambda: cached_constant(5),
    "a late import": import_late,
    "a logger": log_and_read_nan,
    "a constant NaN": partial(lambda value, array: array, float("nan"), numpy.full(3, numpy.nan)),
    "an object that cannot be read": partial(lambda thing: thing, Unreadable()),
    "a read tensor": partial(lambda tensor: tensor + 1, torch.ones(3)),
}


@pytest.mark.parametrize("case", QUIET)
def test_a_cache_filled_at_the_first_call_and_what_only_reads_are_no_state(case: str) -> None:
    call_three_times(QUIET[case])


def test_a_look_is_short_even_at_much_data() -> None:
    huge = [list(range(2000)) for _ in range(2000)]
    watch = PluginWatch({"loss": Objective(lambda: huge, NS.generator)})
    started = time.perf_counter()
    with watch.unchanged():
        pass
    assert time.perf_counter() - started < 1.0
    with pytest.raises(GanbenchError, match="huge"), watch.unchanged():
        huge.append([])


def counting_term(play: Any, calls: list[int] = []) -> Tensor:  # noqa: B006
    calls.append(1)
    return 0 * play.scores_real.sum()


@pytest.mark.parametrize(("mode", "recordable"), [("stack", False), ("stack", True), ("loop", False), ("loop", True)])
def test_every_player_is_watched_in_both_modes_recorded_or_not(mode: str, recordable: bool) -> None:
    program = Program(objective=NS, constraints=(Link("mine.2", 1.0, Constraint(generator=counting_term)),))
    run = make_training(program, mlp(), ring(), mode=mode, steps=RECORD_FROM)
    run.recordable = recordable
    with pytest.raises(GanbenchError, match=r"^constraint 'mine.2' keeps a state in Python: `len\(generator\(0\)\)`"):
        list(run.run())
    assert run.stage is not None
    assert run.stage.done == 1


def test_a_projection_and_a_network_are_watched_too() -> None:
    calls: list[int] = []
    project = Constraint(project=lambda d, progress: calls.append(1) or d)
    program = Program(objective=NS, constraints=(Link("clip", 1.0, project),))
    with pytest.raises(GanbenchError, match="constraint 'clip' keeps a state"):
        list(make_training(program, mlp(), ring(), steps=3).run())

    def networks(spec: Any, ask: Any) -> Networks:
        return Networks(generator=nn.Linear(3, 2), critic=CountingNetwork(), latent=3)

    space = replace(mlp(), networks=networks)
    with pytest.raises(GanbenchError, match=r"the architecture keeps a state in Python: `critic\.calls` changes"):
        list(make_training(ns_gan(), space, ring(), steps=3).run())


def test_parts_are_named_by_their_offers_and_only_dynamics_that_move_are_a_part() -> None:
    link, move = Link("r1", 1.0, Constraint(critic=counting_term)), lambda losses, g, d: (g, {})
    program = Program(objective=NS, constraints=(link,), loss_name="loss 'ns-gan'")
    assert list(list_parts(program, None)) == ["loss 'ns-gan'", "constraint 'r1'", "the architecture"]
    moving = replace(program, dynamics=Dynamics(generator=move), dynamics_name="dynamics 'mine'")
    assert "dynamics 'mine'" in list_parts(moving, None)
