"""Scores by class for conditional generators: whether samples are of their label, and FID within each class."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Annotated

import torch
from annotated_types import Ge
from ganbench import Evidence, Metric, Offer, hookimpl
from torch import Tensor


def measure_accuracy(evidence: Evidence) -> Mapping[str, float]:
    """Return the share of samples that the extractor's largest logit puts into their label's class.

    NaN for a generator that takes no labels.
    """
    labels = evidence.labels
    if labels is None:
        return {"conditioning-accuracy": math.nan}
    return {"conditioning-accuracy": float((evidence.logits.argmax(1) == labels).double().mean())}


def frechet(fake: Tensor, real: Tensor) -> float:
    """Return the Frechet distance of Gaussians fitted to two sets of features [n, d] and [m, d].

    With X and Y the centred features, tr (S S_r)^(1/2) is the sum of the singular values of X Y' over the root of
    (n - 1) (m - 1).
    """
    x, y = fake.double(), real.double()
    means = (x.mean(0) - y.mean(0)).square().sum()
    x, y = x - x.mean(0), y - y.mean(0)
    n, m = len(x) - 1, len(y) - 1
    shared = torch.linalg.matrix_norm(x @ y.T, "nuc") / math.sqrt(n * m)
    return float(means + x.square().sum() / n + y.square().sum() / m - 2 * shared)


def measure_intra(evidence: Evidence, least: int) -> Mapping[str, float]:
    """Return the mean over the classes of the distance of samples with a label to real ones with the same label.

    NaN for a generator that takes no labels, for data that does not tell those of its reference, and if a class has
    fewer than `least` samples on either side.
    """
    labels, real_labels = evidence.labels, evidence.reference_labels
    if labels is None or real_labels is None:
        return {"intra-fid": math.nan}
    distances = []
    for label in range(evidence.source.classes):
        fake, real = evidence.features[labels == label], evidence.reference_features[real_labels == label]
        distances.append(frechet(fake, real) if min(len(fake), len(real)) >= least else math.nan)
    return {"intra-fid": math.fsum(distances) / len(distances) if distances else math.nan}


def build_accuracy() -> Metric:
    """Build the metric; a GAN-independent classifier, the dataset's extractor, judges the samples."""
    return Metric(measure=measure_accuracy, values={"conditioning-accuracy": "higher"}, needs="logits")


def build_intra(least: Annotated[int, Ge(2)] = 20) -> Metric:
    """Build the metric; each class needs `least` samples, and its distance depends on how many there are."""
    return Metric(measure=partial(measure_intra, least=least), values={"intra-fid": "lower"}, needs="features")


@hookimpl
def ganbench_metrics() -> Iterator[Offer]:
    yield Offer(
        "conditioning-accuracy",
        build_accuracy,
        "How many samples are of the class that they were generated for.",
        reference="Odena et al. 2017, arXiv:1610.09585, section 4.1, with the dataset's own classifier",
        formula="P(class(G(z, y)) = y)",
    )
    yield Offer(
        "intra-fid",
        build_intra,
        "The mean FID between generated and real samples of one class.",
        reference="Miyato, Koyama 2018, arXiv:1802.05637, section 4.1",
        formula="mean over y of |m_y - r_y|^2 + tr(S_y + R_y - 2 (S_y R_y)^(1/2))",
    )
