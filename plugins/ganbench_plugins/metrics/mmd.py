"""The maximum mean discrepancy with a Gaussian kernel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt
from ganbench import Evidence, Metric, Offer, hookimpl
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


def mmd(
    bandwidth: Annotated[float, Gt(0)] | Literal["median"] = "median", limit: Annotated[int, Ge(2)] = 1000
) -> Metric:
    """Build the metric on at most `limit` samples of each set; undefined (NaN) for fewer than two.

    The bandwidth "median" is the median distance between two reference samples, or 1 if that is 0; it does not depend
    on the generator.
    """

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
