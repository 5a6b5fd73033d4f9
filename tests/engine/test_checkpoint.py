"""A batch that is interrupted and continues from its checkpoint ends in the same bits as one without interruption."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import ganbench
import pytest
import torch
from ganbench import plan, registry, suite
from ganbench.api.records import Record
from ganbench.api.trials import Batch
from ganbench.engine import checkpoint
from ganbench.engine.program import Link, Program
from ganbench.engine.snapshot import Snapshot
from ganbench.engine.train import RECORD_FROM, Training
from ganbench.results.files import checkpoint_path
from ganbench.runner.checkpoints import Checkpoint
from ganbench.runner.worker import run_batch
from safetensors import safe_open
from safetensors.torch import save_file

from ganbench_plugins.constraints import path_length
from ganbench_plugins.losses import boundary_equilibrium
from tests.support import answering_networks
from tests.support import tiny_suite as small
from tests.support.growing_networks import grow
from tests.support.small_games import GP, NS, make_training, mlp, ns_gan, ring

STEPS = 24
METHODS: dict[str, dict[str, Any]] = {
    "ns-gan": {},
    "wgan-gp": {"critic_steps": 2},
    "everything": {
        "from": "ns-gan",
        "constraints": [
            {"name": "spectral-norm"},
            {"name": "r1", "weight": {"linear": [5.0, 0.0]}, "every": 4},
        ],
        "inputs": [{"name": "instance-noise", "sigma": {"linear": [0.5, 0.0]}}],
        "critic_optimizer": {"name": "adam", "lr": {"linear": [1e-3, 0.0]}},
        "generator_optimizer": {"name": "rmsprop", "lr": {"linear": [1e-3, 0.0]}},
        "critic_steps": {"steps": [[10, 3], ["inf", 1]]},
        "ema": 0.9,
    },
}


class Killed(BaseException):
    """An exception that no code under test catches."""


@pytest.fixture(scope="module")
def plugins() -> registry.Registry:
    return registry.load()


def batch_of(plugins: registry.Registry, method: str = "ns-gan", seeds: int = 3, **budget: Any) -> Batch:
    table = small.suite(
        seeds=seeds,
        methods=None,
        method=[{"name": method, **METHODS[method]}],
        budget={"generator_steps": STEPS, "batch_size": 8, "snapshots": 4, **budget},
        success=None,
    )
    (batch,) = plan.make(suite.parse(table), plugins).batches
    return batch


def run(batch: Batch, plugins: registry.Registry, folder: Path | None, until: int = 0) -> tuple[Any, list[int]]:
    """Run a batch and kill it at step `until` (0: never); return its records, None if killed, and its steps."""
    steps: list[int] = []

    def report(step: int, _: int) -> None:
        steps.append(step)
        if step == until:
            raise Killed

    checkpoints = None if folder is None else str(folder)
    try:
        return run_batch(batch, report, device="cpu", plugins=plugins, folder=checkpoints, every=0.0), steps
    except Killed:
        return None, steps


def content(record: Record) -> tuple[Any, ...]:
    """Return the fields of a record except its wall times; most of them as text, because NaN is not equal to NaN."""
    fields = (record.status, record.diverged_at, record.scores, record.signals, record.updates, record.composition)
    return *map(repr, fields), record.error, record.generator


@pytest.mark.parametrize(
    ("method", "seeds", "steps"),
    [
        *((method, seeds, STEPS) for method in METHODS for seeds in (1, 3)),
        *(("ns-gan", seeds, RECORD_FROM) for seeds in (1, 3)),  # steps are recorded, and again after the interruption
    ],
)
def test_a_batch_killed_twice_ends_in_the_bits_of_one_without_interruption(
    plugins: registry.Registry, tmp_path: Path, method: str, seeds: int, steps: int
) -> None:
    batch = batch_of(plugins, method, seeds, generator_steps=steps)
    uninterrupted, _ = run(batch, plugins, None)
    assert run(batch, plugins, tmp_path, until=steps // 2 + 3) == (None, list(range(1, steps // 2 + 4)))
    assert run(batch, plugins, tmp_path, until=steps - 1)[1][0] == steps // 2 + 3, "no step is done again"
    records, steps_run = run(batch, plugins, tmp_path)
    assert steps_run == [steps - 1, steps]
    assert records[0].facts["resumed"] == steps - 2 not in batch.trials[0].budget.snapshots
    assert list(map(content, records)) == list(map(content, uninterrupted))
    assert uninterrupted[0].status == "completed"
    assert any(score.fresh for score in uninterrupted[0].scores), "the best snapshots must be scored afresh"


PARTS: dict[str, Callable[[], Training]] = {
    "growing": lambda: grow(ns_gan(), steps=20),
    "began": lambda: make_training(
        Program(objective=boundary_equilibrium.build()), answering_networks.make_space(), ring(), steps=20
    ),
    "a lazy term": lambda: make_training(
        Program(objective=NS, constraints=(Link("gp", 1.0, replace(GP, every=9)),)), mlp(), ring(), steps=20
    ),
    "an average that starts late": lambda: make_training(
        replace(ns_gan(), ema=0.9, ema_start=7, ema_rampup=0.3), mlp(), ring(), steps=20
    ),
    "averaged path length": lambda: make_training(
        Program(objective=NS, constraints=(Link("path", 1.0, path_length.build(decay=0.25)),), ema=0.9),
        mlp(),
        ring(),
        steps=20,
        mode="loop",
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=1e-2, momentum=0.9),
    ),
}


def take_snapshots(run: Training) -> list[Snapshot]:
    run.budget = replace(run.budget, snapshots=(4, 10, 13, 20))
    return list(run.run())


@pytest.mark.parametrize("saved_at", [1, 4, 9, 10, 11, 13, 18])
@pytest.mark.parametrize("case", PARTS)
def test_a_training_continues_in_any_stage_with_the_states_of_its_plugins(case: str, saved_at: int) -> None:
    """A growing network's first stage ends at step 10; there are snapshots at 4, 10 and 13."""
    *_, uninterrupted = take_snapshots(PARTS[case]())
    interrupted = PARTS[case]()
    interrupted.budget = replace(interrupted.budget, snapshots=(4, 10, 13, 20))
    states = {}

    def save(step: int, _: int) -> None:
        if step == saved_at and step not in interrupted.budget.snapshots:
            tensors, numbers = checkpoint.save_state(interrupted)
            states[step] = {name: tensor.clone() for name, tensor in tensors.items()}, json.dumps(numbers)

    for snapshot in interrupted.run(save):
        if snapshot.step == saved_at:
            tensors, numbers = checkpoint.save_state(interrupted)
            states[snapshot.step] = tensors, json.dumps(numbers)
        if snapshot.step >= saved_at:
            break
    tensors, text = states[saved_at]
    continued = PARTS[case]()
    checkpoint.restore_state(continued, {name: tensor.clone() for name, tensor in tensors.items()}, json.loads(text))
    *_, last = take_snapshots(continued)
    assert last.updates == uninterrupted.updates
    assert last.ensemble.detached["critic"].keys() == uninterrupted.ensemble.detached["critic"].keys()
    for name, weights in uninterrupted.generators.items():
        assert torch.equal(weights, last.generators[name]), name
    for name, weights in (uninterrupted.average or {}).items():
        assert last.average is not None
        assert torch.equal(weights, last.average[name]), name
    for name, weights in uninterrupted.ensemble.detached["critic"].items():
        assert torch.equal(weights, last.ensemble.detached["critic"][name]), name
    for name, (steps, values) in uninterrupted.signals.items():
        assert steps == last.signals[name][0]
        assert torch.equal(values, last.signals[name][1]), name


