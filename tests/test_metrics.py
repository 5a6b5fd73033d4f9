"""Metrics give the values of closed forms and papers, and none of them falls over when a generator does."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from ganbench import GanbenchError, Metric, Source
from ganbench.evaluate import Reference, Sight, judge
from ganbench.trials import Part
from torch import Generator, Tensor

from ganbench_plugins.datasets import curves, digits, dirac, mixtures
from ganbench_plugins.metrics import fid, inception_score, kid, mmd, modes, precision_recall, wasserstein

MODULES = (fid, inception_score, kid, mmd, modes, precision_recall, wasserstein)
METRICS: dict[str, Metric] = {offer.name: offer.build() for module in MODULES for offer in module.ganbench_metrics()}


def seen(metric: Metric, **parts: Any) -> dict[str, float]:
    """Measure on just these parts of the evidence."""
    return dict(metric.measure(SimpleNamespace(**parts)))  # type: ignore[arg-type]


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=Generator().manual_seed(seed), dtype=torch.double)


def assert_mean(values: list[float], expected: float, errors: float = 4.0) -> None:
    """The mean of independent estimates is the expected value, within so many of its standard errors."""
    found = torch.tensor(values, dtype=torch.double)
    assert found.mean().item() == pytest.approx(expected, abs=errors * (found.std() / math.sqrt(len(found))).item())


# The Frechet distance


def exact(mean: list[float], variance: list[float]) -> Tensor:
    """Give rows whose sample mean and (unbiased) covariance are exactly `mean` and diag(variance)."""
    d = len(mean)
    spokes = math.sqrt((2 * d - 1) / 2) * torch.eye(d, dtype=torch.double)
    return torch.cat((spokes, -spokes)) * torch.tensor(variance).double().sqrt() + torch.tensor(mean).double()


def test_the_frechet_distance_of_two_gaussians_is_30() -> None:
    """diag(1, 4) against diag(9, 1), means (3, 4) apart: 25 + 5 + 10 - 2 (3 + 2)."""
    found = seen(METRICS["fid"], features=exact([0, 0], [1, 4]), reference_features=exact([3, 4], [9, 1]))
    assert found["fid"] == pytest.approx(30, abs=1e-9)


def test_a_sample_is_at_distance_zero_from_itself() -> None:
    x = normal(0, 50, 6)
    assert seen(METRICS["fid"], features=x, reference_features=x)["fid"] == pytest.approx(0, abs=1e-9)


def test_the_bias_of_fid_is_the_known_one() -> None:
    """N rows of N(0, I_d) against the exact law: d/N + d(d+1)/(4(N-1)) on average."""
    d, n = 8, 500
    law = exact([0.0] * d, [1.0] * d)
    values = [seen(METRICS["fid"], features=normal(s, n, d), reference_features=law)["fid"] for s in range(200)]
    assert sum(values) / 200 == pytest.approx(d / n + d * (d + 1) / (4 * (n - 1)), rel=0.05)


# The inception score


def score(logits: Tensor, **options: int) -> float:
    return seen(inception_score.inception_score(**options), logits=logits)["is"]


def test_balanced_certain_classes_score_their_number() -> None:
    assert score(200.0 * torch.eye(10).repeat(20, 1)) == pytest.approx(10, abs=1e-9)


def test_one_class_alone_and_no_idea_at_all_both_score_one() -> None:
    assert score(200.0 * torch.eye(10)[:1].repeat(50, 1)) == pytest.approx(1, abs=1e-9)
    assert score(torch.zeros(50, 10)) == pytest.approx(1, abs=1e-9)


def test_noisy_one_hot_classes_score_their_closed_form() -> None:
    """With 10% spread over the other nine of ten classes, IS = 5.799546."""
    p = torch.full((10, 10), 0.1 / 9, dtype=torch.double).fill_diagonal_(0.9)
    assert score(p.log().repeat(30, 1)) == pytest.approx(5.799546, abs=1e-6)


@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0, 1e4])
def test_the_inception_score_lies_between_one_and_the_number_of_classes(scale: float) -> None:
    assert 1 <= score(scale * normal(0, 500, 10)) <= 10


def test_a_blown_up_logit_leaves_the_score_defined() -> None:
    """One certain class, at logits of 1e30, is one class: 1."""
    assert score(1e30 * torch.eye(10)[:1].repeat(50, 1)) == pytest.approx(1, abs=1e-9)


# The kernel inception distance


def kids(shift: float, repeats: int) -> list[float]:
    return [
        seen(METRICS["kid"], features=normal(2 * s, 60, 1), reference_features=normal(2 * s + 1, 60, 1) + shift)["kid"]
        for s in range(repeats)
    ]


def test_kid_of_equal_laws_is_zero_on_average_and_negative_about_half_the_time() -> None:
    values = kids(0.0, 200)
    assert_mean(values, 0.0)
    assert 0.35 < sum(value < 0 for value in values) / 200 < 0.75


def test_kid_of_shifted_normals_is_22_on_average() -> None:
    """(xy + 1)^3 on N(0,1), N(1,1) compares moments 1, 2, 3: 3 (0-1)^2 + 3 (1-2)^2 + (0-4)^2 = 22."""
    assert_mean(kids(1.0, 200), 22.0)


# Precision and recall


def clusters() -> tuple[Tensor, Tensor]:
    return normal(0, 100, 2), normal(1, 100, 2) + 50


def test_half_of_the_data_generated_has_precision_one_and_recall_a_half() -> None:
    left, right = clusters()
    found = seen(METRICS["precision-recall"], features=left, reference_features=torch.cat((left, right)))
    assert found == pytest.approx({"precision": 1.0, "recall": 0.5}, abs=1e-6)


def test_the_data_and_as_much_nonsense_has_precision_a_half_and_recall_one() -> None:
    left, right = clusters()
    found = seen(METRICS["precision-recall"], features=torch.cat((left, right)), reference_features=left)
    assert found == pytest.approx({"precision": 0.5, "recall": 1.0}, abs=1e-6)


# Mode coverage


def covered(samples: Tensor, source: Source) -> dict[str, float]:
    return seen(METRICS["modes"], samples=samples, source=source)


def perfect(seed: int, n: int, source: Source) -> Tensor:
    assert source.draw is not None
    return source.draw(Generator().manual_seed(seed), n)


@pytest.mark.parametrize("source", [mixtures.ring(), mixtures.grid()], ids=["ring", "grid"])
def test_a_perfect_sampler_covers_all_modes_with_99_percent_of_high_quality(source: Source) -> None:
    """In two dimensions 1 - exp(-4.5) = 98.89% lie within three standard deviations."""
    n, share = 200_000, 1 - math.exp(-4.5)
    found = covered(perfect(0, n, source), source)
    assert found["modes"] == len(source.facts["centres"])
    assert found["high-quality"] == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / n))


def test_the_reverse_kl_of_a_perfect_sampler_has_its_floor() -> None:
    """About (K - 1) / 2N in nats, N the samples of high quality."""
    source, n = mixtures.ring(), 2500
    values = [covered(perfect(s, n, source), source)["reverse-kl"] for s in range(200)]
    assert sum(values) / 200 == pytest.approx(7 / (2 * n * (1 - math.exp(-4.5))), rel=0.15)


@pytest.fixture
def two_modes() -> Source:
    """Two modes of standard deviation 1, at 0 and at 100."""
    return mixtures.mixture(torch.tensor([[0.0, 0.0], [100.0, 0.0]]), 1.0)


def test_three_standard_deviations_away_is_too_far(two_modes: Source) -> None:
    found = covered(torch.tensor([[3.0, 0.0], [2.9999, 0.0]]), two_modes)
    assert found["high-quality"] == 0.5


def test_one_sample_covers_a_mode_and_a_lonely_mode_costs_log_two(two_modes: Source) -> None:
    found = covered(torch.tensor([[0.0, 1.0]]), two_modes)
    assert found == pytest.approx({"modes": 1, "high-quality": 1, "reverse-kl": math.log(2)}, abs=1e-9)


def test_an_uneven_histogram_has_its_reverse_kl(two_modes: Source) -> None:
    """Three to one: .75 log 1.5 + .25 log .5; the sample of low quality counts for nothing."""
    found = covered(torch.tensor([[0.0, 0], [1, 0], [0, 1], [100, 0], [50, 0]]), two_modes)
    expected = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert found == pytest.approx({"modes": 2, "high-quality": 0.8, "reverse-kl": expected}, abs=1e-9)


def test_without_high_quality_the_reverse_kl_is_undefined(two_modes: Source) -> None:
    found = covered(torch.tensor([[50.0, 0.0]]), two_modes)
    assert found == pytest.approx({"modes": 0, "high-quality": 0, "reverse-kl": math.nan}, nan_ok=True)


def test_data_without_centres_is_refused_with_the_way_out() -> None:
    with pytest.raises(GanbenchError, match=r"metric 'modes'.*'ring' or 'grid'"):
        covered(torch.zeros(1, 2), curves.swiss_roll())


# Wasserstein


def quantiles(n: int) -> Tensor:
    """Give n rows of N(0, 1) at the middles of n equal shares."""
    return torch.special.ndtri((torch.arange(n, dtype=torch.double) + 0.5) / n).unsqueeze(1)


def distance(samples: Tensor, reference: Tensor) -> dict[str, float]:
    """Every reference row stands twice in a row, so that both halves are the same."""
    metric = wasserstein.w1(limit=len(samples))
    return seen(metric, samples=samples, reference=reference.repeat_interleave(2, dim=0))


def test_w1_of_two_normals_is_its_closed_form() -> None:
    """N(0, 1) and N(1, 2^2): 1.166631."""
    x = quantiles(1000)
    assert distance(x, 1 + 2 * x)["w1"] == pytest.approx(1.166631, abs=5e-3)


def test_w1_of_parallel_lines_is_their_distance() -> None:
    """Example 1 of the WGAN paper: |theta|, while JS stays log 2."""
    z = torch.rand(100, 1, generator=Generator().manual_seed(0))
    line, zero = torch.cat((torch.zeros_like(z), z), dim=1), torch.tensor([0.3, 0.0])
    assert distance(line + zero, line)["w1"] == pytest.approx(0.3, abs=1e-6)
    assert distance(line, line) == pytest.approx({"w1": 0.0, "w1-floor": 0.0}, abs=1e-9)


def test_the_floor_of_w1_is_that_of_two_samples() -> None:
    """Two samples of n from N(0, 1) are 1.822 / sqrt(n) apart on average; so is a perfect generator."""
    n, found = 200, []
    for seed in range(100):
        samples, reference = normal(2 * seed, n, 1), normal(2 * seed + 1, 2 * n, 1)
        found.append(seen(METRICS["w1"], samples=samples, reference=reference))
    for name in ("w1", "w1-floor"):
        assert sum(values[name] for values in found) / 100 == pytest.approx(1.822 / math.sqrt(n), rel=0.12)


def test_w1_scales_with_its_data() -> None:
    """The solver's tolerance is absolute: tiny and huge data must not fall under or over it."""
    x, y = normal(0, 50, 2), normal(1, 50, 2)
    plain = distance(x, y)["w1"]
    for scale in (1e-12, 1e25):
        assert distance(scale * x, scale * y)["w1"] == pytest.approx(scale * plain, rel=1e-6)


