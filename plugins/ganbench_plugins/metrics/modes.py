"""Mode coverage on mixtures whose centres are known, by the one written rule."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import torch
from ganbench import Evidence, GanbenchError, Metric, Offer, hookimpl
from torch import Tensor


def coverage(samples: Tensor, centres: Tensor, radius: float) -> Mapping[str, float]:
    """Give the modes covered, the share of high quality, and the reverse KL, of samples [m, d] and centres [K, d].

    A sample belongs to the nearest centre and has high quality if it is nearer than `radius`, strictly. A mode is
    covered by one such sample. The reverse KL, in nats, is that of their histogram to the uniform law; without any it
    is undefined: NaN.
    """
    distance, nearest = torch.cdist(samples.double(), centres.double()).min(dim=1)
    good = distance < radius
    counts = torch.bincount(nearest[good], minlength=len(centres)).double()
    share = counts / counts.sum()
    reverse_kl = torch.special.xlogy(share, share).sum() + math.log(len(centres))
    return {
        "modes": float((counts > 0).sum()),
        "high-quality": float(good.double().mean()),
        "reverse-kl": float(reverse_kl),
    }


def modes(sigmas: float = 3.0) -> Metric:
    """Give the metric; high quality reaches to `sigmas` standard deviations of a mode.

    The papers judge 2,500 samples; more samples cover more modes, so every score carries its number.
    """

    def measure(evidence: Evidence) -> Mapping[str, float]:
        facts = evidence.source.facts
        if "centres" not in facts or "std" not in facts:
            raise GanbenchError(
                f"the dataset's facts are {sorted(facts)}, without 'centres' and 'std'. "
                "Use it on a mixture such as 'ring' or 'grid', or choose another metric."
            )
        return coverage(evidence.samples.flatten(1), facts["centres"], sigmas * facts["std"])

    return Metric(measure=measure, values={"modes": "higher", "high-quality": "higher", "reverse-kl": "lower"})


@hookimpl
def ganbench_metrics() -> Iterator[Offer]:
    """Yield mode coverage."""
    yield Offer(
        "modes",
        modes,
        "How many modes are covered, how many samples lie on one, and how evenly.",
        reference="Srivastava et al. 2017, VEEGAN, arXiv:1705.07761; Lin et al. 2018, PacGAN, arXiv:1712.04086",
        formula="high quality: |x - c_k| < 3 std; reverse KL: sum_k q_k log(K q_k)",
    )
