"""A batch whose members are all NaN stops training, and its records are those of a batch that trains on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from ganbench import Constraint, plan, registry, suite
from ganbench.api.records import Record
from ganbench.api.trials import Batch
from ganbench.engine import train as train_module
from ganbench.engine.program import Link, Program
from ganbench.engine.train import STOP_INTERVAL
from ganbench.runner.worker import run_batch

from tests.support import tiny_suite as small
from tests.support.growing_networks import grow
from tests.support.small_games import NS, make_training, mlp, ns_gan, ring

STEPS = 3 * STOP_INTERVAL
DEAD = {"name": "wild", "from": "ns-gan", "ema": 0.9, "optimizer": {"name": "adam", "lr": 1e30}}


@pytest.fixture(scope="module")
def plugins() -> registry.Registry:
    return registry.load()


@pytest.fixture(scope="module")
def batch(plugins: registry.Registry) -> Batch:
    budget = {"generator_steps": STEPS, "batch_size": 8, "snapshots": 6}
    table = small.suite(methods=None, method=[DEAD], budget=budget, success=None)
    (only,) = plan.make(suite.parse(table), plugins).batches
    return only


class Killed(BaseException):
    """An exception that no code under test catches."""


def run(batch: Batch, plugins: registry.Registry, folder: Path | None = None, until: int = 0) -> list[Record]:
    """Run a batch, with a checkpoint at each snapshot; raise Killed at step `until` if it is not 0."""

    def report(step: int, _: int) -> None:
        if step == until:
            raise Killed

    where = None if folder is None else str(folder)
    return run_batch(batch, report, device="cpu", plugins=plugins, folder=where, every=0.0)


def describe(record: Record) -> tuple[Any, ...]:
    """Return what must not depend on whether a batch stopped; as text, because NaN is not equal to NaN."""
    return record.status, record.error, record.diverged_at, repr(record.scores)


def test_a_dead_batch_stops_with_the_scores_and_the_status_of_one_that_does_not(
    batch: Batch, plugins: registry.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = run(batch, plugins)
    monkeypatch.setattr(train_module, "STOP_INTERVAL", STEPS)
    unstopped = run(batch, plugins)
    assert [record.status for record in stopped] == ["diverged"] * 3
    assert list(map(describe, stopped)) == list(map(describe, unstopped))
    assert len({score.step for score in stopped[0].scores}) == 6, "every snapshot has its scores"
    assert stopped[0].updates["generator"] == stopped[0].updates["critic"] == STOP_INTERVAL
    assert unstopped[0].updates["generator"] == STEPS
    assert stopped[0].facts["stopped_at"] == STOP_INTERVAL
    assert "stopped_at" not in unstopped[0].facts


@pytest.mark.parametrize("killed_at", [STOP_INTERVAL - 20, STEPS - 20])
def test_a_dead_batch_that_is_killed_and_resumed_stops_at_the_same_step(
    batch: Batch, plugins: registry.Registry, tmp_path: Path, killed_at: int
) -> None:
    with pytest.raises(Killed):
        run(batch, plugins, tmp_path, until=killed_at)
    resumed, whole = run(batch, plugins, tmp_path), run(batch, plugins)
    assert list(map(describe, resumed)) == list(map(describe, whole))
    assert resumed[0].updates == whole[0].updates
    assert resumed[0].facts["resumed"] > 0
    assert resumed[0].facts["stopped_at"] == whole[0].facts["stopped_at"] == STOP_INTERVAL


def train_with(value: float, dead: tuple[int, ...], players=("generator", "critic"), **settings) -> Any:
    """Train three members, of which some begin with this value among the weights of these players."""
    run = make_training(ns_gan(), mlp(), ring(), steps=STOP_INTERVAL + 6, dtype=torch.float32, **settings)
    for player in players:
        next(iter(run.ensembles[0].detached[player].values()))[list(dead)] = value
    *_, last = run.run()
    return run, last


@pytest.mark.parametrize("mode", ["stack", "loop"])
def test_one_living_member_keeps_the_batch_going_with_the_same_bits(mode: str) -> None:
    with_dead, last = train_with(torch.nan, (0, 2), mode=mode)
    _, healthy = train_with(torch.nan, (), mode=mode)
    assert with_dead.stopped_at is None
    assert last.updates["generator"] == STOP_INTERVAL + 6
    assert last.diverged_at == [1, -1, 1]
    for name, weights in healthy.generators.items():
        assert torch.equal(weights[1], last.generators[name][1])


@pytest.mark.parametrize("player", ["generator", "critic"])
def test_a_nan_in_either_player_soon_reaches_both(player: str) -> None:
    run, last = train_with(torch.nan, (0, 1, 2), players=(player,))
    assert run.stopped_at == STOP_INTERVAL
    assert last.step == STOP_INTERVAL + 6
    assert last.final


def test_members_whose_loss_alone_was_infinite_train_on() -> None:
    """They count as diverged, but their weights are finite and may go anywhere."""
    spike = Constraint(
        critic=lambda play: torch.where(play.progress < 0.5, torch.inf, 0.0) + 0 * play.scores_real.sum()
    )
    program = Program(objective=NS, constraints=(Link("spike", 1.0, spike),))
    run = make_training(program, mlp(), ring(), steps=2 * STOP_INTERVAL)
    *_, last = run.run()
    assert last.diverged_at == [1, 1, 1]
    assert run.stopped_at is None
    assert all(weights.isfinite().all() for weights in last.generators.values())


def test_a_growing_network_that_is_dead_still_reaches_its_last_stage() -> None:
    run = grow(ns_gan(), steps=4 * STOP_INTERVAL)
    run.budget = replace(run.budget, snapshots=(STOP_INTERVAL, 4 * STOP_INTERVAL))
    next(iter(run.ensembles[0].detached["critic"].values())).fill_(torch.nan)
    first, last = run.run()
    assert run.stopped_at == 3 * STOP_INTERVAL, "the last stage begins at the half"
    assert run.draw_samples(last, 2).shape != run.draw_samples(first, 2).shape
