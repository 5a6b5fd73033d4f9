"""Metrics and datasets that end or hold their process, as a plugin file that a user could write.

They do it for more than `FEW` samples only, so not while a suite is planned, but when baselines are scored.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from ganbench import Metric, Offer, Source, hookimpl

FEW = 16
ROWS = torch.randn(400, 2, generator=torch.Generator().manual_seed(0))


def hang() -> None:
    while True:
        time.sleep(1)


def crash() -> None:
    ctypes.string_at(0)


def leave() -> None:
    sys.exit(0)


def die() -> None:
    os._exit(0)


ACTS = {"hangs": hang, "crashes": crash, "leaves": leave, "dies": die}
"""What a plugin does, by the name of its offer."""


def metric_that(act: Callable[[], None]) -> Callable[[], Metric]:
    def measure(evidence: Any) -> dict[str, float]:
        if len(evidence.samples) > FEW:
            act()
        return {"m": 1.0}

    return lambda: Metric(measure=measure, values={"m": "higher"})


def spread() -> Metric:
    """Build a sound metric."""
    return Metric(measure=lambda evidence: {"width": float(evidence.samples.std())}, values={"width": "neutral"})


def rows(act: Callable[[], None] = lambda: None) -> Callable[[], Source]:
    def reference(n: int) -> torch.Tensor:
        if n > FEW:
            act()
        return ROWS[200 : 200 + n]

    return lambda: Source(shape=(2,), size=200, take=lambda i: ROWS[:200][i], reference=reference)


@hookimpl
def ganbench_metrics() -> Iterator[Offer]:
    """Offer a metric for each act, and a sound one."""
    yield from (Offer(name, metric_that(act), "Does not return.") for name, act in ACTS.items())
    yield Offer("width", spread, "The overall std.")


@hookimpl
def ganbench_datasets() -> Iterator[Offer]:
    """Offer a dataset for each act, which its `reference` does, and a sound one."""
    yield from (Offer(name, rows(act), "Does not return.", metrics=("width",)) for name, act in ACTS.items())
    yield Offer("rows", rows(), "A set of rows.", metrics=("width", "sliced-w1", "mmd"))
