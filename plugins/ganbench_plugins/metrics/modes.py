"""Mode coverage on mixtures whose centres are known."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated

import torch
from annotated_types import Gt
from ganbench import Evidence, GanbenchError, Metric, Offer, hookimpl
from torch import Tensor


def coverage(samples: Tensor, centres: Tensor, radius: float) -> Mapping[str, float]:
    """Return the modes covered, the share of high quality and the reverse KL of samples [m, d] for centres [K, d].

    A sample belongs to the nearest centre. It has high quality if its distance is below `radius`, strictly. One sample
    of high quality covers its mode. The reverse KL, in nats, is that of their histogram to the uniform distribution; it
    is undefined (NaN) without samples of high quality.
    """
    distance, nearest = torch.cdist(samples.double(), centres.double()).min(dim=1)
    high_quality = distance < radius
    counts = torch.bincount(nearest[high_quality], minlength=len(centres)).double()
    share = counts / counts.sum()
    reverse_kl = torch.special.xlogy(share, share).sum() + math.log(len(centres))
    return {
        "modes": float((counts > 0).sum()),
        "high-quality": float(high_quality.double().mean()),
        "reverse-kl": float(reverse_kl),
    }


def modes(sigmas: Annotated[float, Gt(0)] = 3.0) -> Metric:
    """Build the metric; a sample has high quality within `sigmas` standard deviations of its mode.

    More samples cover more modes, so the number of samples is stored with every score; the papers use 2,500. Raises
    GanbenchError for a dataset without `centres` and `std`, or with a `std` of 0 or less.
    """

    def measure(evidence: Evidence) -> Mapping[str, float]:
        facts = evidence.source.facts
        if "centres" not in facts or "std" not in facts:
            raise GanbenchError(
                f"the dataset's facts are {sorted(facts)}, without 'centres' and 'std'. "
                "Use it on a mixture such as 'ring' or 'grid', or choose another metric."
            )
        if not facts["std"] > 0:
            raise GanbenchError(f"the dataset's modes have std = {facts['std']:g}. Give them a std above 0.")
        return coverage(evidence.samples.flatten(1), facts["centres"], sigmas * facts["std"])

    return Metric(measure=measure, values={"modes": "higher", "high-quality": "higher", "reverse-kl": "lower"})


@hookimpl
def ganbench_metrics() -> Iterator[Offer]:
    yield Offer(
        "modes",
        modes,
        "How many modes are covered, how many samples lie near a mode, and how evenly over the modes.",
        reference="Srivastava et al. 2017, VEEGAN, arXiv:1705.07761; Lin et al. 2018, PacGAN, arXiv:1712.04086",
        formula="high quality: |x - c_k| < 3 std; reverse KL: sum_k q_k log(K q_k)",
    )
