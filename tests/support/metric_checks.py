"""Shared by the tests of metrics: our metrics by name, seeded normal samples, and an assertion about a mean."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from ganbench import Metric
from ganbench.evaluation.moments import RunningMoments
from torch import Generator, Tensor

from ganbench_plugins.metrics import (
    classified_modes,
    dirac,
    divergences,
    fid,
    inception_score,
    kid,
    manifold,
    mmd,
    modes,
    nearest_neighbour,
    precision_recall,
    wasserstein,
)

MODULES = (classified_modes, dirac, divergences, fid, inception_score, kid, manifold, mmd, modes, nearest_neighbour)
MODULES += (precision_recall, wasserstein)
METRICS: dict[str, Metric] = {offer.name: offer.build() for module in MODULES for offer in module.ganbench_metrics()}


def measure(metric: Metric, **parts: Any) -> dict[str, float]:
    """Return the values of a metric on evidence that has only these parts, and what follows from them."""
    for name in ("features", "reference_features"):
        if name in parts:
            running = RunningMoments()
            running.add(parts[name])
            parts[name.replace("features", "moments")] = running.finish()
    if metric.prepare is not None:
        parts["prepared"] = metric.prepare(SimpleNamespace(**parts))  # type: ignore[arg-type]
    return dict(metric.measure(SimpleNamespace(**parts)))  # type: ignore[arg-type]


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=Generator().manual_seed(seed), dtype=torch.double)


def assert_mean(values: list[float], expected: float, errors: float = 4.0) -> None:
    """Assert that the mean of independent estimates is the expected value, within `errors` standard errors."""
    estimates = torch.tensor(values, dtype=torch.double)
    standard_error = (estimates.std() / math.sqrt(len(estimates))).item()
    assert estimates.mean().item() == pytest.approx(expected, abs=errors * standard_error)
