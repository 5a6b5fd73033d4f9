"""Modes counted by a classifier: the classes of generated samples, as in Stacked MNIST."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import lru_cache

import torch
from ganbench import Evidence, Metric, Offer, hookimpl
from torch import Tensor


def measure_kl(counts: Tensor) -> float:
    """Return KL(counts / n || uniform), in nats, of the counts [K] of K classes."""
    share = counts.double() / counts.sum()
    return float(torch.special.xlogy(share, share).sum()) + math.log(len(counts))


@lru_cache(maxsize=64)
def compute_floor(classes: int, n: int) -> float:
    """Return the mean of that KL for n samples of the uniform law itself: K E[(c / n) log(K c / n)], c ~ Bin(n, 1 / K).

    It is about (K - 1) / (2 n) for n far above K.
    """
    from scipy.stats import binom

    counts = torch.arange(n + 1, dtype=torch.double)
    share = counts / n
    weights = torch.from_numpy(binom.pmf(counts.numpy(), n, 1 / classes))
    return classes * float((weights * torch.special.xlogy(share, classes * share)).sum())


def measure(evidence: Evidence) -> Mapping[str, float]:
    """Return how many classes have a sample, the KL of the samples' classes to the uniform law, and the KL's floor.

    A sample's class is its largest logit.
    """
    logits = evidence.logits
    counts = torch.bincount(logits.argmax(dim=1), minlength=logits.shape[1])
    return {
        "classes": float((counts > 0).sum()),
        "classes-kl": measure_kl(counts),
        "classes-kl-floor": compute_floor(logits.shape[1], len(logits)),
    }


def classified_modes() -> Metric:
    """Build the metric; its values depend on the number of samples, which is stored with every score."""
    return Metric(
        measure=measure,
        values={"classes": "higher", "classes-kl": "lower", "classes-kl-floor": "neutral"},
        needs="logits",
    )


@hookimpl
def ganbench_metrics() -> Iterator[Offer]:
    yield Offer(
        "classified-modes",
        classified_modes,
        "How many classes are generated, and how evenly: on 'stacked-digits' the modes of 1,000.",
        reference="Metz et al. 2017, Unrolled GANs, arXiv:1611.02163; Srivastava et al. 2017, VEEGAN, "
        "arXiv:1705.07761; floor: the mean over perfect samplers",
        formula="sum_k q_k log(K q_k), q the shares of the largest logits; floor about (K - 1) / (2 n)",
    )
