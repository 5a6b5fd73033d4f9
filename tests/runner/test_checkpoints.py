"""A checkpoint that a third party put into a results folder is ignored, and writing one takes little of the time."""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from ganbench.api.trials import Batch, Measurement
from ganbench.engine.tensor_hash import hash_tensors
from ganbench.runner.checkpoints import Checkpoint
from safetensors.torch import save_file

from tests.support.hostile_folders import SPECIAL
from tests.support.trials_by_hand import trial

TENSORS = {"x": torch.arange(3.0)}
BATCH = Batch(trials=(trial(),), mode="loop", measurement=Measurement(metrics=(), samples=10))


def make(folder: Path) -> Checkpoint:
    """Return the checkpoint of a batch, which is always due."""
    (folder / "checkpoints").mkdir(exist_ok=True)
    return Checkpoint(str(folder), BATCH, {"torch": "1"}, every=0.0)


def write(path: Path, numbers: str | None, **header: str) -> None:
    """Write a checkpoint of this batch whose digest is right, with these numbers and other parts of its header."""
    known = {"work": make(path.parents[1]).work, "digest": hash_tensors(TENSORS, numbers or "")}
    save_file(TENSORS, path, known | header | ({} if numbers is None else {"numbers": numbers}))


ODD: dict[str, Callable[[Path], None]] = {
    **SPECIAL,
    "HeaderTooLarge": lambda path: path.write_bytes(struct.pack("<Q", 2**62) + b"{}") and None,
    "no numbers": lambda path: write(path, None),
    "not JSON": lambda path: write(path, "{"),
    "a list": lambda path: write(path, "[1]"),
    "nested": lambda path: write(path, "[" * 100_000),
    "of other code": lambda path: write(path, "{}", work="other"),
}


@pytest.mark.parametrize("put", ODD.values(), ids=ODD.keys())
def test_an_odd_checkpoint_is_ignored_and_the_reason_is_logged(
    tmp_path: Path, put: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint = make(tmp_path)
    assert checkpoint.path is not None
    assert checkpoint.read() is None
    put(checkpoint.path)
    with caplog.at_level(logging.WARNING, "ganbench"):
        assert checkpoint.read() is None
    assert "its checkpoint is ignored: " in caplog.text


def test_a_checkpoint_behind_a_linked_folder_is_ignored(tmp_path: Path) -> None:
    checkpoint = make(tmp_path)
    checkpoint.write_if_due(lambda: (TENSORS, {"step": 3}))
    found = checkpoint.read()
    assert found is not None
    assert found[1] == {"step": 3}
    (tmp_path / "checkpoints").rename(tmp_path / "elsewhere")
    (tmp_path / "checkpoints").symlink_to(tmp_path / "elsewhere")
    assert checkpoint.read() is None


class FakeClock:
    """A clock that only moves when a test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("seconds", "every"), [(0.125, 30.0), (10.0, 30.0), (3.0, 600.0)])
def test_checkpoints_take_at_most_two_percent_of_the_time_and_are_at_least_an_interval_apart(
    tmp_path: Path, seconds: float, every: float
) -> None:
    clock = FakeClock()
    written = list[float]()

    def gather() -> Any:
        written.append(clock.now)
        clock.now += seconds
        return {}, {}

    writer = Checkpoint(str(tmp_path), BATCH, {}, every=every, clock=clock)
    for _ in range(20_000):
        clock.now += 1.0  # a generator step
        writer.write_if_due(gather)
        worked = clock.now - 1000.0
        assert len(written) < 2 or len(written) * seconds <= 0.02 * (worked + seconds)
    assert written[0] == 1000.0 + every
    gaps = [after - before - seconds for before, after in pairwise(written)]
    shortest = max(every, seconds / 0.02 - seconds)
    assert min(gaps) >= every
    assert len(written) == pytest.approx(20_000 / (shortest + seconds), rel=0.1), "not rarer than the two ask for"


def test_a_checkpoint_that_takes_longer_than_before_makes_the_next_one_wait(tmp_path: Path) -> None:
    clock, costs, written = FakeClock(), iter([0.0, 5.0, 5.0]), list[float]()

    def gather() -> Any:
        written.append(clock.now - 1000.0)
        clock.now += next(costs)
        raise OSError("a full disk takes time too")

    writer = Checkpoint(str(tmp_path), BATCH, {}, every=10.0, clock=clock)
    while len(written) < 3:
        clock.now += 1.0
        writer.write_if_due(gather)
    assert written == [10.0, 20.0, 500.0]
