"""Every metric that is due returns scores, and a model that failed scores NaN and raises no exception."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from ganbench import Evidence, Extractor, GanbenchError, Metric, Networks, Source
from ganbench.api.trials import Part, digest
from ganbench.evaluation.outcomes import spread_measurement
from ganbench.evaluation.scoring import ModelEvidence, Reference, score_model, score_spread
from torch import Tensor, nn

NETWORKS = Networks(generator=nn.Identity(), critic=None, latent=2)


class Lens:
    """An extractor that counts the samples that it was called with."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, x: Tensor) -> Mapping[str, Tensor]:
        self.count += len(x)
        return {"features": x * x, "logits": -x}


def plane(lens: Callable[[Tensor], Mapping[str, Tensor]] | None = None, name: str = "abc") -> Source:
    extractor = None if lens is None else Extractor(name="lens", digest=name, extract=lens)
    return Source(shape=(2,), reference=lambda n: torch.ones(n, 2, dtype=torch.double), extractor=extractor)


def evidence_of(samples: Tensor, source: Source | None = None, reference: Reference | None = None) -> ModelEvidence:
    reference = reference or Reference(source or plane(), 5)
    return ModelEvidence(
        samples, reference, networks=NETWORKS, generator_parameters={"w": samples}, critic_parameters={}
    )


def mean(evidence: Evidence) -> dict[str, float]:
    return {"mean": float(evidence.samples.mean())}


MEAN = Metric(measure=mean, values={"mean": "neutral"})


def score_by(metric: Metric, evidence: ModelEvidence, part: Part = Part("mean"), **when: Any) -> tuple[Any, ...]:  # noqa: B008
    return score_model([(part, metric)], evidence, **{"step": 0, "final": True, **when})


def test_a_score_has_the_step_the_value_the_direction_and_the_number_of_samples() -> None:
    (score,) = score_by(MEAN, evidence_of(torch.full((3, 2), 2.0)), step=40)
    assert (score.step, score.name, score.value, score.direction, score.samples) == (40, "mean", 2.0, "neutral", 3)


def test_scores_come_in_the_order_of_the_metrics_and_of_their_values() -> None:
    pair = Metric(measure=lambda _: {"b": 1, "a": 2}, values={"a": "higher", "b": "lower"})
    scores = score_model(
        [(Part("pair"), pair), (Part("mean"), MEAN)], evidence_of(torch.zeros(1, 2)), step=0, final=False
    )
    assert [(score.name, score.value, score.direction) for score in scores] == [
        ("a", 2.0, "higher"),
        ("b", 1.0, "lower"),
        ("mean", 0.0, "neutral"),
    ]


@pytest.mark.parametrize("value", [1, np.float32(1), torch.tensor(1.0), True])
def test_a_number_of_any_type_is_stored_as_a_float(value: Any) -> None:
    metric = Metric(measure=lambda _: {"mean": value}, values={"mean": "neutral"})
    (score,) = score_by(metric, evidence_of(torch.zeros(1, 2)))
    assert type(score.value) is float
    assert score.value == 1.0


def test_final_metrics_are_measured_at_the_end_only() -> None:
    final, evidence = replace(MEAN, final=True), evidence_of(torch.zeros(1, 2))
    assert score_by(final, evidence, final=False) == ()
    assert len(score_by(final, evidence, final=True)) == 1
    assert len(score_by(MEAN, evidence, final=False)) == 1


def test_the_measurement_is_the_hash_of_how_it_was_measured() -> None:
    samples = torch.zeros(3, 2)
    part = Part("mean", version=2, options={"k": 1})
    (score,) = score_by(MEAN, evidence_of(samples), part)
    assert score.measurement == digest(["mean", 2, {"k": 1}, 3, "", 5, "", ""])


def finite_set(value: float) -> Source:
    points = torch.full((5, 2), value)
    return Source(shape=(2,), size=5, take=lambda indices: points[indices], reference=lambda n: points[:n])