def test_a_batch_of_a_few_seconds_writes_no_checkpoint(plugins: registry.Registry, tmp_path: Path) -> None:
    batch = batch_of(plugins)
    has_checkpoint: list[bool] = []
    run_batch(
        batch,
        lambda step, _: has_checkpoint.append(any(tmp_path.rglob("*.safetensors"))),
        device="cpu",
        plugins=plugins,
        folder=str(tmp_path),
    )
    assert len(has_checkpoint) == STEPS
    assert not any(has_checkpoint)


def test_a_stored_batch_leaves_no_checkpoint_behind(tmp_path: Path) -> None:
    counts: list[int] = []

    def watch(session: Any, event: Any) -> None:
        counts.append(len(list(tmp_path.rglob("checkpoints/*.safetensors"))))

    ganbench.run(small.suite(), results=tmp_path / "r", jobs=0, checkpoint=0.0, watch=watch)
    assert (tmp_path / "r" / "checkpoints").is_dir(), "checkpoints must have been written"
    assert counts[-1] == 0


def test_the_next_run_deletes_a_checkpoint_whose_batch_is_already_stored(tmp_path: Path) -> None:
    """A kill between the storing of a batch and the deletion of its checkpoint leaves such a file."""
    ganbench.run(small.suite(), results=tmp_path, jobs=0, checkpoint=0.0)
    [stored, unknown] = [checkpoint_path(tmp_path, key) for key in (batch_keys(small.suite())[0], "0" * 64)]
    for path in (stored, unknown):
        path.write_bytes(b"")
    ganbench.run(small.suite(), results=tmp_path, jobs=0)
    assert not stored.exists()
    assert unknown.exists(), "a suite that was edited may be changed back and need its checkpoint"


