"""Every due metric becomes scores, and a model that failed becomes NaN, never an exception."""

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
    """An extractor that counts how many samples it has looked at."""

    def __init__(self) -> None:
        self.looked = 0

    def __call__(self, x: Tensor) -> Mapping[str, Tensor]:
        self.looked += len(x)
        return {"features": x * x, "logits": -x}


def plane(lens: Callable[[Tensor], Mapping[str, Tensor]] | None = None, name: str = "abc") -> Source:
    extractor = None if lens is None else Extractor(name="lens", digest=name, extract=lens)
    return Source(shape=(2,), reference=lambda n: torch.ones(n, 2, dtype=torch.double), extractor=extractor)


def sight_of(samples: Tensor, source: Source | None = None, reference: Reference | None = None) -> ModelEvidence:
    reference = reference or Reference(source or plane(), 5)
    return ModelEvidence(
        samples, reference, networks=NETWORKS, generator_parameters={"w": samples}, critic_parameters={}
    )


def mean(evidence: Evidence) -> dict[str, float]:
    return {"mean": float(evidence.samples.mean())}


MEAN = Metric(measure=mean, values={"mean": "neutral"})


def measured(metric: Metric, sight: ModelEvidence, part: Part = Part("mean"), **when: Any) -> tuple[Any, ...]:  # noqa: B008
    return score_model([(part, metric)], sight, **{"step": 0, "final": True, **when})


def test_a_score_says_what_was_measured_when_and_on_how_many_samples() -> None:
    (score,) = measured(MEAN, sight_of(torch.full((3, 2), 2.0)), step=40)
    assert (score.step, score.name, score.value, score.direction, score.samples) == (40, "mean", 2.0, "neutral", 3)


def test_scores_come_in_the_order_of_the_metrics_and_of_their_values() -> None:
    pair = Metric(measure=lambda _: {"b": 1, "a": 2}, values={"a": "higher", "b": "lower"})
    scores = score_model([(Part("pair"), pair), (Part("mean"), MEAN)], sight_of(torch.zeros(1, 2)), step=0, final=False)
    assert [(score.name, score.value, score.direction) for score in scores] == [
        ("a", 2.0, "higher"),
        ("b", 1.0, "lower"),
        ("mean", 0.0, "neutral"),
    ]


@pytest.mark.parametrize("value", [1, np.float32(1), torch.tensor(1.0), True])
def test_whatever_counts_as_a_number_is_kept_as_a_float(value: Any) -> None:
    metric = Metric(measure=lambda _: {"mean": value}, values={"mean": "neutral"})
    (score,) = measured(metric, sight_of(torch.zeros(1, 2)))
    assert type(score.value) is float
    assert score.value == 1.0


def test_final_metrics_are_measured_at_the_end_only() -> None:
    at_the_end, sight = replace(MEAN, final=True), sight_of(torch.zeros(1, 2))
    assert measured(at_the_end, sight, final=False) == ()
    assert len(measured(at_the_end, sight, final=True)) == 1
    assert len(measured(MEAN, sight, final=False)) == 1


def test_the_measurement_is_the_hash_of_how_it_was_measured() -> None:
    samples = torch.zeros(3, 2)
    part = Part("mean", version=2, options={"k": 1})
    (score,) = measured(MEAN, sight_of(samples), part)
    assert score.measurement == digest(["mean", 2, {"k": 1}, 3, ""])


def test_any_other_way_of_measuring_has_another_hash() -> None:
    """Name, version, options, number of samples, and the extractor where features are looked at."""
    few, many = torch.zeros(3, 2), torch.zeros(4, 2)
    on_features = replace(MEAN, needs="features")
    ways = [
        measured(MEAN, sight_of(few)),
        measured(MEAN, sight_of(few), Part("other")),
        measured(MEAN, sight_of(few), Part("mean", version=2)),
        measured(MEAN, sight_of(few), Part("mean", options={"k": 1})),
        measured(MEAN, sight_of(many)),
        measured(on_features, sight_of(few, plane(Lens(), "abc"))),
        measured(on_features, sight_of(few, plane(Lens(), "xyz"))),
    ]
    assert len({score.measurement for (score,) in ways}) == len(ways)


def test_a_new_extractor_leaves_measurements_on_samples_alone() -> None:
    (before,) = measured(MEAN, sight_of(torch.zeros(3, 2), plane(Lens(), "abc")))
    (after,) = measured(MEAN, sight_of(torch.zeros(3, 2), plane(Lens(), "xyz")))
    assert before == after


def never(evidence: Evidence) -> dict[str, float]:
    raise AssertionError("a failed model was measured")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("needs", ["samples", "features", "networks"])
def test_a_model_that_puts_out_no_numbers_scores_nan_unmeasured(bad: float, needs: Any) -> None:
    metric = Metric(measure=never, values={"a": "higher", "b": "lower"}, needs=needs)
    samples = torch.zeros(3, 2)
    samples[1, 0] = bad
    scores = measured(metric, sight_of(samples, plane(Lens())))
    assert [score.name for score in scores] == ["a", "b"]
    assert all(math.isnan(score.value) for score in scores)


