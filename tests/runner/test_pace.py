"""After a training its methods are timed alone, once for each code, and only where the suite is long enough."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import ganbench
import pytest
from ganbench.api.events import Calibrating, Event
from ganbench.runner import pace
from ganbench.runner.driver import Session, make_plan, read_suite
from ganbench.runner.settings import Settings
from ganbench.statistics.paces import read_paces

from tests.support.tiny_suite import suite


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a suite of a second be long enough to time its methods, for a moment each."""
    monkeypatch.setattr(pace, "LEAST_SECONDS", 0.0)


def run_with_events(folder: Path, **changes: object) -> tuple[ganbench.Frames, list[tuple[str, str]]]:
    """Run the small suite here; return its results, and the dataset and method of each that was timed."""
    timed: list[tuple[str, str]] = []

    def watch(session: Session, event: Event | Calibrating) -> None:
        if isinstance(event, Calibrating) and event.method:
            timed.append((event.dataset, event.method))

    return ganbench.run(suite(**changes), results=folder, jobs=0, watch=watch), timed


@pytest.mark.usefixtures("hasty")
def test_each_method_is_timed_once_for_each_code(tmp_path: Path) -> None:
    frames, timed = run_with_events(tmp_path)
    assert timed == [("ring", "ns-gan"), ("ring", "wgan-gp")]
    found = read_paces(frames.runs[-1])
    assert [(each.method, each.steps) for each in found] == [("ns-gan", (2, 4)), ("wgan-gp", (2, 4))]
    assert {each.timed.partition(",")[0] for each in found} == {"alone on one thread"}
    _, again = run_with_events(tmp_path)
    assert again == []
    _, more = run_with_events(tmp_path, methods=["ns-gan", "wgan-gp", "lsgan"])
    assert [method for _, method in more] == ["ns-gan", "wgan-gp", "lsgan"], "all at once, or they cannot be compared"


@pytest.mark.usefixtures("hasty")
def test_data_of_one_shape_share_a_measurement(tmp_path: Path) -> None:
    datasets = [{"name": "ring"}, {"name": "grid"}]
    frames, timed = run_with_events(tmp_path, dataset=datasets, success=None)
    assert timed == [("ring", "ns-gan"), ("ring", "wgan-gp")]
    seconds = {(each.dataset, each.method): each.seconds for each in read_paces(frames.runs[-1])}
    assert seconds["grid", "wgan-gp"] == seconds["ring", "wgan-gp"]
    assert len(seconds) == 4


def test_a_suite_of_a_second_is_not_timed(tmp_path: Path) -> None:
    frames, timed = run_with_events(tmp_path)
    assert timed == []
    assert "pace" not in frames.runs[-1].facts


def test_a_hash_of_a_training_leaves_out_its_seed_alone(tmp_path: Path) -> None:
    plugins, plan = make_plan(read_suite(suite()), Settings(results=tmp_path))
    batch = plan.batches[0]
    trial = batch.trials[0]
    reseeded = replace(batch, trials=(replace(trial, seed=99),))
    recoded = replace(batch, trials=(replace(trial, code="other"),))
    assert pace.hash_training(reseeded) == pace.hash_training(batch) != pace.hash_training(recoded)
    assert pace.hash_program(recoded, plugins) == pace.hash_program(batch, plugins)
    faster = replace(trial.recipe, critic_optimizer=replace(trial.recipe.critic_optimizer, options={"lr": 1.0}))
    tuned = replace(batch, trials=(replace(trial, recipe=faster),))
    assert pace.hash_training(tuned) != pace.hash_training(batch)
    assert pace.hash_program(tuned, plugins) == pace.hash_program(batch, plugins)
