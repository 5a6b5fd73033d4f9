"""What the tests of metrics share: our metrics by name, seeded rows, and a test of a mean."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from ganbench import Metric
from torch import Generator, Tensor

from ganbench_plugins.metrics import dirac, fid, inception_score, kid, mmd, modes, precision_recall, wasserstein

MODULES = (dirac, fid, inception_score, kid, mmd, modes, precision_recall, wasserstein)
METRICS: dict[str, Metric] = {offer.name: offer.build() for module in MODULES for offer in module.ganbench_metrics()}


def seen(metric: Metric, **parts: Any) -> dict[str, float]:
    """Measure on just these parts of the evidence."""
    return dict(metric.measure(SimpleNamespace(**parts)))  # type: ignore[arg-type]


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=Generator().manual_seed(seed), dtype=torch.double)


def assert_mean(values: list[float], expected: float, errors: float = 4.0) -> None:
    """The mean of independent estimates is the expected value, within so many of its standard errors."""
    found = torch.tensor(values, dtype=torch.double)
    assert found.mean().item() == pytest.approx(expected, abs=errors * (found.std() / math.sqrt(len(found))).item())
