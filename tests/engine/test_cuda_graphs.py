"""Captures are on a stream of their own, in order with all other work, and one that fails leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from ganbench.engine.graphs import CudaGraphs


class Cuda:
    """What stands for `torch.cuda`: streams are names, and `done` lists what happens to them."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.current, self.pools, self.graphs = Stream("usual", self), 0, 0

    def current_stream(self, device: Any) -> Stream:
        return self.current

    def open_stream(self, device: Any) -> Stream:
        return Stream("side", self)

    def graph_pool_handle(self) -> int:
        self.pools += 1
        return self.pools

    @contextmanager
    def stream(self, stream: Stream) -> Iterator[None]:
        before, self.current = self.current, stream
        try:
            yield
        finally:
            self.current = before

    @contextmanager
    def graph(self, graph: Any, pool: int, stream: Stream, capture_error_mode: str) -> Iterator[None]:
        """Capture as torch does, which leaves the stream of a failed capture the current one."""
        self.done.append(f"capture in pool {pool} on {stream.name}")
        before, self.current = self.current, stream
        yield
        self.current = before


class Stream:
    """A stream with a name."""

    def __init__(self, name: str, cuda: Cuda) -> None:
        self.name, self.cuda = name, cuda

    def wait_stream(self, other: Stream) -> None:
        self.cuda.done.append(f"{self.name} waits for {other.name}")


class Graph:
    """A graph that can be replayed."""

    def replay(self) -> None:
        pass


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Cuda:
    fake = Cuda()
    for name in ("current_stream", "graph_pool_handle", "stream", "graph"):
        monkeypatch.setattr(torch.cuda, name, getattr(fake, name))
    monkeypatch.setattr(torch.cuda, "Stream", fake.open_stream)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    return fake


def test_work_on_the_side_is_after_all_before_it_and_before_all_after_it(cuda: Cuda) -> None:
    graphs = CudaGraphs(torch.device("cuda"))
    graphs.warm_up(lambda: cuda.done.append(f"work on {cuda.current.name}"))
    assert cuda.done == ["side waits for usual", "work on side", "usual waits for side"]
    assert cuda.current.name == "usual"


def test_all_graphs_share_a_pool_until_a_capture_fails(cuda: Cuda) -> None:
    graphs = CudaGraphs(torch.device("cuda"))
    for _ in range(2):
        replay = graphs.capture(lambda: cuda.done.append(f"work on {cuda.current.name}"))
        assert getattr(replay, "__self__", None).__class__ is Graph

    def fail() -> None:
        raise RuntimeError("operation not permitted when stream is capturing")

    with pytest.raises(RuntimeError, match="not permitted"):
        graphs.capture(fail)
    assert cuda.current.name == "usual"
    graphs.capture(lambda: None)
    captures = [event for event in cuda.done if "pool" in event]
    assert captures == [f"capture in pool {pool} on side" for pool in (1, 1, 1, 2)]
