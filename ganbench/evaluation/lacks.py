"""What a metric needs of a dataset, and what the dataset does not have: an extractor, or facts about the data."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import torch

from ganbench.api.data import Source
from ganbench.api.metrics import Metric
from ganbench.evaluation.baselines import NO_NETWORKS
from ganbench.evaluation.evidence import ModelEvidence
from ganbench.evaluation.reference import Reference

SAMPLES = 16
"""Samples that a metric is tried on; it may declare that it needs more."""


class AskedFacts(dict[str, Any]):
    """The facts of a dataset; `missing` are the names that were asked for and are not there."""

    def __init__(self, facts: Any) -> None:
        super().__init__(facts)
        self.missing: list[str] = []

    def __missing__(self, name: str) -> Any:
        self.missing.append(name)
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        if not (found := super().__contains__(name)):
            self.missing.append(str(name))
        return found

    def get(self, name: str, default: Any = None) -> Any:
        """Return a fact, or the default."""
        if name not in self:
            return default
        return self[name]


class TriedEvidence(ModelEvidence):
    """Some real samples as evidence, whose facts notice what is asked of them."""

    def __init__(self, source: Source, samples: int) -> None:
        reference = Reference(source, samples)
        super().__init__(
            reference.samples, reference, networks=NO_NETWORKS, generator_parameters={}, critic_parameters={}
        )
        self.facts = AskedFacts(super().source.facts)

    @property
    def source(self) -> Source:
        """The dataset, with facts that notice what is asked of them."""
        return replace(self._reference.source, facts=self.facts)


def find_lack(metric: Metric, source: Source, samples: int) -> str:
    """Return what a metric on samples or features needs and a dataset does not have, as a sentence; "" if nothing.

    A metric on samples is tried on a few of the reference samples, at most `samples`: it lacks a fact that it asks for
    and fails without.
    """
    if metric.on_features:
        return "" if source.extractor is not None else "it compares features, and the dataset has no feature extractor"
    if metric.needs == "networks":
        return ""
    try:
        evidence = TriedEvidence(source, min(samples, max(SAMPLES, metric.least_samples)))
    except Exception:  # the checks before training say what is wrong with the data
        return ""
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            evidence.focus(metric)
            metric.measure(evidence)
    except Exception:
        if evidence.facts.missing:
            known = ", ".join(map(repr, evidence.facts)) or "none"
            return f"it needs the fact {evidence.facts.missing[0]!r} of the data, and the dataset's facts are {known}"
    return ""