def test_the_sliced_distance_of_a_shift_is_the_mean_of_its_shadows() -> None:
    """A shift by v moves a shadow by |v cos a|: |v| on a line, 2 |v| / pi in the plane."""
    line, plane = normal(0, 40, 1), normal(0, 40, 2)
    metric = wasserstein.sliced_w1(projections=5000)
    assert seen(metric, samples=line + 3, reference=line)["sliced-w1"] == pytest.approx(3, abs=1e-6)
    found = seen(metric, samples=plane + torch.tensor([3.0, 4.0]), reference=plane)["sliced-w1"]
    assert found == pytest.approx(10 / math.pi, rel=0.02)


def test_the_sliced_distance_needs_no_equal_numbers() -> None:
    x = quantiles(30)
    metric = METRICS["sliced-w1"]
    assert seen(metric, samples=x.repeat(3, 1), reference=x)["sliced-w1"] == pytest.approx(0, abs=1e-9)


# MMD


def closed_mmd(shift: float, spread: float, bandwidth: float) -> float:
    """Give MMD^2 between N(0, I_2) and N((shift, 0), spread^2 I_2).

    For a difference of mean m and variance v per axis, E k = b^2 / (b^2 + v) exp(-m^2 / 2(b^2 + v)).
    """

    def mean_kernel(variance: float, distance: float) -> float:
        total = bandwidth**2 + variance
        return bandwidth**2 / total * math.exp(-(distance**2) / (2 * total))

    return mean_kernel(2, 0) + mean_kernel(2 * spread**2, 0) - 2 * mean_kernel(1 + spread**2, shift)


