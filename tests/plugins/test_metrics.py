"""FID, IS, KID, precision and recall have the values of closed forms and of torch-fidelity's public function."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from ganbench import GanbenchError
from ganbench.api.trials import Part
from ganbench.evaluation.scoring import ModelEvidence, Reference, score_model
from torch import Tensor

from ganbench_plugins.datasets import digits
from ganbench_plugins.metrics import inception_score, kid, precision_recall
from tests.support.metric_checks import METRICS, assert_mean, measure, normal

# The Frechet distance


def samples_with_moments(mean: list[float], variance: list[float]) -> Tensor:
    """Return samples whose mean and (unbiased) covariance are exactly `mean` and diag(variance)."""
    d = len(mean)
    spokes = math.sqrt((2 * d - 1) / 2) * torch.eye(d, dtype=torch.double)
    return torch.cat((spokes, -spokes)) * torch.tensor(variance).double().sqrt() + torch.tensor(mean).double()


def test_the_frechet_distance_of_two_gaussians_is_30() -> None:
    """diag(1, 4) against diag(9, 1), means (3, 4) apart: 25 + 5 + 10 - 2 (3 + 2)."""
    values = measure(
        METRICS["fid"],
        features=samples_with_moments([0, 0], [1, 4]),
        reference_features=samples_with_moments([3, 4], [9, 1]),
    )
    assert values["fid"] == pytest.approx(30, abs=1e-9)


def test_a_sample_is_at_distance_zero_from_itself() -> None:
    x = normal(0, 50, 6)
    assert measure(METRICS["fid"], features=x, reference_features=x)["fid"] == pytest.approx(0, abs=1e-9)


def test_the_bias_of_fid_is_the_known_one() -> None:
    """N samples of N(0, I_d) against the exact distribution: d/N + d(d+1)/(4(N-1)) on average."""
    d, n = 8, 500
    reference = samples_with_moments([0.0] * d, [1.0] * d)
    values = [
        measure(METRICS["fid"], features=normal(s, n, d), reference_features=reference)["fid"] for s in range(200)
    ]
    assert sum(values) / 200 == pytest.approx(d / n + d * (d + 1) / (4 * (n - 1)), rel=0.05)


# The inception score


def measure_is(logits: Tensor, **options: int) -> float:
    return measure(inception_score.inception_score(**options), logits=logits)["is"]


def test_balanced_certain_classes_score_the_number_of_classes() -> None:
    assert measure_is(200.0 * torch.eye(10).repeat(20, 1)) == pytest.approx(10, abs=1e-9)


def test_a_single_class_and_uniform_probabilities_both_score_one() -> None:
    assert measure_is(200.0 * torch.eye(10)[:1].repeat(50, 1)) == pytest.approx(1, abs=1e-9)
    assert measure_is(torch.zeros(50, 10)) == pytest.approx(1, abs=1e-9)


def test_noisy_one_hot_classes_score_their_closed_form() -> None:
    """With 10% spread over the other nine of ten classes, IS = 5.799546."""
    p = torch.full((10, 10), 0.1 / 9, dtype=torch.double).fill_diagonal_(0.9)
    assert measure_is(p.log().repeat(30, 1)) == pytest.approx(5.799546, abs=1e-6)


@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0, 1e4])
def test_the_inception_score_lies_between_one_and_the_number_of_classes(scale: float) -> None:
    assert 1 <= measure_is(scale * normal(0, 500, 10)) <= 10


def test_a_huge_logit_leaves_the_score_defined() -> None:
    """One certain class, at logits of 1e30, is one class: 1."""
    assert measure_is(1e30 * torch.eye(10)[:1].repeat(50, 1)) == pytest.approx(1, abs=1e-9)


# The kernel inception distance


def measure_kids(shift: float, repeats: int) -> list[float]:
    metric = kid.kid(subsets=1)
    return [
        measure(metric, features=normal(2 * s, 60, 1), reference_features=normal(2 * s + 1, 60, 1) + shift)["kid"]
        for s in range(repeats)
    ]


def test_kid_of_equal_distributions_is_zero_on_average_and_negative_about_half_the_time() -> None:
    values = measure_kids(0.0, 200)
    assert_mean(values, 0.0)
    assert 0.35 < sum(value < 0 for value in values) / 200 < 0.75


def test_kid_of_shifted_normals_is_22_on_average() -> None:
    """(xy + 1)^3 on N(0,1), N(1,1) compares moments 1, 2, 3: 3 (0-1)^2 + 3 (1-2)^2 + (0-4)^2 = 22."""
    assert_mean(measure_kids(1.0, 200), 22.0)


# Precision and recall


def two_clusters() -> tuple[Tensor, Tensor]:
    return normal(0, 100, 2), normal(1, 100, 2) + 50


def test_generating_half_of_the_data_has_precision_one_and_recall_a_half() -> None:
    left, right = two_clusters()
    values = measure(METRICS["precision-recall"], features=left, reference_features=torch.cat((left, right)))
    assert values == pytest.approx({"precision": 1.0, "recall": 0.5}, abs=1e-6)


def test_the_data_plus_as_many_wrong_samples_has_precision_a_half_and_recall_one() -> None:
    left, right = two_clusters()
    values = measure(METRICS["precision-recall"], features=torch.cat((left, right)), reference_features=left)
    assert values == pytest.approx({"precision": 0.5, "recall": 1.0}, abs=1e-6)


def test_a_sample_exactly_as_far_as_the_third_neighbour_still_belongs() -> None:
    """Among 0, 1, 2, 3 the third neighbours of 0 and 3 are 3 away: 6 and -3 belong, 7 and -4 do not.

    In the other direction all belong.
    """
    data, samples = (torch.tensor(at).double().unsqueeze(1) for at in ([0, 1, 2, 3], [6, 7, -3, -4]))
    values = measure(METRICS["precision-recall"], features=samples, reference_features=data)
    assert values == pytest.approx({"precision": 0.5, "recall": 1.0}, abs=1e-6)


# torch-fidelity's public function


@pytest.fixture(scope="module")
def calculate_metrics() -> Iterator[Callable[..., dict[str, float]]]:
    """Yield `calculate_metrics` with our extractor registered, and unregister the extractor afterwards."""
    import torch_fidelity
    from torch_fidelity.registry import FEATURE_EXTRACTORS_REGISTRY

    class Registered(torch_fidelity.FeatureExtractorBase):  # type: ignore[misc]
        def __init__(self, name: str, features_list: list[str], **_: object) -> None:
            super().__init__(name, features_list)

        @staticmethod
        def get_provided_features_list() -> tuple[str, ...]:
            return ("features", "logits")

        @staticmethod
        def get_default_feature_layer_for_metric(metric: str) -> str:
            return "logits" if metric == "isc" else "features"

        def forward(self, x: Tensor) -> tuple[Tensor, ...]:
            answers = digits.extractor().extract(x)
            return tuple(answers[name] for name in self.features_list)

    def calculate(fake: Tensor, real: Tensor, **options: Any) -> dict[str, float]:
        return dict(
            torch_fidelity.calculate_metrics(
                input1=list_dataset(fake),
                input2=list_dataset(real),
                feature_extractor="ganbench-digits",
                isc=True,
                fid=True,
                kid=True,
                prc=True,
                cuda=False,
                cache=False,
                save_cpu_ram=True,
                verbose=False,
                **options,
            )
        )

    torch_fidelity.register_feature_extractor("ganbench-digits", Registered)
    yield calculate
    del FEATURE_EXTRACTORS_REGISTRY["ganbench-digits"]


def list_dataset(images: Tensor) -> torch.utils.data.Dataset[Tensor]:
    class Images(torch.utils.data.Dataset[Tensor]):
        def __getitem__(self, index: int) -> Tensor:
            return images[index]

        def __len__(self) -> int:
            return len(images)

    return Images()


def test_our_values_are_those_of_torch_fidelitys_calculate_metrics(
    calculate_metrics: Callable[..., dict[str, float]],
) -> None:
    """Features extracted once, in one batch, and measured separately give the same values as the public function."""
    source = digits.digits()
    assert source.take is not None
    images = source.take(torch.arange(250))
    fake = images + 0.3 * normal(0, *images.shape).float()
    reference = Reference(source, 300)
    evidence = ModelEvidence(fake, reference, networks=None, generator_parameters={}, critic_parameters={})  # type: ignore[arg-type]
    metrics = [
        (Part(name), metric)
        for name, metric in {
            "fid": METRICS["fid"],
            "is": inception_score.inception_score(splits=5),
            "kid": kid.kid(subsets=7, subset_size=100),
            "precision-recall": METRICS["precision-recall"],
        }.items()
    ]
    ours = {score.name: score.value for score in score_model(metrics, evidence, step=0, final=True)}
    theirs = calculate_metrics(fake, reference.samples, isc_splits=5, kid_subsets=7, kid_subset_size=100)
    assert ours == pytest.approx(
        {
            "fid": theirs["frechet_inception_distance"],
            "is": theirs["inception_score_mean"],
            "kid": theirs["kernel_inception_distance_mean"],
            "precision": theirs["precision"],
            "recall": theirs["recall"],
        },
        rel=1e-4,
    )
    assert ours["fid"] > 1


def test_more_neighbours_than_samples_are_refused_with_the_most_that_can_be_used() -> None:
    left, right = two_clusters()
    metric = precision_recall.precision_recall(neighbours=100)
    with pytest.raises(GanbenchError, match=r"100 generated and 200 real samples. Use at most 99, or more samples"):
        measure(metric, features=left, reference_features=torch.cat((left, right)))
