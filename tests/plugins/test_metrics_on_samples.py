"""Mode coverage, Wasserstein distances and MMD have the values of closed forms and papers."""

from __future__ import annotations

import math

import pytest
import torch
from ganbench import GanbenchError, Source
from torch import Generator, Tensor

from ganbench_plugins.datasets import curves, mixtures
from ganbench_plugins.metrics import mmd, wasserstein
from tests.support.metric_checks import METRICS, assert_mean, measure, normal

# Mode coverage


def measure_modes(samples: Tensor, source: Source) -> dict[str, float]:
    return measure(METRICS["modes"], samples=samples, source=source)


def draw_real(seed: int, n: int, source: Source) -> Tensor:
    assert source.draw is not None
    return source.draw(Generator().manual_seed(seed), n)


@pytest.mark.parametrize("source", [mixtures.ring(), mixtures.grid()], ids=["ring", "grid"])
def test_a_perfect_sampler_covers_all_modes_with_99_percent_of_high_quality(source: Source) -> None:
    """In two dimensions 1 - exp(-4.5) = 98.89% lie within three standard deviations."""
    n, share = 200_000, 1 - math.exp(-4.5)
    values = measure_modes(draw_real(0, n, source), source)
    assert values["modes"] == len(source.facts["centres"])
    assert values["high-quality"] == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / n))


def test_the_reverse_kl_of_a_perfect_sampler_has_its_floor() -> None:
    """About (K - 1) / 2N in nats, N the samples of high quality."""
    source, n = mixtures.ring(), 2500
    values = [measure_modes(draw_real(s, n, source), source)["reverse-kl"] for s in range(200)]
    assert sum(values) / 200 == pytest.approx(7 / (2 * n * (1 - math.exp(-4.5))), rel=0.15)


@pytest.fixture
def two_modes() -> Source:
    """Two modes of standard deviation 1, at 0 and at 100."""
    return mixtures.mixture(torch.tensor([[0.0, 0.0], [100.0, 0.0]]), 1.0)


def test_three_standard_deviations_away_is_too_far(two_modes: Source) -> None:
    values = measure_modes(torch.tensor([[3.0, 0.0], [2.9999, 0.0]]), two_modes)
    assert values["high-quality"] == 0.5


def test_one_sample_covers_a_mode_and_one_mode_of_two_costs_log_two(two_modes: Source) -> None:
    values = measure_modes(torch.tensor([[0.0, 1.0]]), two_modes)
    assert values == pytest.approx({"modes": 1, "high-quality": 1, "reverse-kl": math.log(2)}, abs=1e-9)


def test_an_uneven_histogram_has_its_reverse_kl(two_modes: Source) -> None:
    """Three to one: .75 log 1.5 + .25 log .5; the sample of low quality does not count."""
    values = measure_modes(torch.tensor([[0.0, 0], [1, 0], [0, 1], [100, 0], [50, 0]]), two_modes)
    expected = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert values == pytest.approx({"modes": 2, "high-quality": 0.8, "reverse-kl": expected}, abs=1e-9)


def test_without_high_quality_the_reverse_kl_is_undefined(two_modes: Source) -> None:
    values = measure_modes(torch.tensor([[50.0, 0.0]]), two_modes)
    assert values == pytest.approx({"modes": 0, "high-quality": 0, "reverse-kl": math.nan}, nan_ok=True)


def test_data_without_centres_is_refused_with_a_way_out() -> None:
    with pytest.raises(GanbenchError, match=r"facts are \[\].*'ring' or 'grid'"):
        measure_modes(torch.zeros(1, 2), curves.swiss_roll())


@pytest.mark.parametrize("std", [0.0, -0.02])
def test_modes_without_a_width_are_refused(std: float) -> None:
    """No sample lies within three standard deviations of 0 or less, so every score would be 0."""
    with pytest.raises(GanbenchError, match=rf"modes have std = {std / 1.414:g}. Give them a std above 0"):
        measure_modes(torch.zeros(1, 2), mixtures.ring(std=std))


# Wasserstein


def quantiles(n: int) -> Tensor:
    """Return n samples of N(0, 1), the quantiles at the centres of n equal shares."""
    return torch.special.ndtri((torch.arange(n, dtype=torch.double) + 0.5) / n).unsqueeze(1)


def measure_w1(samples: Tensor, reference: Tensor) -> dict[str, float]:
    """Return W1 and its floor; every reference sample is doubled, so that both halves are the same."""
    metric = wasserstein.w1(limit=len(samples))
    return measure(metric, samples=samples, reference=reference.repeat_interleave(2, dim=0))