@pytest.mark.parametrize(("shift", "spread", "bandwidth"), [(0.0, 1.0, 1.0), (1.0, 2.0, 1.0), (0.5, 1.0, 3.0)])
def test_mmd_between_gaussians_is_its_closed_form_on_average(shift: float, spread: float, bandwidth: float) -> None:
    metric, there = mmd.mmd(bandwidth=bandwidth), torch.tensor([shift, 0.0])
    values = [
        seen(metric, samples=normal(2 * s, 80, 2), reference=there + spread * normal(2 * s + 1, 80, 2))["mmd2"]
        for s in range(200)
    ]
    assert_mean(values, closed_mmd(shift, spread, bandwidth))


def test_the_median_bandwidth_is_that_of_the_reference() -> None:
    x, y = normal(0, 50, 2), normal(1, 50, 2)
    width = torch.pdist(y).median().item()
    fixed = seen(mmd.mmd(bandwidth=width), samples=x, reference=y)
    assert seen(METRICS["mmd"], samples=x, reference=y) == pytest.approx(fixed, abs=1e-12)


def test_a_bandwidth_of_zero_is_refused() -> None:
    with pytest.raises(GanbenchError, match=r"bandwidth = 0.*above 0, or 'median'"):
        mmd.mmd(bandwidth=0.0)


