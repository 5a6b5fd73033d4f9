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
        ("cuda:0,2", "device 'cuda:2': torch finds 2 CUDA devices here"),
        ("cuda:0,cpu", "each of several devices needs its number"),
        ("cuda,1", "each of several devices needs its number"),
        ("cuda:0,", "device '' is unknown"),
        ("cuda:1,1", "a device is named twice"),
    ],
)
def test_a_device_that_is_not_there_is_refused(name: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(GanbenchError, match=message):
        devices.choose(name)
    assert devices.choose("cuda:1") == torch.device("cuda", 1)
    assert devices.choose("cpu") == torch.device("cpu")
    both = [torch.device("cuda", 0), torch.device("cuda", 1)]
    assert devices.choose_all("cuda:0,1") == devices.choose_all("cuda:0,cuda:1") == both
    assert devices.choose("cuda:1,0") == both[1]
    assert devices.choose_all("cuda") == [torch.device("cuda")]


def test_a_numbered_device_without_cuda_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(GanbenchError, match=r"device 'cuda:1': torch finds no CUDA device here"):
        devices.choose("cuda:1")


def test_kernels_are_told_to_repeat_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    with torch.autograd.set_multithreading_enabled(True):
        devices.configure("cpu")
        assert not torch._C._is_multithreading_enabled(), "two threads add second derivatives in an order that varies"
    assert torch.backends.cudnn.deterministic
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


def test_a_process_takes_its_share_of_the_memory_of_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[object, ...]] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: calls.append((device,)))
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda *given: calls.append(given))
    second = torch.device("cuda", 1)
    assert devices.configure("cuda:1", 0.475) == second
    assert calls == [(second,), (0.475, second)]
    calls.clear()
    devices.configure("cuda:1")
    assert calls == [(second,)], "a process alone on a GPU has no limit"