def test_a_distribution_drawn_on_another_machine_is_the_same_measurement() -> None:
    """The last bit of its draws may differ; equal content of a finite set is equal, too."""
    few = torch.zeros(3, 2)
    shifted = replace(plane(), reference=lambda n: torch.ones(n, 2) + 1e-7)
    assert score_by(MEAN, evidence_of(few))[0].measurement == score_by(MEAN, evidence_of(few, shifted))[0].measurement
    first, second = (score_by(MEAN, evidence_of(few, finite_set(1.0)))[0] for _ in range(2))
    assert first.measurement == second.measurement


def test_every_other_way_of_measuring_has_another_hash() -> None:
    """A change of name, version, options, software, number of samples, reference samples, or of the extractor."""
    few, many = torch.zeros(3, 2), torch.zeros(4, 2)
    on_features = replace(MEAN, needs="features")
    ways = [
        score_by(MEAN, evidence_of(few)),
        score_by(MEAN, evidence_of(few), Part("other")),
        score_by(MEAN, evidence_of(few), Part("mean", version=2)),
        score_by(MEAN, evidence_of(few), Part("mean", options={"k": 1})),
        score_by(MEAN, evidence_of(many)),
        score_by(replace(MEAN, software="library 2"), evidence_of(few)),
        score_by(MEAN, evidence_of(few, reference=Reference(plane(), 6))),
        score_by(MEAN, evidence_of(few, finite_set(1.0))),
        score_by(MEAN, evidence_of(few, finite_set(1.5))),
        score_by(on_features, evidence_of(few, plane(Lens(), "abc"))),
        score_by(on_features, evidence_of(few, plane(Lens(), "xyz"))),
    ]
    assert len({score.measurement for (score,) in ways}) == len(ways)


def test_another_extractor_does_not_change_measurements_on_samples() -> None:
    (before,) = score_by(MEAN, evidence_of(torch.zeros(3, 2), plane(Lens(), "abc")))
    (after,) = score_by(MEAN, evidence_of(torch.zeros(3, 2), plane(Lens(), "xyz")))
    assert before == after


def refuse(evidence: Evidence) -> dict[str, float]:
    raise AssertionError("a failed model was measured")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("needs", ["samples", "features", "networks"])
def test_a_model_whose_samples_are_not_finite_scores_nan_without_being_measured(bad: float, needs: Any) -> None:
    metric = Metric(measure=refuse, values={"a": "higher", "b": "lower"}, needs=needs)
    samples = torch.zeros(3, 2)
    samples[1, 0] = bad
    scores = score_by(metric, evidence_of(samples, plane(Lens())))
    assert [score.name for score in scores] == ["a", "b"]
    assert all(math.isnan(score.value) for score in scores)


def test_a_metric_on_features_that_overflow_is_nan_and_one_on_samples_is_still_measured() -> None:
    """Samples of 1e30 are finite in float32, their squares are not."""
    evidence = evidence_of(torch.full((3, 2), 1e30), plane(Lens()))
    (on_features,) = score_by(Metric(measure=refuse, values={"a": "lower"}, needs="features"), evidence)
    (on_samples,) = score_by(MEAN, evidence)
    assert math.isnan(on_features.value)
    assert on_samples.value == pytest.approx(1e30, rel=1e-6)


@pytest.mark.parametrize("values", [{}, {"mean": 0.0, "more": 0.0}, {"more": 0.0}])
def test_a_metric_that_returns_other_values_than_it_declares_is_named(values: dict[str, float]) -> None:
    metric = Metric(measure=lambda _: values, values={"mean": "neutral"})
    with pytest.raises(GanbenchError, match=r"metric 'mean' measured .*declares \['mean'\].*each of `values`"):
        score_by(metric, evidence_of(torch.zeros(1, 2)))