# torch-fidelity's public door


@pytest.fixture(scope="module")
def public() -> Iterator[Callable[..., dict[str, float]]]:
    """Give `calculate_metrics` with our extractor registered, and take it off the register afterwards."""
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
    public: Callable[..., dict[str, float]],
) -> None:
    """Features extracted once, in one batch, and measured apart are no other than the public function's."""
    source = digits.digits()
    assert source.take is not None
    images = source.take(torch.arange(250))
    fake = images + 0.3 * normal(0, *images.shape).float()
    reference = Reference(source, 300)
    sight = Sight(fake, reference, networks=None, generator_parameters={}, critic_parameters={})  # type: ignore[arg-type]
    metrics = [
        (Part(name), metric)
        for name, metric in {
            "fid": METRICS["fid"],
            "is": inception_score.inception_score(splits=5),
            "kid": kid.kid(subsets=7, subset_size=100),
            "precision-recall": METRICS["precision-recall"],
        }.items()
    ]
    ours = {found.name: found.value for found in judge(metrics, sight, step=0, final=True)}
    theirs = public(fake, reference.samples, isc_splits=5, kid_subsets=7, kid_subset_size=100)
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


# Generators that fail


SOURCES = {
    "digits": digits.digits(),
    "ring": mixtures.ring(),
    "swiss-roll": curves.swiss_roll(),
    "dirac": dirac.dirac(),
}
FITTING = [
    (data, name)
    for data, source in SOURCES.items()
    for name, metric in METRICS.items()
    if (metric.needs == "samples" or source.extractor) and (name != "modes" or source.facts)
]


def judged(data: str, name: str, fill: float, rows: int = 60) -> dict[str, float]:
    source = SOURCES[data]
    samples = torch.full((rows, *source.shape), fill)
    sight = Sight(samples, Reference(source, 60), networks=None, generator_parameters={}, critic_parameters={})  # type: ignore[arg-type]
    return {found.name: found.value for found in judge([(Part(name), METRICS[name])], sight, step=0, final=True)}


@pytest.mark.parametrize("fill", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(("data", "name"), FITTING)
def test_samples_that_are_no_numbers_make_every_value_nan(data: str, name: str, fill: float) -> None:
    found = judged(data, name, fill)
    assert found.keys() == METRICS[name].values.keys()
    assert all(math.isnan(value) for value in found.values())


@pytest.mark.parametrize(("data", "name"), FITTING)
def test_a_constant_generator_gets_a_value(data: str, name: str) -> None:
    """Finite, but for the reverse KL of no samples of high quality."""
    found = judged(data, name, 0.0)
    undefined = {value for value in found if math.isnan(found[value])}
    assert undefined == ({"reverse-kl"} if name == "modes" else set())
    assert not any(math.isinf(value) for value in found.values())


@pytest.mark.parametrize("fill", [1e4, -1e30, 3e38])
@pytest.mark.parametrize(("data", "name"), FITTING)
def test_a_generator_that_blew_up_makes_no_metric_crash(data: str, name: str, fill: float) -> None:
    assert judged(data, name, fill).keys() == METRICS[name].values.keys()


@pytest.mark.parametrize(("data", "name"), FITTING)
def test_a_single_sample_makes_no_metric_crash(data: str, name: str) -> None:
    assert judged(data, name, 0.0, rows=1).keys() == METRICS[name].values.keys()


def test_a_constant_generator_has_the_fid_of_a_point() -> None:
    """|mu - mu_r|^2 + tr Sigma_r."""
    source = SOURCES["digits"]
    reference = Reference(source, 596)
    assert source.extractor is not None
    point = source.extractor.extract(torch.zeros(1, 1, 8, 8))["features"].double()
    real = reference.features.double()
    expected = (point - real.mean(dim=0)).square().sum() + real.var(dim=0).sum()
    sight = Sight(torch.zeros(60, 1, 8, 8), reference, networks=None, generator_parameters={}, critic_parameters={})  # type: ignore[arg-type]
    assert METRICS["fid"].measure(sight)["fid"] == pytest.approx(expected.item(), rel=1e-5)


def test_a_constant_at_zero_is_as_far_as_the_ring_is_wide() -> None:
    assert judged("ring", "w1", 0.0)["w1"] == pytest.approx(2 / 1.414, rel=0.02)
