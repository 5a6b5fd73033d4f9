"""Modes counted by a classifier, and precision and recall on a known manifold, have the values of their formulas."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from ganbench import GanbenchError
from torch import Generator, Tensor

from ganbench_plugins.datasets import polygons, stacked_digits
from ganbench_plugins.metrics.classified_modes import compute_floor
from ganbench_plugins.metrics.manifold import find_nearest, manifold_precision_recall
from tests.support.metric_checks import METRICS, assert_mean, measure

POLYGONS = polygons.polygons()
MANIFOLD = POLYGONS.facts["manifold"]


def count(classes: Tensor, k: int) -> dict[str, float]:
    return measure(METRICS["classified-modes"], logits=torch.nn.functional.one_hot(classes, k).float())


def judge(samples: Tensor, **options: float) -> dict[str, float]:
    return measure(manifold_precision_recall(**options), samples=samples, source=POLYGONS)


# classified-modes


def test_every_class_once_is_no_divergence_and_one_class_alone_is_log_k() -> None:
    assert count(torch.arange(1000), 1000)["classes"] == 1000
    assert count(torch.arange(1000), 1000)["classes-kl"] == pytest.approx(0, abs=1e-9)
    one = count(torch.full((50,), 7), 1000)
    assert one["classes"] == 1
    assert one["classes-kl"] == pytest.approx(math.log(1000), abs=1e-9)


def test_the_divergence_is_that_of_the_shares() -> None:
    """Shares 1/2, 1/4, 1/4, 0 of four classes: log 4 - 1.5 log 2 = log 2 / 2."""
    values = count(torch.tensor([0, 0, 1, 2]), 4)
    assert values["classes"] == 3
    assert values["classes-kl"] == pytest.approx(math.log(2) / 2, abs=1e-9)


def test_the_floor_is_the_mean_divergence_of_uniform_samples() -> None:
    """Of 1,000 classes and 2,500 samples, where the first-order formula (K - 1) / 2n = .1998 is a tenth too low."""
    generator = Generator().manual_seed(0)
    found = [count(torch.randint(1000, (2500,), generator=generator), 1000)["classes-kl"] for _ in range(40)]
    assert_mean(found, compute_floor(1000, 2500))
    assert compute_floor(1000, 2500) == pytest.approx(0.223, abs=5e-4)


@pytest.mark.parametrize(("k", "n"), [(2, 1000), (10, 5000), (1000, 100_000)])
def test_for_many_samples_the_floor_is_half_the_classes_less_one_over_the_samples(k: int, n: int) -> None:
    assert compute_floor(k, n) == pytest.approx((k - 1) / (2 * n), rel=1e-2)


def test_one_sample_has_a_floor_of_log_k() -> None:
    assert compute_floor(1000, 1) == pytest.approx(math.log(1000), abs=1e-9)


def test_real_stacked_digits_are_as_far_from_uniform_as_a_perfect_sampler_nearly() -> None:
    """What the classifier takes for another digit adds little. 2,500 uniform samples cover 918 of 1,000 classes."""
    source = stacked_digits.stacked_digits()
    assert source.draw is not None
    assert source.extractor is not None
    logits = source.extractor.extract(source.draw(Generator().manual_seed(0), 2500))["logits"]
    values = measure(METRICS["classified-modes"], logits=logits)
    assert values["classes"] == pytest.approx(1000 * (1 - 0.999**2500), abs=30)
    assert values["classes-kl"] == pytest.approx(values["classes-kl-floor"], abs=0.03)


# manifold-precision-recall


def test_the_whole_manifold_has_precision_and_recall_1() -> None:
    values = judge(MANIFOLD)
    assert (values["manifold-precision"], values["manifold-recall"]) == (1, 1)


def test_perfect_samples_have_precision_1_and_the_recall_of_their_ceiling() -> None:
    assert POLYGONS.draw is not None
    found = [judge(POLYGONS.draw(Generator().manual_seed(seed), 1024)) for seed in range(12)]
    assert {values["manifold-precision"] for values in found} == {1.0}
    assert_mean([values["manifold-recall"] for values in found], 1 - (1 - 1 / 1024) ** 1024)
    assert found[0]["manifold-recall-ceiling"] == pytest.approx(1 - math.exp(-1), abs=1e-3)


def test_noise_and_grey_have_precision_and_recall_0() -> None:
    noise = torch.rand(300, 1, 16, 16, generator=Generator().manual_seed(0)) * 2 - 1
    for samples in (noise, torch.zeros(300, 1, 16, 16), MANIFOLD.mean(0).expand(300, 1, 16, 16)):
        values = judge(samples)
        assert (values["manifold-precision"], values["manifold-recall"]) == (0, 0)


def test_a_collapsed_generator_has_precision_1_and_covers_what_it_repeats() -> None:
    values = judge(MANIFOLD[:3].repeat(200, 1, 1, 1))
    assert values["manifold-precision"] == 1
    assert values["manifold-recall"] == pytest.approx(3 / 1024, abs=1e-12)


def test_a_blend_of_two_polygons_is_not_on_the_manifold() -> None:
    assert judge((MANIFOLD[:200] + MANIFOLD[-200:]) / 2)["manifold-precision"] == 0


@pytest.mark.parametrize(("shift", "expected"), [(0.0, 1), (0.049, 1), (0.051, 0)])
def test_the_threshold_is_a_root_mean_square_per_pixel(shift: float, expected: int) -> None:
    """Every pixel of a triangle is moved by the same amount: its distance from the manifold is at most that."""
    samples = MANIFOLD[::7] + shift
    distance, nearest = find_nearest(samples, MANIFOLD)
    assert distance == pytest.approx(torch.full((len(samples),), shift, dtype=torch.double), abs=1e-6)
    assert nearest.tolist() == list(range(0, 1024, 7))
    assert judge(samples, distance=0.05)["manifold-precision"] == expected


def test_samples_in_pieces_have_the_distances_of_all_at_once() -> None:
    samples = torch.randn(1500, 1, 4, 4, generator=Generator().manual_seed(1))
    points = torch.randn(10, 1, 4, 4, generator=Generator().manual_seed(2))
    expected = (samples[:, None] - points).double().square().flatten(2).mean(2).sqrt().min(1)
    distance, nearest = find_nearest(samples, points)
    assert torch.allclose(distance, expected.values, atol=1e-6)
    assert torch.equal(nearest, expected.indices)


def test_data_without_a_known_manifold_are_refused() -> None:
    with pytest.raises(GanbenchError, match="without 'manifold'"):
        measure(manifold_precision_recall(), samples=MANIFOLD, source=SimpleNamespace(facts={}))
