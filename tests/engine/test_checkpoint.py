"""A batch that is broken off and goes on from its checkpoint ends in the bits of one that nobody disturbed."""

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

from tests.support import rehearsed_methods as rehearsals
from tests.support import tiny_suite as small
from tests.support.small_games import NS, images, mlp, ns_gan, ring, training

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
    """What no work catches."""


@pytest.fixture(scope="module")
def plugins() -> registry.Registry:
    return registry.load()


def batch_of(plugins: registry.Registry, method: str = "ns-gan", seeds: int = 3, **budget: Any) -> Batch:
    asked = small.suite(
        seeds=seeds,
        methods=None,
        method=[{"name": method, **METHODS[method]}],
        budget={"generator_steps": STEPS, "batch_size": 8, "snapshots": 4, **budget},
        success=None,
    )
    (batch,) = plan.make(suite.parse(asked), plugins).batches
    return batch


def run(batch: Batch, plugins: registry.Registry, folder: Path | None, until: int = 0) -> tuple[Any, list[int]]:
    """Run a batch that is killed at this step; give its records and the steps that it took."""
    steps: list[int] = []

    def report(step: int, _: int) -> None:
        steps.append(step)
        if step == until:
            raise Killed

    where = None if folder is None else str(folder)
    try:
        return run_batch(batch, report, device="cpu", plugins=plugins, folder=where, every=0.0), steps
    except Killed:
        return None, steps


def content(record: Record) -> tuple[Any, ...]:
    """All that a record tells but for its wall times; as text, for NaN is not NaN."""
    told = (record.status, record.diverged_at, record.scores, record.signals, record.updates, record.composition)
    return *map(repr, told), record.error, record.generator


