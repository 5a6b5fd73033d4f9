"""Exact divergences between the law of the data and that of the generator, where both are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Annotated

from annotated_types import Ge, Le
from ganbench import Evidence, GanbenchError, Metric, Offer, hookimpl

from ganbench_plugins.law_divergences import js, kl, tv, w1, w2
from ganbench_plugins.laws import Law, add_noise, read_law

NAMES = ("w1", "w2", "js", "kl", "reverse-kl", "tv")


@lru_cache(maxsize=1024)
def compute(p: Law, q: Law) -> tuple[float, ...]:
    """Return W1, W2, JS, KL(p || q), KL(q || p) and TV. A generator that stays where it is has one of each."""
    return w1(p, q), w2(p, q), js(p, q), kl(p, q), kl(q, p), tv(p, q)


def find_data_law(evidence: Evidence) -> Law:
    """Return the law of the data. Raise GanbenchError if the dataset does not say it."""
    facts = evidence.source.facts
    if "law" not in facts:
        raise GanbenchError(
            f"the law of the data is not known: the dataset's facts are {sorted(facts)}, without 'law'. Use the "
            "dataset 'parallel-lines', 'circles' or 'tabular', or choose another metric."
        )
    return read_law(facts["law"])


def find_generator_law(evidence: Evidence) -> Law:
    """Return the law of the generator at its parameters. Raise GanbenchError if it is not known."""
    find = getattr(evidence.networks.generator, "law", None)
    law = find(evidence.generator_parameters) if callable(find) else None
    if law is None:
        raise GanbenchError(
            "the law of the generator is not known at its parameters. Use the architecture 'known-generator' with the "
            "law of the data, or choose another metric, such as 'w1', which compares samples."
        )
    return read_law(law)


def divergences(noise: Annotated[float, Ge(0), Le(1e6)] = 0.0) -> Metric:
    """Build the metric; `noise` is the standard deviation of the instance noise that is added to both laws.

    A divergence is inf where it is infinite, as KL is between disjoint supports, and NaN where no exact value is known,
    as for JS of two noisy circles about two centres. Raises GanbenchError for laws that are not known, or of two kinds.

    The data's law is the dataset's fact `law`, the generator's is what its module's `law(parameters)` returns: a
    dictionary such as {"kind": "normal", "mean": 0.0, "std": 1.0}. The other kinds are "line" (theta, low, high,
    noise), "circle" (radius, centre, noise) and "discrete" (probabilities, positions).
    """

    def measure(evidence: Evidence) -> Mapping[str, float]:
        laws = (find_data_law(evidence), find_generator_law(evidence))
        return dict(zip(NAMES, compute(*(add_noise(law, noise) for law in laws)), strict=True))

    return Metric(measure=measure, values=dict.fromkeys(NAMES, "lower"), needs="networks")


@hookimpl
def ganbench_metrics() -> Iterator[Offer]:
    yield Offer(
        "divergences",
        divergences,
        "The exact W1, W2, JS, KL and TV between the laws of data and generator, with or without instance noise.",
        reference="Arjovsky, Chintala, Bottou 2017, Wasserstein GAN, arXiv:1701.07875, section 2 and example 1",
        formula="JS = KL(p || m) / 2 + KL(q || m) / 2, m = (p + q) / 2; TV = int |p - q| / 2",
    )