def batch_keys(table: dict[str, Any]) -> list[str]:
    """Return the keys of a suite's batches, in the order of its plan."""
    return [batch.key for batch in plan.make(suite.parse(table), registry.load()).batches]


def corrupt(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Write a checkpoint again with its header changed by `change`."""
    with safe_open(path, "pt") as file:
        work = json.loads(file.metadata()["work"])
        header, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(work)
    save_file(tensors, path, {**header, "work": json.dumps(work, sort_keys=True, separators=(",", ":"))})


FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "cut short": (lambda path: path.write_bytes(path.read_bytes()[:-100]), "damaged"),
    "one bit": (corrupt, "damaged"),
    "empty": (lambda path: path.write_bytes(b""), "damaged"),
    "other code": (lambda path: rewrite(path, lambda work: work.update(code=["0"])), "other code"),
    "other torch": (lambda path: rewrite(path, lambda work: work["company"].update(torch="0.1")), "another torch"),
    "other device": (lambda path: rewrite(path, lambda work: work["company"].update(device="abacus")), "device"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_checkpoint_that_is_damaged_or_of_other_work_is_ignored_and_the_reason_is_logged(
    plugins: registry.Registry, tmp_path: Path, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    batch = batch_of(plugins, generator_steps=8)
    run(batch, plugins, tmp_path, until=6)
    path = checkpoint_path(tmp_path, batch.key)
    assert path.is_file()
    damage, reason = FAULTS[fault]
    damage(path)
    with caplog.at_level(logging.WARNING, "ganbench"):
        records, steps = run(batch, plugins, tmp_path)
    assert steps == list(range(1, 9))
    assert records[0].status == "completed"
    assert "its checkpoint is ignored" in caplog.text
    assert reason in caplog.text


def test_a_checkpoint_rewritten_without_a_change_is_used(plugins: registry.Registry, tmp_path: Path) -> None:
    """So the faults above are the reason for the refusals, and not the rewriting."""
    batch = batch_of(plugins, generator_steps=8)
    run(batch, plugins, tmp_path, until=6)
    rewrite(checkpoint_path(tmp_path, batch.key), lambda work: None)
    assert run(batch, plugins, tmp_path)[1] == [6, 7, 8]


def test_a_state_of_another_network_is_refused_before_it_trains() -> None:
    run_to_save = make_training(ns_gan(), mlp(), ring(), steps=4)
    list(run_to_save.run())
    tensors, numbers = checkpoint.save_state(run_to_save)
    other_network = make_training(ns_gan(), mlp(critic_norm=True), ring(), steps=4)
    with pytest.raises(KeyError, match="parameters/critic"):
        checkpoint.restore_state(other_network, tensors, numbers)
    fewer_seeds = make_training(ns_gan(), mlp(), ring(), steps=4, seeds=(0, 1))
    with pytest.raises(ValueError, match="parameters/generator"):
        checkpoint.restore_state(fewer_seeds, tensors, numbers)


def test_training_continues_if_its_checkpoint_cannot_be_written(
    plugins: registry.Registry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "checkpoints").write_text("a file where the folder should be")
    batch = batch_of(plugins, generator_steps=8)
    with caplog.at_level(logging.WARNING, "ganbench"):
        records, _ = run(batch, plugins, tmp_path)
    assert {record.status for record in records} == {"completed"}
    assert "the checkpoint could not be written" in caplog.text


def test_a_checkpoint_is_written_only_when_due_and_only_into_a_folder(
    plugins: registry.Registry, tmp_path: Path
) -> None:
    batch = batch_of(plugins)
    never_due = Checkpoint(str(tmp_path), batch, {}, every=math.inf)
    never_due.write_if_due(lambda: pytest.fail("the state was gathered before a checkpoint was due"))
    no_folder = Checkpoint(None, batch, {}, every=0.0)
    no_folder.write_if_due(lambda: pytest.fail("the state was gathered without a folder to write it to"))
    assert not any(tmp_path.iterdir())


def test_a_checkpoint_holds_the_critics_in_training_and_no_others(plugins: registry.Registry, tmp_path: Path) -> None:
    """The best snapshots are scored again by their samples only."""
    batch = batch_of(plugins, "wgan-gp")
    run(batch, plugins, tmp_path, until=20)
    with safe_open(checkpoint_path(tmp_path, batch.key), "pt") as file:
        names = list(file.keys())
    kept = [name for name in names if name.startswith("judge/")]
    assert any("/parameters/generator/" in name for name in kept)
    assert not any("critic" in name or "/state/" in name for name in kept)
    assert any(name.startswith("training/parameters/critic/") for name in names)
