"""A batch whose members differ in numbers: its records, and its trials trained and drawn again from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from ganbench import registry, suite
from ganbench.api.records import Record
from ganbench.api.shared_program import change_numbers
from ganbench.api.trials import Batch
from ganbench.plan import make
from ganbench.results.store import Store, read
from ganbench.runner.rebuild import rebuild_batch
from ganbench.runner.rerun import rerun_trial
from ganbench.runner.worker import run_batch

from tests.support.tiny_suite import suite as tiny_suite

PLUGINS = registry.load()
NUMBERS = (
    {},
    {"constraints.0.weight": 0.5, "critic_optimizer.options.lr": 1e-3},
    {"constraints.0.weight": {"linear": [5.0, 0.0], "over": 1.0}, "generator_optimizer.options.beta1": 0.3},
)


def make_batch() -> tuple[suite.Suite, Batch]:
    """Return the tiny suite of one method, and a batch of two seeds for each of NUMBERS."""
    parsed = suite.parse(tiny_suite(methods=["wgan-gp"], success=None, seeds=2))
    (batch,) = make(parsed, PLUGINS).batches
    trials = [
        replace(trial, recipe=change_numbers(trial.recipe, numbers)) for numbers in NUMBERS for trial in batch.trials
    ]
    return parsed, replace(batch, trials=tuple(trials), mode="stack")


def train(batch: Batch) -> list[Record]:
    return run_batch(batch, lambda step, steps: None, device="cpu", plugins=PLUGINS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of the batch."""
    path = tmp_path_factory.mktemp("members") / "r"
    parsed, batch = make_batch()
    with Store(path) as store:
        store.begin_run(parsed.text, batch.trials, {})
        store.append(train(batch))
    return path


def test_the_records_say_in_which_numbers_the_members_differ(folder: Path) -> None:
    with Store(folder, readonly=True) as store:
        details = [store.detail(key) for key in read(folder).trials["key"]]
    assert [detail["status"] for detail in details] == ["completed"] * 6
    for detail in details:
        assert detail["composition"]["members"] == [0, 1] * 3
        assert (
            detail["composition"]["varied"]["constraints.0.weight"]
            == [10.0] * 2 + [0.5] * 2 + [{"linear": [5.0, 0.0], "over": 1.0}] * 2
        )
        assert detail["composition"]["varied"]["generator_optimizer.options.beta1"] == [0.0] * 4 + [0.3] * 2


def test_each_trial_is_trained_again_to_the_same_bits(folder: Path) -> None:
    for key in read(folder).trials["key"].iloc[[0, 3, 5]]:
        comparison = rerun_trial(folder, key, PLUGINS)
        assert (comparison.verdict, comparison.largest, comparison.changed) == ("equal", 0.0, ())


def test_the_samples_of_each_trial_are_drawn_again(folder: Path) -> None:
    _, batch = make_batch()
    with Store(folder, readonly=True) as store:
        first, last = (rebuild_batch(store, batch.trials[i].key, PLUGINS, 20) for i in (0, 5))
    assert [trial.key for trial in first.batch.trials] == [trial.key for trial in batch.trials]
    samples = [rebuilt.training.draw_samples(rebuilt.snapshot, 20) for rebuilt in (first, last)]
    assert torch.equal(*samples)
    assert not torch.equal(samples[0][0], samples[0][2])


def test_halves_of_a_batch_train_too() -> None:
    _, batch = make_batch()
    for half in batch.halves():
        assert [record.status for record in train(half)] == ["completed"] * 3
