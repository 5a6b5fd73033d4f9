"""A plugin that changes its own Python state, or what it returns for equal inputs, fails by name, and no other does."""

from __future__ import annotations

import itertools
import json
import logging
import random
import time
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import ganbench
import numpy
import pytest
import torch
from ganbench import Constraint, Dynamics, GanbenchError, Networks, Objective, Offer, hookimpl
from ganbench.engine import checkpoint, train
from ganbench.engine.plugin_state import PluginWatch, list_parts
from ganbench.engine.program import Link, Program
from ganbench.engine.replay import RecordedStep, have_same_finite_members
from ganbench.engine.train import RECORD_FROM, Training
from torch import Tensor, nn

from tests.support import tiny_suite, unshipped_methods
from tests.support.small_games import NS, Spy, make_training, mlp, ns_gan, ring
from tests.testing.test_contracts import INSTALLED

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
    "a read tensor": partial(lambda tensor: tensor + 1, torch.ones(3)),
}


@pytest.mark.parametrize("case", QUIET)
def test_a_cache_filled_at_the_first_call_and_what_only_reads_are_no_state(case: str) -> None:
    call_three_times(QUIET[case])


def test_an_offer_that_is_shipped_keeps_no_state() -> None:
    """The contracts train each of them for three steps, and so each has been watched; here nothing is skipped."""
    for kind in ("losses", "constraints", "inputs", "dynamics"):
        for name in INSTALLED.names(kind):
            watch = PluginWatch({name: INSTALLED.build(kind, name, {})})
            with watch.unchanged():
                assert watch.look_at(watch.parts[name]).values, name


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


def early(real: Tensor, fake: Tensor) -> Tensor:
    return 20 * ((1 - real).relu() + (1 + fake).relu()).mean()


class ByHand:
    """A loss that changes over after fifty calls, which it counts by hand."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, real: Tensor, fake: Tensor) -> Tensor:
        self.calls += 1
        return early(real, fake) if self.calls <= 50 else NS.critic(real, fake)


def by_state(real: Tensor, fake: Tensor, state: Any) -> tuple[Tensor, Any]:
    calls = state["calls"] + 1
    return torch.where(calls <= 50, early(real, fake), NS.critic(real, fake)), {"calls": calls}


class WarmLosses:
    """The same loss by hand and by a state, and one that never changes over."""

    @hookimpl
    def ganbench_losses(self) -> Any:
        def with_state() -> Objective:
            generator = lambda real, fake, state: (NS.generator(real, fake), state)  # noqa: E731
            return Objective(by_state, generator, init=lambda: {"calls": torch.tensor(0.0)})

        yield Offer("warm-hand", lambda: Objective(ByHand(), NS.generator), "Counts by hand.")
        yield Offer("warm-state", with_state, "Counts in a state.")
        yield Offer("warm-never", lambda: Objective(early, NS.generator), "Never changes over.")


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_loss_that_counts_by_hand_fails_by_name_and_the_same_loss_with_a_state_changes_over(
    tmp_path: Path, seeds: int
) -> None:
    names = ("hand", "state", "never")
    table = tiny_suite.suite(
        seeds=seeds,
        methods=None,
        method=[{"name": name, "from": "ns-gan", "loss": f"warm-{name}"} for name in names],
        budget={"generator_steps": RECORD_FROM, "batch_size": 8, "snapshots": 1},
        success=None,
    )
    frames = ganbench.run(table, results=tmp_path, offers=[WarmLosses], jobs=0)
    trials = {str(name): rows for name, rows in frames.trials.groupby("method")}
    assert set(trials["hand"]["status"]) == {"failed"}
    for error in trials["hand"]["error"]:
        assert "loss 'warm-hand' keeps a state in Python: `critic.calls`" in error
        assert "`init`" in error
        assert "play.progress" in error
        assert "Traceback" not in error
    assert set(trials["state"]["status"]) == set(trials["never"]["status"]) == {"completed"}
    signals = frames.signals[frames.signals["name"] == "loss.critic"]
    for key, other in zip(trials["state"]["key"], trials["never"]["key"], strict=True):
        changing, constant = (signals[signals["key"] == each].set_index("step")["value"] for each in (key, other))
        assert (changing[:50] == constant[:50]).all()
        assert (changing[51:] != constant[51:]).all()


# What no look at a plugin can find is found by comparison


def hidden_change(at: int) -> Callable[[Tensor, Tensor], Tensor]:
    """Return a critic's loss that changes over at this call, which it counts where nothing can look."""
    spy = Spy()

    def critic(real: Tensor, fake: Tensor) -> Tensor:
        spy.note(1)
        return NS.critic(real, fake) * (2.0 if spy.queue.qsize() >= at else 1.0)

    return critic


def clocked(real: Tensor, fake: Tensor) -> Tensor:
    return NS.critic(real, fake) * (1.0 if time.time() < 4 else 2.0)


def record_and_run(critic: Callable[..., Tensor], mode: str = "stack", steps: int = 2 * RECORD_FROM) -> Training:
    objective = Objective(critic, NS.generator)
    run = make_training(Program(objective=objective, loss_name="loss 'mine'"), mlp(), ring(), mode=mode, steps=steps)
    run.recordable, run.budget = True, replace(run.budget, snapshots=(RECORD_FROM, steps))
    return run


