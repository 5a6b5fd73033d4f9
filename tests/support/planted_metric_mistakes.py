"""Metrics with one mistake each, and a fragment of the message that names it."""

from __future__ import annotations

from itertools import count

import torch
from ganbench import Metric, Offer

from tests.support.planted_mistakes import Planted


def metric(mistake: str, message: str, measure, values=None, **fields) -> Planted:
    """Return a metric with a planted mistake."""
    build = lambda: Metric(measure=measure, values=values or {"spread": "neutral"}, **fields)  # noqa: E731
    return Planted("metrics", Offer(mistake, build, "A metric."), message)


def measure_first_samples(evidence) -> dict[str, float]:
    return {"spread": float(evidence.samples[:10].std())}


def measure_by_cholesky(evidence) -> dict[str, float]:
    rows = evidence.samples.flatten(1)
    return {"spread": float(torch.linalg.cholesky(rows.T.cov()).trace())}


def measure_one(evidence) -> dict[str, float]:
    return {"spread": 1.0}


def prepare(number) -> dict[str, torch.Tensor]:
    return {"x": torch.full((2,), float(number))}


CALLS = count()

METRICS = (
    metric("undeclared values", "measures ['mean', 'spread']", lambda e: {"spread": 1.0, "mean": 0.0}),
    metric("a tensor", "return floats", lambda e: {"spread": e.samples.std()}),
    metric("an unknown direction", "is 'up'", lambda e: {"spread": 1.0}, {"spread": "up"}),
    metric("a value that depends on the order", "the same samples in another order", measure_first_samples),
    metric("random numbers", "global generator", lambda e: {"spread": float(e.samples.std() + torch.rand(()))}),
    metric("samples changed", "in place", lambda e: {"spread": float(e.samples.mul_(2).std())}),
    metric("samples changed through NumPy", "in place", lambda e: {"spread": float(e.samples.numpy().sort(0) or 1)}),
    metric("a count of its calls", "the second time", lambda e: {"spread": float(next(CALLS))}),
    metric("an exception for equal samples", "cholesky", measure_by_cholesky),
    metric("a count in prepare", "another 'x' the second time", measure_one, prepare=lambda e: prepare(next(CALLS))),
    metric("random numbers in prepare", "`prepare` draws", measure_one, prepare=lambda e: prepare(torch.rand(()) * 0)),
)
