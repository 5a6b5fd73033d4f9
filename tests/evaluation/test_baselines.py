"""The untrained baselines are what their names say, and their scores are those of independent computations."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from ganbench import Metric, Offer, Source, hookimpl, registry
from ganbench.api.trials import Measurement, Part
from ganbench.evaluation.baselines import (
    alternate_classes,
    baseline_samplers,
    draw_gaussian,
    make_generator,
    select_one_mode,
)
from ganbench.evaluation.calibration import BaselineScorer, MeasurementProtocol
from ganbench.registry.registry import Registry
from torch import Generator, Tensor

from ganbench_plugins.datasets import digits, mixtures
from tests.support.metric_checks import METRICS, measure


@pytest.fixture(scope="module")
def plugins() -> Registry:
    return registry.load()


def score_all(plugins: Registry, dataset: str, metrics: tuple[str, ...], samples: int) -> dict[str, dict[str, float]]:
    protocol = MeasurementProtocol(
        dataset=Part(dataset), measurement=Measurement(metrics=tuple(map(Part, metrics)), samples=samples), key="k"
    )
    scorer = BaselineScorer(protocol, plugins)
    return {each.name: {row.name: row.value for row in scorer.score(each)} for each in scorer.samplers}


def draw_all(source: Source, n: int) -> dict[str, Tensor]:
    return {each.name: each.sample(n, make_generator(each.name)) for each in baseline_samplers(source, n)}


def images(seed: int, n: int = 40) -> Source:
    """Return a set of n random RGB images in two classes: 0 for the first half, 1 for the rest."""
    real = torch.rand(n, 3, 4, 4, generator=Generator().manual_seed(seed))
    return Source(
        shape=(3, 4, 4),
        size=n,
        take=lambda indices: real[indices],
        labels=lambda indices: (indices >= n // 2).long(),
        reference=lambda m: real[:m],
    )


# the samplers


def test_real_data_or_the_perfect_sampler_comes_first_and_is_the_only_one_that_is_not_trivial() -> None:
    for source, name in ((images(0), "real data"), (mixtures.ring(), "perfect sampler")):
        samplers = baseline_samplers(source, 30)
        assert [each.name for each in samplers if not each.trivial] == [samplers[0].name] == [name]


def test_every_sampler_draws_n_samples_of_the_datas_shape_and_the_same_ones_again() -> None:
    for source in (images(0), mixtures.ring(), Source(shape=(1,), draw=lambda g, n: torch.zeros(n, 1), reference=len)):
        for first, again in zip(baseline_samplers(source, 70), baseline_samplers(source, 70), strict=True):
            samples = first.sample(70, make_generator(first.name))
            assert samples.shape == (70, *source.shape)
            assert torch.equal(samples, again.sample(70, make_generator(again.name)))


def test_real_data_takes_every_sample_equally_often() -> None:
    real = images(1).reference(40)
    same = (draw_all(images(1), 100)["real data"].flatten(1)[:, None] == real.flatten(1)).all(2)
    assert sorted(same.sum(0).tolist()) == [2] * 20 + [3] * 20


def test_a_shuffled_image_has_the_same_pixels_with_their_channels_in_other_places() -> None:
    real = images(2).reference(40)
    for image in draw_all(images(2), 20)["pixel-shuffled"]:
        pixels = sorted(image.flatten(1).T.tolist())
        (original,) = [each for each in real if sorted(each.flatten(1).T.tolist()) == pixels]
        assert not torch.equal(image, original)


def test_noise_fills_the_datas_range_and_uniform_its_bounding_box() -> None:
    noise, real = draw_all(images(3), 2000)["noise"], images(3).reference(40)
    low, high = real.min().item(), real.max().item()
    assert low <= noise.min().item() < low + 0.01 < high - 0.01 < noise.max().item() <= high
    wide = Source(shape=(2,), draw=lambda g, n: torch.rand(n, 2, generator=g) * torch.tensor([1.0, 9.0]), reference=len)
    box = draw_all(wide, 20_000)["uniform"]
    assert box.mean(0).tolist() == pytest.approx([0.5, 4.5], abs=0.1)
    assert box.std(0).tolist() == pytest.approx([1 / math.sqrt(12), 9 / math.sqrt(12)], rel=0.03)


def test_the_gaussian_has_the_mean_and_the_covariance_of_the_data_even_if_it_is_singular() -> None:
    real = torch.randn(300, 2, generator=Generator().manual_seed(4)) @ torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, 0.0]])
    samples = torch.cat([*draw_gaussian(real + 5, 200_000, Generator().manual_seed(5))])
    assert torch.allclose(samples.mean(0), real.mean(0) + 5, atol=0.03)
    assert torch.allclose(samples.T.cov(correction=0), real.T.cov(correction=0), atol=0.06)
    assert samples[:, 2].tolist() == pytest.approx([5.0] * len(samples))


def test_the_gaussian_does_not_resample_the_data() -> None:
    """The data are -1 and 1, with kurtosis 1; the Gaussian has kurtosis 3."""
    samples = torch.cat([*draw_gaussian(torch.tensor([[-1.0], [1.0]]), 100_000, Generator().manual_seed(6))]).double()
    assert (samples**4).mean().item() / (samples**2).mean().item() ** 2 == pytest.approx(3, abs=0.1)


def test_the_clamped_gaussian_stays_in_the_datas_range_and_the_mean_image_is_the_mean() -> None:
    samples, real = draw_all(images(7), 200), images(7).reference(40)
    assert samples["Gaussian fit"].max() > real.max()
    assert samples["Gaussian fit, clamped"].max() <= real.max()
    assert torch.allclose(samples["mean image"], real.mean(0).expand(200, 3, 4, 4), atol=1e-6)


def test_ten_images_are_repeated_equally_often_and_cover_the_classes_evenly() -> None:
    samples = draw_all(images(8), 100)["ten memorised"]
    distinct, counts = samples.flatten(1).unique(dim=0, return_counts=True)
    assert counts.tolist() == [10] * 10
    real = images(8).reference(40).flatten(1)
    classes = [int(torch.cdist(image[None], real).argmin() >= 20) for image in distinct]
    assert sorted(classes) == [0] * 5 + [1] * 5
    assert alternate_classes(torch.arange(6), torch.tensor([7, 7, 7, 1, 7, 1])).tolist() == [0, 3, 1, 5, 2, 4]


def test_one_mode_is_the_samples_nearest_to_a_centre_and_a_single_sample_without_known_centres() -> None:
    real = torch.tensor([[0.0, 0.1], [9.0, 9.0], [0.0, -0.1]])
    known = Source(shape=(2,), reference=len, facts={"centres": torch.tensor([[9.0, 9.1], [0.0, 0.0]])})
    unusable = Source(shape=(2,), reference=len, facts={"centres": [[0.0, 0.0]]})
    assert select_one_mode(known, real).tolist() == [real[0].tolist(), real[2].tolist()]
    assert select_one_mode(unusable, real).tolist() == [real[0].tolist()]


# their scores


def test_on_digits_ten_memorised_images_fool_the_inception_score_but_not_fid(plugins: Registry) -> None:
    """tests/plugins/test_digits.py computes the FIDs 2.5, 58 and 30 of real data and Gaussians by other means."""
    scores = score_all(plugins, "digits", ("fid", "inception-score"), 2000)
    fid = {name: values["fid"] for name, values in scores.items()}
    inception = {name: values["is"] for name, values in scores.items()}
    assert fid["real data"] == pytest.approx(2.5, abs=0.5)
    assert fid["Gaussian fit"] == pytest.approx(30, abs=4)
    assert fid["Gaussian fit, clamped"] == pytest.approx(58, abs=4)
    held_out = digits.digits().extractor.extract(digits.split()[1].images)["logits"]
    assert inception["ten memorised"] > measure(METRICS["inception-score"], logits=held_out)["is"] > 9
    assert inception["real data"] == pytest.approx(inception["ten memorised"], abs=0.3)
    assert min(fid[name] for name in ("noise", "pixel-shuffled", "mean image", "ten memorised")) > 200
    assert inception["mean image"] == pytest.approx(1, abs=1e-4)
    assert inception["noise"] < 4 < inception["Gaussian fit"] < 7


def test_on_the_ring_the_perfect_sampler_covers_all_modes_and_one_mode_covers_one(plugins: Registry) -> None:
    """A share of 1 - exp(-9/2) of a plane Gaussian lies within three standard deviations."""
    scores = score_all(plugins, "ring", ("modes",), 2500)
    within = 1 - math.exp(-4.5)
    error = math.sqrt(within * (1 - within) / 2500)
    assert (scores["perfect sampler"]["modes"], scores["one mode"]["modes"]) == (8, 1)
    assert scores["perfect sampler"]["high-quality"] == pytest.approx(within, abs=4 * error)
    assert scores["one mode"]["high-quality"] == pytest.approx(within, abs=6 * error)  # it has half as many samples
    assert scores["one mode"]["reverse-kl"] == pytest.approx(math.log(8))
    assert scores["perfect sampler"]["spread"] == pytest.approx(1, abs=0.1)
    assert max(scores[name]["high-quality"] for name in ("uniform", "Gaussian fit")) < 0.03


def fail(evidence: Any) -> dict[str, float]:
    raise ValueError("only trained models, please")


def test_a_metric_that_fails_is_nan_and_metrics_on_networks_or_without_an_extractor_are_left_out() -> None:
    @hookimpl
    def ganbench_metrics() -> Iterator[Offer]:
        yield Offer("fails", lambda: Metric(measure=fail, values={"f": "lower"}), "Fails.")
        for needs in ("networks", "features"):
            yield Offer(needs, lambda n=needs: Metric(measure=fail, values={n: "lower"}, needs=n), "Other needs.")

    plugins = registry.load(plugins=[ganbench_metrics])
    scores = score_all(plugins, "ring", ("fails", "networks", "features", "modes"), 20)
    assert list(scores) == ["perfect sampler", "uniform", "Gaussian fit", "one mode"]
    assert all(list(values) == ["f", "modes", "high-quality", "reverse-kl", "spread"] for values in scores.values())
    assert all(math.isnan(values["f"]) for values in scores.values())
    assert score_all(plugins, "ring", ("networks",), 20) == {}
