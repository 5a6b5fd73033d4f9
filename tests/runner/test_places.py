"""Workers go round the devices, each with its share of the memory, and are few on GPUs unless the user says more."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ganbench import GanbenchError
from ganbench.runner import places
from ganbench.runner.driver import make_plan
from ganbench.runner.places import count_jobs, list_places
from ganbench.runner.settings import Settings
from ganbench.suite import parse

from tests.support import tiny_suite


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torch say that there are two GPUs, on a machine of eight cores."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(places, "available_cores", lambda: 8)


@pytest.mark.parametrize(
    ("jobs", "device", "expected"),
    [(None, "cpu", 8), (None, "cuda", 2), (None, "cuda:0,1", 4), (5, "cuda:0,1", 5), (0, "cuda", 0), (3, "cpu", 3)],
)
def test_a_run_starts_a_worker_for_each_core_or_two_for_each_gpu(
    two_gpus: None, jobs: int | None, device: str, expected: int
) -> None:
    assert count_jobs(jobs, device) == expected


def test_more_gpus_than_cores_have_a_worker_each(two_gpus: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "available_cores", lambda: 1)
    assert count_jobs(None, "cuda:0,1") == 2


def test_workers_of_one_gpu_share_its_memory(two_gpus: None) -> None:
    assert list_places(4, device="cpu", most=10) == [{}, {}, {}, {}]
    assert list_places(1, device="cuda", most=10) == [{"device": "cuda", "memory_share": 1.0}]
    assert list_places(1, device="cuda:0,1", most=10) == [{"device": "cuda:0", "memory_share": 1.0}]
    shares = {"cuda:0": 0.475, "cuda:1": 1.0}
    assert list_places(3, device="cuda:0,1", most=10) == [
        {"device": name, "memory_share": shares[name]} for name in ("cuda:0", "cuda:1", "cuda:0")
    ]


def test_there_are_no_more_workers_than_batches(two_gpus: None) -> None:
    assert list_places(None, device="cpu", most=3) == [{}, {}, {}]
    assert list_places(None, device="cuda", most=1) == [{"device": "cuda", "memory_share": 1.0}]


def test_several_devices_need_workers(two_gpus: None, tmp_path: Path) -> None:
    settings = Settings(device="cuda:0,1", jobs=0, results=tmp_path)
    with pytest.raises(GanbenchError, match=r"--device cuda:0,1: .* one device, and has no workers"):
        make_plan(parse(tiny_suite.suite()), settings)
