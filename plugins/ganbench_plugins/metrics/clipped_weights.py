"""Where the critic's weights lie: a histogram, and the share of them at the bounds of clipping.

Gulrajani et al. 2017, "Improved Training of Wasserstein GANs", arXiv:1704.00028, figure 1b: clipping pushes the weights
to the two ends of the allowed range.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt
from ganbench import Evidence, GanbenchError, Metric, Offer, Profile, hookimpl

AT = 0.99
"""A weight is at a bound if its absolute value is at least this share of it."""


def measure(evidence: Evidence, bound: float, bins: int) -> Mapping[str, Any]:
    """Return the share of weights at the bound, and the share of each bin; weights of layers, without biases."""
    weights = [tensor.flatten().double() for tensor in evidence.critic_parameters.values() if tensor.ndim > 1]
    if not weights:
        raise GanbenchError("the critic has no layer with weights. Leave the metric out.")
    all_weights = torch.cat(weights)
    ends = max(bound, float(all_weights.abs().max()))
    counts, edges = torch.histogram(all_weights, bins, range=(-ends, ends))
    centres = (edges[1:] + edges[:-1]) / 2
    return {
        "weights-at-bound": float((all_weights.abs() >= AT * bound).double().mean()),
        "weight-histogram": Profile((counts / counts.sum()).tolist(), x=centres.tolist()),
    }


def build(bound: Annotated[float, Gt(0)] = 0.01, bins: Annotated[int, Ge(2)] = 41) -> Metric:
    """Build the share of the critic's weights whose absolute value is 0.99 of `bound` or more, and their histogram.

    Biases and gains are left out: they are vectors. Without clipping, weights beyond the bound count, too. The
    histogram has `bins` bins from the largest absolute value below 0 to that above; its values are shares of all
    weights.
    """
    return Metric(
        measure=partial(measure, bound=bound, bins=bins),
        values={"weights-at-bound": "neutral"},
        profiles={"weight-histogram": "weight"},
        needs="networks",
    )


@hookimpl
def ganbench_metrics() -> Iterator[Offer]:
    yield Offer(
        "clipped-weights",
        build,
        "The share of the critic's weights at the bounds of clipping, and their histogram.",
        reference="Gulrajani et al. 2017, arXiv:1704.00028, section 3, figure 1b",
        formula="share of |w| >= 0.99 c",
    )