@pytest.mark.parametrize(
    ("method", "seeds", "steps"),
    [
        *((method, seeds, STEPS) for method in METHODS for seeds in (1, 3)),
        *(("ns-gan", seeds, RECORD_FROM) for seeds in (1, 3)),  # steps are recorded, and recorded anew after the kill
    ],
)
def test_a_batch_killed_twice_ends_in_the_bits_of_an_undisturbed_one(
    plugins: registry.Registry, tmp_path: Path, method: str, seeds: int, steps: int
) -> None:
    batch = batch_of(plugins, method, seeds, generator_steps=steps)
    undisturbed, _ = run(batch, plugins, None)
    assert run(batch, plugins, tmp_path, until=steps // 2 + 3) == (None, list(range(1, steps // 2 + 4)))
    assert run(batch, plugins, tmp_path, until=steps - 1)[1][0] == steps // 2 + 1
    records, taken = run(batch, plugins, tmp_path)
    assert taken == list(range(3 * steps // 4 + 1, steps + 1))
    assert list(map(content, records)) == list(map(content, undisturbed))
    assert undisturbed[0].status == "completed"
    assert any(score.fresh for score in undisturbed[0].scores), "the judge's kept generators take part"


PARTS: dict[str, Callable[[], Training]] = {
    "growing": lambda: training(ns_gan(), rehearsals.growing(), images(), steps=20),
    "began": lambda: training(Program(objective=rehearsals.began()), rehearsals.answering(), ring(), steps=20),
    "averaged path length": lambda: training(
        Program(objective=NS, constraints=(Link("path", 1.0, rehearsals.path_length()),), ema=0.9),
        mlp(),
        ring(),
        steps=20,
        mode="loop",
        optimizer=lambda own: torch.optim.SGD(own, lr=1e-2, momentum=0.9),
    ),
}


def snapshots_of(made: Training) -> list[Snapshot]:
    made.budget = replace(made.budget, snapshots=(4, 10, 13, 20))
    return list(made.run())


@pytest.mark.parametrize("kept", [4, 10, 13])
@pytest.mark.parametrize("case", PARTS)
def test_a_training_goes_on_in_any_stage_with_all_that_plugins_remember(case: str, kept: int) -> None:
    """A growing network's first stage ends at step 10."""
    *_, undisturbed = snapshots_of(PARTS[case]())
    broken = PARTS[case]()
    broken.budget = replace(broken.budget, snapshots=(4, 10, 13, 20))
    running = broken.run()
    while next(running).step < kept:
        pass
    tensors, numbers = checkpoint.save_state(broken)
    running.close()
    again = PARTS[case]()
    checkpoint.restore_state(
        again, {name: own.clone() for name, own in tensors.items()}, json.loads(json.dumps(numbers))
    )
    *_, last = snapshots_of(again)
    assert last.updates == undisturbed.updates
    assert last.ensemble.detached["critic"].keys() == undisturbed.ensemble.detached["critic"].keys()
    for name, own in undisturbed.generators.items():
        assert torch.equal(own, last.generators[name]), name
    for name, own in undisturbed.ensemble.detached["critic"].items():
        assert torch.equal(own, last.ensemble.detached["critic"][name]), name
    for name, (at, values) in undisturbed.signals.items():
        assert at == last.signals[name][0]
        assert torch.equal(values, last.signals[name][1]), name


def test_a_batch_of_seconds_leaves_no_checkpoint(plugins: registry.Registry, tmp_path: Path) -> None:
    batch = batch_of(plugins)
    steps: list[bool] = []
    run_batch(
        batch,
        lambda step, _: steps.append(any(tmp_path.rglob("*.safetensors"))),
        device="cpu",
        plugins=plugins,
        folder=str(tmp_path),
    )
    assert len(steps) == STEPS
    assert not any(steps)


def test_a_stored_batch_leaves_no_checkpoint_behind(tmp_path: Path) -> None:
    seen: list[int] = []

    def watch(session: Any, event: Any) -> None:
        seen.append(len(list(tmp_path.rglob("checkpoints/*.safetensors"))))

    ganbench.run(small.suite(), out=tmp_path / "r", jobs=0, checkpoint=0.0, watch=watch)
    assert (tmp_path / "r" / "checkpoints").is_dir(), "there were some"
    assert seen[-1] == 0


def test_a_kill_between_the_store_and_the_checkpoints_end_leaves_none_for_long(tmp_path: Path) -> None:
    ganbench.run(small.suite(), out=tmp_path, jobs=0, checkpoint=0.0)
    [stored, other] = [checkpoint_path(tmp_path, key) for key in (batch_keys(small.suite())[0], "0" * 64)]
    for path in (stored, other):
        path.write_bytes(b"")
    ganbench.run(small.suite(), out=tmp_path, jobs=0)
    assert not stored.exists()
    assert other.exists(), "an edited suite may come back"


def batch_keys(question: dict[str, Any]) -> list[str]:
    """Give the keys of a suite's batches."""
    return [batch.key for batch in plan.make(suite.parse(question), registry.load()).batches]


def corrupt(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Write a checkpoint again with another header."""
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
def test_a_checkpoint_that_is_damaged_or_of_other_work_is_ignored_and_the_log_says_so(
    plugins: registry.Registry, tmp_path: Path, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    batch = batch_of(plugins, generator_steps=8)
    run(batch, plugins, tmp_path, until=6)
    path = checkpoint_path(tmp_path, batch.key)
    assert path.is_file()
    act, says = FAULTS[fault]
    act(path)
    with caplog.at_level(logging.WARNING, "ganbench"):
        records, steps = run(batch, plugins, tmp_path)
    assert steps == list(range(1, 9))
    assert records[0].status == "completed"
    assert "its checkpoint is ignored" in caplog.text
    assert says in caplog.text


def test_a_rewritten_header_that_changes_nothing_is_gone_on_from(plugins: registry.Registry, tmp_path: Path) -> None:
    """So the faults above are what is refused, and not the rewriting."""
    batch = batch_of(plugins, generator_steps=8)
    run(batch, plugins, tmp_path, until=6)
    rewrite(checkpoint_path(tmp_path, batch.key), lambda work: None)
    assert run(batch, plugins, tmp_path)[1] == [5, 6, 7, 8]


def test_a_state_of_another_network_is_refused_before_it_trains(plugins: registry.Registry, tmp_path: Path) -> None:
    made = training(ns_gan(), mlp(), ring(), steps=4)
    list(made.run())
    tensors, numbers = checkpoint.save_state(made)
    other = training(ns_gan(), mlp(critic_norm=True), ring(), steps=4)
    with pytest.raises(KeyError, match="parameters/critic"):
        checkpoint.restore_state(other, tensors, numbers)
    fewer = training(ns_gan(), mlp(), ring(), steps=4, seeds=(0, 1))
    with pytest.raises(ValueError, match="parameters/generator"):
        checkpoint.restore_state(fewer, tensors, numbers)


def test_a_disk_that_takes_no_checkpoint_stops_no_training(
    plugins: registry.Registry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "checkpoints").write_text("a file where the folder should be")
    batch = batch_of(plugins, generator_steps=8)
    with caplog.at_level(logging.WARNING, "ganbench"):
        records, _ = run(batch, plugins, tmp_path)
    assert {record.status for record in records} == {"completed"}
    assert "no checkpoint" in caplog.text


def test_nothing_is_kept_before_its_time(plugins: registry.Registry, tmp_path: Path) -> None:
    batch = batch_of(plugins)
    never = Checkpoint(str(tmp_path), batch, {}, every=math.inf)
    never.keep(lambda: pytest.fail("gathered for nothing"))
    Checkpoint(None, batch, {}, every=0.0).keep(lambda: pytest.fail("there is nowhere to keep it"))
    assert not any(tmp_path.iterdir())