@pytest.mark.parametrize(("mode", "calls"), [("stack", 1), ("loop", 3)])
def test_a_recorded_loss_that_changes_over_at_its_fifth_call_fails_by_the_name_of_its_player_s_offers(
    mode: str, calls: int
) -> None:
    """Four calls are made until its replay begins: one counts operations, two are recorded, one is compared."""
    run = record_and_run(hidden_change(at=4 * calls + 1), mode)
    with pytest.raises(GanbenchError, match=r"^loss 'mine' or the architecture gives other values when it is called"):
        list(run.run())
    assert run.stage is not None
    assert 2 < run.stage.done < RECORD_FROM


def test_a_recorded_loss_that_reads_a_clock_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count()
    monkeypatch.setattr(time, "time", lambda: next(clock))
    with pytest.raises(GanbenchError, match=r"loss 'mine' or .* such as a counter, a clock.*`play.progress`"):
        list(record_and_run(clocked).run())


def test_a_loss_that_changes_in_every_call_fails_although_it_is_never_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count()
    monkeypatch.setattr(time, "time", lambda: next(clock))
    run = record_and_run(lambda real, fake: NS.critic(real, fake) * (1 + time.time()))
    with pytest.raises(GanbenchError, match="gives other values when it is called"):
        list(run.run())


def test_a_change_found_by_comparison_is_named_if_it_can_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A counter that begins only after the first calls."""
    began: list[int] = []

    def critic(real: Tensor, fake: Tensor) -> Tensor:
        if time.time() > 4:
            began.append(1)
        return NS.critic(real, fake) * (1.0 + len(began))

    clock = itertools.count()
    monkeypatch.setattr(time, "time", lambda: next(clock))
    with pytest.raises(GanbenchError, match=r"^loss 'mine' keeps a state in Python: `len\(critic.began\)` changes"):
        list(record_and_run(critic).run())


@pytest.mark.parametrize("stop", [0, 40])
def test_the_compared_updates_are_the_same_after_a_resume_and_on_every_machine(
    monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    monkeypatch.setattr(train, "COMPARED_EVERY", 16)
    counts: list[tuple[str, int]] = []

    def open_run() -> Training:
        run = record_and_run(NS.critic)
        run.budget = replace(run.budget, snapshots=(40, 2 * RECORD_FROM))
        decide = run.is_compared

        def decide_and_note(player: str, count: int) -> bool:
            counts.extend([(player, count)] * decide(player, count))
            return decide(player, count)

        run.is_compared = decide_and_note  # type: ignore[method-assign]
        return run

    run = open_run()
    snapshots = run.run()
    if stop:
        next(snapshots)
        tensors, numbers = checkpoint.save_state(run)
        run = open_run()
        checkpoint.restore_state(run, {name: t.clone() for name, t in tensors.items()}, json.loads(json.dumps(numbers)))
        snapshots = run.run()
    list(snapshots)
    # the random update of each sixteen, computed by hand from SHA-256, and the last update before a snapshot
    chosen = {
        player: [16 * i + run.members[0].stream_seed(f"comparison.{player}", i) % 16 for i in range(13)]
        for player in ("critic", "generator")
    }
    expected = {(player, count) for player, steps in chosen.items() for count in (*steps, 39, 199) if 3 <= count < 200}
    if stop:  # after the resume, steps are recorded again in three updates
        expected = {(player, count) for player, count in expected if not 40 <= count < 43}
    assert set(counts) == expected


def test_a_kernel_that_does_not_repeat_itself_is_no_plugin_that_changes() -> None:
    step = RecordedStep(lambda persistent, x: {"y": x["x"] + 1}, (), lambda: True)
    for _ in range(3):
        step({"x": torch.ones(2)})
    assert step.recorded
    noise = itertools.count()
    step.replay = lambda inputs: {"y": inputs["x"] + 1 + 1e-7 * next(noise)}
    step({"x": torch.ones(2)})


def test_a_diverged_member_is_not_compared_and_its_neighbours_are() -> None:
    called = {"slope": torch.tensor([[1.0, 2.0], [torch.nan, 0.0]]), "loss": torch.tensor([1.0, 2.0])}
    diverged = {"slope": torch.tensor([[1.0, 2.0], [3.0, 0.0]]), "loss": torch.tensor([1.0, 2.0])}
    changed = {"slope": torch.tensor([[1.0, 2.0], [3.0, 0.0]]), "loss": torch.tensor([1.5, 2.0])}
    assert have_same_finite_members(diverged, called)
    assert not have_same_finite_members(changed, called)


def test_parts_are_named_by_their_offers_and_only_dynamics_that_move_are_a_part() -> None:
    link, move = Link("r1", 1.0, Constraint(critic=counting_term)), lambda losses, g, d: (g, {})
    program = Program(objective=unshipped_methods.ebgan(), constraints=(link,), loss_name="loss 'ebgan'")
    assert list(list_parts(program, None)) == ["loss 'ebgan'", "constraint 'r1'", "the architecture"]
    moving = replace(program, dynamics=Dynamics(generator=move), dynamics_name="dynamics 'mine'")
    assert "dynamics 'mine'" in list_parts(moving, None)
