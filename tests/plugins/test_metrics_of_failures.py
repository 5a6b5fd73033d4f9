"""No metric raises when a generator diverges."""

from __future__ import annotations

import math

import pytest
import torch
from ganbench.api.trials import Part
from ganbench.evaluation.scoring import ModelEvidence, Reference, score_model

from ganbench_plugins.datasets import curves, digits, dirac, mixtures
from tests.support.metric_checks import METRICS

SOURCES = {
    "digits": digits.digits(),
    "ring": mixtures.ring(),
    "swiss-roll": curves.swiss_roll(),
    "dirac": dirac.dirac(),
}
APPLICABLE = [
    (data, name)
    for data, source in SOURCES.items()
    for name, metric in METRICS.items()
    if (metric.needs == "samples" or (metric.on_features and source.extractor)) and (name != "modes" or source.facts)
]


def score(data: str, name: str, fill: float, rows: int = 60) -> dict[str, float]:
    source = SOURCES[data]
    samples = torch.full((rows, *source.shape), fill)
    evidence = ModelEvidence(
        samples, Reference(source, 60), networks=None, generator_parameters={}, critic_parameters={}
    )  # type: ignore[arg-type]
    return {
        score.name: score.value for score in score_model([(Part(name), METRICS[name])], evidence, step=0, final=True)
    }


@pytest.mark.parametrize("fill", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(("data", "name"), APPLICABLE)
def test_samples_that_are_not_finite_make_every_value_undefined(data: str, name: str, fill: float) -> None:
    values = score(data, name, fill)
    assert values.keys() == METRICS[name].values.keys()
    assert all(math.isnan(value) for value in values.values())


@pytest.mark.parametrize(("data", "name"), APPLICABLE)
def test_a_constant_generator_gets_a_value(data: str, name: str) -> None:
    """Finite, except the reverse KL without samples of high quality."""
    values = score(data, name, 0.0)
    undefined = {value for value in values if math.isnan(values[value])}
    assert undefined == ({"reverse-kl"} if name == "modes" else set())
    assert not any(math.isinf(value) for value in values.values())


@pytest.mark.parametrize("fill", [1e4, -1e30, 3e38])
@pytest.mark.parametrize(("data", "name"), APPLICABLE)
def test_a_diverged_generator_makes_no_metric_crash(data: str, name: str, fill: float) -> None:
    assert score(data, name, fill).keys() == METRICS[name].values.keys()


@pytest.mark.parametrize(("data", "name"), APPLICABLE)
def test_the_fewest_samples_make_no_metric_crash(data: str, name: str) -> None:
    """One sample, except for precision and recall: they need a neighbour's neighbour."""
    assert METRICS[name].least_samples == (4 if name == "precision-recall" else 1)
    assert score(data, name, 0.0, rows=METRICS[name].least_samples).keys() == METRICS[name].values.keys()


def test_a_constant_generator_has_the_fid_of_a_point() -> None:
    """|mu - mu_r|^2 + tr Sigma_r."""
    source = SOURCES["digits"]
    reference = Reference(source, 596)
    assert source.extractor is not None
    point = source.extractor.extract(torch.zeros(1, 1, 8, 8))["features"].double()
    real = reference.features.double()
    expected = (point - real.mean(dim=0)).square().sum() + real.var(dim=0).sum()
    evidence = ModelEvidence(
        torch.zeros(60, 1, 8, 8), reference, networks=None, generator_parameters={}, critic_parameters={}
    )  # type: ignore[arg-type]
    evidence.focus(METRICS["fid"])
    assert METRICS["fid"].measure(evidence)["fid"] == pytest.approx(expected.item(), rel=1e-5)


def test_a_constant_at_zero_is_as_far_as_the_ring_is_wide() -> None:
    assert score("ring", "w1", 0.0)["w1"] == pytest.approx(2 / 1.414, rel=0.02)
