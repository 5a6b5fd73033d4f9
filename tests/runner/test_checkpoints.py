"""A checkpoint that a third party put into a results folder is ignored with the reason, whatever it is."""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable
from pathlib import Path

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