@pytest.mark.parametrize(("shift", "spread"), [(1.0, 2.0), (0.0, 3.0), (-0.7, 0.5), (4.0, 1.5)])
def test_w1_of_two_normals_is_its_closed_form(shift: float, spread: float) -> None:
    """With s = |s1 - s2|: s sqrt(2 / pi) e^(-m^2 / 2 s^2) + m (1 - 2 Phi(-m / s)); N(0, 1), N(1, 2^2): 1.166631."""
    x, s = quantiles(1000), abs(spread - 1)
    both_tails = math.erf(shift / s / math.sqrt(2))  # 1 - 2 Phi(-m / s)
    closed = s * math.sqrt(2 / math.pi) * math.exp(-(shift**2) / (2 * s**2)) + shift * both_tails
    assert measure_w1(x, shift + spread * x)["w1"] == pytest.approx(closed, abs=5e-3)
    if (shift, spread) == (1.0, 2.0):
        assert closed == pytest.approx(1.166631, abs=1e-6)


def test_w1_of_parallel_lines_is_their_distance() -> None:
    """Example 1 of the WGAN paper: |theta|, while JS stays log 2."""
    z = torch.rand(100, 1, generator=Generator().manual_seed(0))
    line, zero = torch.cat((torch.zeros_like(z), z), dim=1), torch.tensor([0.3, 0.0])
    assert measure_w1(line + zero, line)["w1"] == pytest.approx(0.3, abs=1e-6)
    assert measure_w1(line, line) == pytest.approx({"w1": 0.0, "w1-floor": 0.0}, abs=1e-9)


def test_the_floor_of_w1_is_that_of_two_samples() -> None:
    """Two sets of n samples of N(0, 1) are 1.822 / sqrt(n) apart on average; so is a perfect sampler from its data."""
    n, measurements = 200, []
    for seed in range(100):
        samples, reference = normal(2 * seed, n, 1), normal(2 * seed + 1, 2 * n, 1)
        measurements.append(measure(METRICS["w1"], samples=samples, reference=reference))
    for name in ("w1", "w1-floor"):
        assert sum(values[name] for values in measurements) / 100 == pytest.approx(1.822 / math.sqrt(n), rel=0.12)


def test_w1_is_proportional_to_the_scale_of_the_data() -> None:
    """The solver's tolerance is absolute: tiny and huge data must have the same relative accuracy."""
    x, y = normal(0, 50, 2), normal(1, 50, 2)
    plain = measure_w1(x, y)["w1"]
    for scale in (1e-12, 1e25):
        assert measure_w1(scale * x, scale * y)["w1"] == pytest.approx(scale * plain, rel=1e-6)


def test_the_sliced_distance_of_a_shift_is_the_mean_of_its_projections() -> None:
    """A shift by v moves a projection by |v cos a|: |v| on a line, 2 |v| / pi on average in the plane."""
    line, plane = normal(0, 40, 1), normal(0, 40, 2)
    metric = wasserstein.sliced_w1(projections=5000)
    assert measure(metric, samples=line + 3, reference=line)["sliced-w1"] == pytest.approx(3, abs=1e-6)
    distance = measure(metric, samples=plane + torch.tensor([3.0, 4.0]), reference=plane)["sliced-w1"]
    assert distance == pytest.approx(10 / math.pi, rel=0.02)


def test_the_sliced_distance_works_with_unequal_numbers() -> None:
    x = quantiles(30)
    metric = METRICS["sliced-w1"]
    assert measure(metric, samples=x.repeat(3, 1), reference=x)["sliced-w1"] == pytest.approx(0, abs=1e-9)


# MMD


def gaussian_mmd2(shift: float, spread: float, bandwidth: float) -> float:
    """Return MMD^2 between N(0, I_2) and N((shift, 0), spread^2 I_2).

    For a difference of mean m and variance v per axis, E k = b^2 / (b^2 + v) exp(-m^2 / 2(b^2 + v)).
    """

    def mean_kernel(variance: float, distance: float) -> float:
        total = bandwidth**2 + variance
        return bandwidth**2 / total * math.exp(-(distance**2) / (2 * total))

    return mean_kernel(2, 0) + mean_kernel(2 * spread**2, 0) - 2 * mean_kernel(1 + spread**2, shift)


@pytest.mark.parametrize(("shift", "spread", "bandwidth"), [(0.0, 1.0, 1.0), (1.0, 2.0, 1.0), (0.5, 1.0, 3.0)])
def test_mmd_between_gaussians_is_its_closed_form_on_average(shift: float, spread: float, bandwidth: float) -> None:
    metric, mean = mmd.mmd(bandwidth=bandwidth), torch.tensor([shift, 0.0])
    values = [
        measure(metric, samples=normal(2 * s, 80, 2), reference=mean + spread * normal(2 * s + 1, 80, 2))["mmd2"]
        for s in range(200)
    ]
    assert_mean(values, gaussian_mmd2(shift, spread, bandwidth))


def test_the_median_bandwidth_is_that_of_the_reference() -> None:
    x, y = normal(0, 50, 2), normal(1, 50, 2)
    width = torch.pdist(y).median().item()
    fixed = measure(mmd.mmd(bandwidth=width), samples=x, reference=y)
    assert measure(METRICS["mmd"], samples=x, reference=y) == pytest.approx(fixed, abs=1e-12)