def test_features_that_overflow_score_nan_and_samples_are_still_measured() -> None:
    """Samples of 1e30 are numbers, their squares in float32 are not."""
    sight = sight_of(torch.full((3, 2), 1e30), plane(Lens()))
    (through_features,) = measured(Metric(measure=never, values={"a": "lower"}, needs="features"), sight)
    (on_samples,) = measured(MEAN, sight)
    assert math.isnan(through_features.value)
    assert on_samples.value == pytest.approx(1e30, rel=1e-6)


@pytest.mark.parametrize("values", [{}, {"mean": 0.0, "more": 0.0}, {"more": 0.0}])
def test_a_metric_that_measures_other_than_it_declares_is_named(values: dict[str, float]) -> None:
    metric = Metric(measure=lambda _: values, values={"mean": "neutral"})
    with pytest.raises(GanbenchError, match=r"metric 'mean' measured .*declares \['mean'\].*each of `values`"):
        measured(metric, sight_of(torch.zeros(1, 2)))


def test_a_metric_on_features_of_a_dataset_without_extractor_says_the_way_out() -> None:
    with pytest.raises(GanbenchError, match=r"metric 'fid': .*no feature extractor.*samples only"):
        measured(replace(MEAN, needs="features"), sight_of(torch.zeros(1, 2)), Part("fid"))


def test_features_are_extracted_once_for_all_metrics_and_the_references_once_for_all_models() -> None:
    lens = Lens()
    reference = Reference(plane(lens), 5)

    def both(evidence: Evidence) -> dict[str, float]:
        return {"mean": float(evidence.features.sum() + evidence.reference_features.sum() + evidence.logits.sum())}

    metrics = [(Part(name), replace(MEAN, measure=both, needs="features")) for name in ("one", "two")]
    for model in range(3):
        scores = score_model(
            metrics, sight_of(torch.full((7, 2), float(model)), reference=reference), step=0, final=True
        )
        assert [score.value for score in scores] == [14 * model**2 + 10 - 14 * model] * 2
    assert lens.looked == 5 + 3 * 7


def test_a_metric_on_samples_never_pays_for_features() -> None:
    lens = Lens()
    measured(MEAN, sight_of(torch.zeros(3, 2), plane(lens)))
    assert lens.looked == 0


def test_the_sight_shows_the_samples_detached_in_float32_and_the_networks() -> None:
    samples = torch.ones(3, 2, dtype=torch.double, requires_grad=True)
    sight = sight_of(samples)
    assert (sight.samples.dtype, sight.samples.requires_grad) == (torch.float32, False)
    assert (sight.reference.dtype, sight.reference.shape) == (torch.float32, (5, 2))
    assert sight.networks is NETWORKS
    assert sight.generator_parameters["w"] is samples


def against(samples: Tensor, real: Tensor) -> ModelEvidence:
    source = Source(shape=tuple(real.shape[1:]), reference=lambda n: real[:n])
    networks = Networks(generator=nn.Identity(), critic=None, latent=2)
    return ModelEvidence(
        samples, Reference(source, len(real)), networks=networks, generator_parameters={}, critic_parameters={}
    )


def test_the_spread_is_the_ratio_of_the_mean_distances_of_pairs() -> None:
    """0, 3 and 9 lie 6 apart on average, the corners of a 3-4-5 triangle 4."""
    line = torch.tensor([[0.0, 0.0], [3.0, 0.0], [9.0, 0.0]])
    triangle = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    score = score_spread(against(line, triangle), step=40)
    assert score.value == pytest.approx(6 / 4, rel=1e-12)
    assert (score.step, score.name, score.direction, score.samples) == (40, "spread", "neutral", 3)


def test_the_spread_of_a_law_is_one_of_a_narrower_one_its_scale_and_of_a_point_nought() -> None:
    chance = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(2000, 3, 4, generator=chance) for _ in range(2))
    assert score_spread(against(fake, real), step=1).value == pytest.approx(1, abs=0.05)
    assert score_spread(against(0.04 * fake, real), step=1).value == pytest.approx(0.04, rel=0.05)
    assert score_spread(against(fake[:1].expand(2000, 3, 4), real), step=1).value == 0
    for undefined in (against(fake * math.nan, real), against(fake, 0 * real), against(fake[:1], real)):
        assert math.isnan(score_spread(undefined, step=1).value)


def test_the_spread_has_a_measurement_of_its_own_and_is_not_among_the_metrics() -> None:
    sight = against(torch.randn(300, 2), torch.randn(300, 2))
    assert score_model([], sight, step=1, final=True) == ()
    assert score_spread(sight, step=1).measurement == spread_measurement(256) != spread_measurement(255)
