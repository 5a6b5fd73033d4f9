"""The maximum mean discrepancy with a Gaussian kernel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import torch
from ganbench import Evidence, GanbenchError, Metric, Offer, hookimpl
from torch import Tensor


def estimate_mmd2(x: Tensor, y: Tensor, bandwidth: float) -> float:
    """Return the unbiased estimate of MMD^2 between samples [n, d] and [m, d].

    The kernel is k(x, y) = exp(-|x - y|^2 / (2 bandwidth^2)).
    """

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (torch.cdist(a, b) / bandwidth).square().div(-2).exp()

    def within(a: Tensor) -> Tensor:
        return (kernel(a, a).sum() - len(a)) / (len(a) * (len(a) - 1))  # without the diagonal, whose entries are 1

    return float(within(x) + within(y) - 2 * kernel(x, y).mean())


def mmd(bandwidth: float | Literal["median"] = "median", limit: int = 1000) -> Metric:
    """Build the metric on at most `limit` samples of each set; undefined (NaN) for fewer than two.

    The bandwidth "median" is the median distance between two reference samples, or 1 if that is 0; it does not depend
    on the generator. Raises GanbenchError for a bandwidth that is not above 0.
    """
    if bandwidth != "median" and bandwidth <= 0:
        raise GanbenchError(f"metric 'mmd': bandwidth = {bandwidth}: give a number above 0, or 'median'.")

    def measure(evidence: Evidence) -> Mapping[str, float]:
        x, y = (points[:limit].flatten(1).double() for points in (evidence.samples, evidence.reference))
        if min(len(x), len(y)) < 2:
            return {"mmd2": float("nan")}
        width = float(torch.pdist(y).median()) or 1.0 if bandwidth == "median" else bandwidth
        return {"mmd2": estimate_mmd2(x, y, width)}

    return Metric(measure=measure, values={"mmd2": "lower"})


@hookimpl
def ganbench_metrics() -> Iterator[Offer]:
    yield Offer(
        "mmd",
        mmd,
        "The unbiased squared maximum mean discrepancy with a Gaussian kernel.",
        reference="Gretton et al. 2012, A Kernel Two-Sample Test, JMLR 13, equation 3",
        formula="E k(x, x') + E k(y, y') - 2 E k(x, y), over distinct pairs",
    )