def test_a_metric_on_features_without_an_extractor_is_an_error_with_a_way_out() -> None:
    with pytest.raises(GanbenchError, match=r"metric 'fid': .*no feature extractor.*samples only"):
        score_by(replace(MEAN, needs="features"), evidence_of(torch.zeros(1, 2)), Part("fid"))


def test_features_are_extracted_once_for_all_metrics_and_those_of_the_reference_once_for_all_models() -> None:
    lens = Lens()
    reference = Reference(plane(lens), 5)

    def measure_features(evidence: Evidence) -> dict[str, float]:
        return {"mean": float(evidence.features.sum() + evidence.reference_features.sum() + evidence.logits.sum())}

    metrics = [(Part(name), replace(MEAN, measure=measure_features, needs="features")) for name in ("one", "two")]
    for model in range(3):
        scores = score_model(
            metrics, evidence_of(torch.full((7, 2), float(model)), reference=reference), step=0, final=True
        )
        assert [score.value for score in scores] == [14 * model**2 + 10 - 14 * model] * 2
    assert lens.count == 5 + 3 * 7


def test_a_metric_on_samples_extracts_no_features() -> None:
    lens = Lens()
    score_by(MEAN, evidence_of(torch.zeros(3, 2), plane(lens)))
    assert lens.count == 0


def test_the_evidence_has_the_samples_detached_in_float32_and_the_networks() -> None:
    samples = torch.ones(3, 2, dtype=torch.double, requires_grad=True)
    evidence = evidence_of(samples)
    assert (evidence.samples.dtype, evidence.samples.requires_grad) == (torch.float32, False)
    assert (evidence.reference.dtype, evidence.reference.shape) == (torch.float32, (5, 2))
    assert evidence.networks is NETWORKS
    assert torch.equal(evidence.generator_parameters["w"], samples)


def evidence_against(samples: Tensor, real: Tensor) -> ModelEvidence:
    source = Source(shape=tuple(real.shape[1:]), reference=lambda n: real[:n])
    networks = Networks(generator=nn.Identity(), critic=None, latent=2)
    return ModelEvidence(
        samples, Reference(source, len(real)), networks=networks, generator_parameters={}, critic_parameters={}
    )


def test_the_spread_is_the_ratio_of_the_mean_distances_of_pairs() -> None:
    """The mean distance is 6 for the points 0, 3 and 9, and 4 for the corners of a 3-4-5 triangle."""
    line = torch.tensor([[0.0, 0.0], [3.0, 0.0], [9.0, 0.0]])
    triangle = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    spread = score_spread(evidence_against(line, triangle), step=40)
    assert spread.value == pytest.approx(6 / 4, rel=1e-12)
    assert (spread.step, spread.name, spread.direction, spread.samples) == (40, "spread", "neutral", 3)


def test_the_spread_is_one_for_the_right_distribution_its_scale_for_a_narrower_one_and_zero_for_a_point() -> None:
    generator = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(2000, 3, 4, generator=generator) for _ in range(2))
    assert score_spread(evidence_against(fake, real), step=1).value == pytest.approx(1, abs=0.05)
    assert score_spread(evidence_against(0.04 * fake, real), step=1).value == pytest.approx(0.04, rel=0.05)
    assert score_spread(evidence_against(fake[:1].expand(2000, 3, 4), real), step=1).value == 0
    for undefined in (
        evidence_against(fake * math.nan, real),
        evidence_against(fake, 0 * real),
        evidence_against(fake[:1], real),
    ):
        assert math.isnan(score_spread(undefined, step=1).value)


def test_the_spread_has_its_own_measurement_and_is_not_a_metric() -> None:
    evidence = evidence_against(torch.randn(300, 2), torch.randn(300, 2))
    assert score_model([], evidence, step=1, final=True) == ()
    assert score_spread(evidence, step=1).measurement == spread_measurement(256) != spread_measurement(255)
