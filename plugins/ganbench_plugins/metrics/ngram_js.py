"""How near the frequencies of short runs of characters are to those of held-out text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import torch
from ganbench import Evidence, GanbenchError, Metric, Offer, hookimpl
from torch import Tensor

ORDERS = (1, 2, 3, 4)
"""The lengths n of the runs."""


def count_ngrams(samples: Tensor, order: int) -> tuple[Tensor, Tensor]:
    """Return the different n-grams in sequences [n, V, length], each as one whole number, and how often each occurs.

    A position has the character with the largest number. An n-gram is a number of `order` digits in base V.
    """
    characters = samples.argmax(1)
    runs = characters.unfold(1, order, 1)
    digits = samples.shape[1] ** torch.arange(order, device=samples.device)
    return torch.unique((runs * digits).sum(2), return_counts=True)


def measure_js(codes: Tensor, counts: Tensor, other_codes: Tensor, other_counts: Tensor) -> float:
    """Return the Jensen-Shannon divergence in bits of two laws, which are given by counts of codes."""
    union, places = torch.unique(torch.cat([codes, other_codes]), return_inverse=True)
    p, q = torch.zeros(2, len(union), dtype=torch.double)
    p[places[: len(codes)]] = counts / counts.sum(dtype=torch.double)
    q[places[len(codes) :]] = other_counts / other_counts.sum(dtype=torch.double)
    middle = (p + q) / 2
    return float((torch.special.xlogy(p, p / middle) + torch.special.xlogy(q, q / middle)).sum() / 2) / math.log(2)


def require_sequences(samples: Tensor) -> None:
    """Raise GanbenchError unless these are sequences [n, V, length] that are long enough, of few enough characters."""
    if samples.ndim != 3 or samples.shape[2] < ORDERS[-1] or samples.shape[1] > 2**15:
        raise GanbenchError(
            f"ngram-js reads sequences of {ORDERS[-1]} or more one-hot characters, [V, length], and the samples have "
            f"the shape {list(samples.shape[1:])}: use it on 'char-lines', or name another metric."
        )


def prepare(evidence: Evidence) -> Mapping[str, Tensor]:
    """Return the n-grams of the held-out lines and their counts."""
    require_sequences(evidence.reference)
    prepared = {}
    for order in ORDERS:
        prepared[f"codes{order}"], prepared[f"counts{order}"] = count_ngrams(evidence.reference, order)
    return prepared


def measure(evidence: Evidence) -> Mapping[str, float]:
    """Return the divergence for each n: 0 for equal frequencies, 1 where no n-gram is common to both."""
    require_sequences(evidence.samples)
    known = evidence.prepared
    return {
        f"js-{n}": measure_js(*count_ngrams(evidence.samples, n), known[f"codes{n}"], known[f"counts{n}"])
        for n in ORDERS
    }


def ngram_js() -> Metric:
    """Build the metric; its values depend on the number of samples and of held-out lines.

    Two halves of one text do not have divergence 0, and less so for a larger n. This floor is the score of the baseline
    "real data", which `ganbench run` prints beside the scores of the methods.
    """
    return Metric(measure=measure, prepare=prepare, values={f"js-{n}": "lower" for n in ORDERS})


@hookimpl
def ganbench_metrics() -> Iterator[Offer]:
    yield Offer(
        "ngram-js",
        ngram_js,
        "The Jensen-Shannon divergence, in bits, of character n-grams from held-out text.",
        reference="Gulrajani et al. 2017, arXiv:1704.00028, section 5.4",
        formula="KL(p || m) / 2 + KL(q || m) / 2 with m = (p + q) / 2, in bits; n = 1, 2, 3, 4",
    )
