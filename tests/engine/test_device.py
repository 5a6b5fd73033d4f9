"""The device is chosen by its name, and torch repeats its numbers there."""

from __future__ import annotations

import os

import pytest
import torch
from ganbench import GanbenchError
from ganbench.engine import device as devices


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gpu", "device 'gpu' is unknown"),
        ("cpu:0", "device 'cpu:0' is unknown"),
        ("cuda:", "device 'cuda:' is unknown"),
        ("cuda:x", "device 'cuda:x' is unknown"),
        ("cuda:2", "torch finds 2 CUDA devices here: cuda:0 to cuda:1"),
    ],
)
def test_a_device_that_is_not_there_is_refused(name: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(GanbenchError, match=message):
        devices.choose(name)
    assert devices.choose("cuda:1") == torch.device("cuda", 1)
    assert devices.choose("cpu") == torch.device("cpu")


def test_a_numbered_device_without_cuda_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(GanbenchError, match=r"device 'cuda:1': torch finds no CUDA device here"):
        devices.choose("cuda:1")


def test_kernels_are_told_to_repeat_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    devices.configure("cpu")
    assert torch.backends.cudnn.deterministic
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
