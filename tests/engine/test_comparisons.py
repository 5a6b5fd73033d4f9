"""A plugin that gives other values for equal inputs fails, in calls or in comparisons of its replay with calls."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import ganbench
import pytest
import torch
from ganbench import GanbenchError, Objective, Offer, hookimpl
from ganbench.engine import checkpoint, kernels, replay
from ganbench.engine.program import Program
from ganbench.engine.replay import RecordedStep, have_same_finite_members
from ganbench.engine.train import RECORD_FROM, Training
from torch import Tensor

from tests.support import tiny_suite
from tests.support.small_games import NS, Spy, make_training, mlp, ring


@pytest.fixture(autouse=True)
def only_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our kernels round otherwise; tests/engine/test_kernels.py has them."""
    monkeypatch.setenv(kernels.VARIABLE, "torch")


def hidden_change(at: int) -> Callable[[Tensor, Tensor], Tensor]:
    """Return a critic's loss that changes over at this call, which it counts where nothing can look."""
    spy = Spy()

    def critic(real: Tensor, fake: Tensor) -> Tensor:
        spy.note(1)
        return NS.critic(real, fake) * (2.0 if spy.queue.qsize() >= at else 1.0)

    return critic


def clocked(real: Tensor, fake: Tensor) -> Tensor:
    return NS.critic(real, fake) * (1.0 if time.time() < 5 else 2.0)


def record_and_run(critic: Callable[..., Tensor], mode: str = "stack", steps: int = 2 * RECORD_FROM) -> Training:
    objective = Objective(critic, NS.generator)
    run = make_training(Program(objective=objective, loss_name="loss 'mine'"), mlp(), ring(), mode=mode, steps=steps)
    run.recordable, run.budget = True, replace(run.budget, snapshots=(RECORD_FROM, steps))
    return run


@pytest.mark.parametrize(("mode", "calls"), [("stack", 1), ("loop", 3)])
def test_a_recorded_loss_that_changes_over_after_its_first_calls_fails_by_the_name_of_its_player_s_offers(
    mode: str, calls: int
) -> None:
    """Few calls are made until its replay begins: two count operations, two are recorded, one is compared."""
    run = record_and_run(hidden_change(at=5 * calls + 1), mode)
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
    monkeypatch.setattr(replay, "COMPARED_EVERY", 16)
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
