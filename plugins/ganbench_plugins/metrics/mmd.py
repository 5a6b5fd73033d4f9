"""The maximum mean discrepancy with a Gaussian kernel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import torch
from ganbench import Evidence, GanbenchError, Metric, Offer, hookimpl
from torch import Tensor


def unbiased(x: Tensor, y: Tensor, bandwidth: float) -> float:
    """Give the unbiased estimate of MMD^2 between rows [n, d] and [m, d], k = exp(-|x - y|^2 / (2 bandwidth^2))."""

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (torch.cdist(a, b) / bandwidth).square().div(-2).exp()

    def within(a: Tensor) -> Tensor:
        return (kernel(a, a).sum() - len(a)) / (len(a) * (len(a) - 1))  # the diagonal is 1, row by row

    return float(within(x) + within(y) - 2 * kernel(x, y).mean())


def mmd(bandwidth: float | Literal["median"] = "median", limit: int = 1000) -> Metric:
    """Give the metric on at most `limit` rows of each set; NaN for fewer than two.

    "median": the median distance between two reference rows, which no generator can move; 1 where that is 0.
    """
    if bandwidth != "median" and bandwidth <= 0:
        raise GanbenchError(f"metric 'mmd': bandwidth = {bandwidth}: give a number above 0, or 'median'.")

    def measure(evidence: Evidence) -> Mapping[str, float]:
        x, y = (rows[:limit].flatten(1).double() for rows in (evidence.samples, evidence.reference))
        if min(len(x), len(y)) < 2:
            return {"mmd2": float("nan")}
        width = float(torch.pdist(y).median()) or 1.0 if bandwidth == "median" else bandwidth
        return {"mmd2": unbiased(x, y, width)}

    return Metric(measure=measure, values={"mmd2": "lower"})


@hookimpl
def ganbench_metrics() -> Iterator[Offer]:
    """Yield MMD."""
    yield Offer(
        "mmd",
        mmd,
        "The unbiased squared maximum mean discrepancy with a Gaussian kernel.",
        reference="Gretton et al. 2012, A Kernel Two-Sample Test, JMLR 13, equation 3",
        formula="E k(x, x') + E k(y, y') - 2 E k(x, y), over distinct pairs",
    )
