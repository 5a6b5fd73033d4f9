"""The toy distributions are those of the papers, and all random numbers come from the generator passed to them."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch
from ganbench import GanbenchError, Source, registry
from torch import Generator, Tensor

from ganbench_plugins.datasets import (
    curves,
    digits,
    dirac,
    fashion_mnist,
    glyphs,
    mixtures,
    mnist_5k,
    patches,
    polygons,
    shapes,
    stacked_digits,
)

IMAGES = (digits, fashion_mnist, glyphs, mnist_5k, patches, polygons, shapes, stacked_digits)

SOURCES = {offer.name: offer.build() for module in (mixtures, curves, dirac) for offer in module.ganbench_datasets()}
every_source = pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)


def draw(source: Source, n: int, seed: int = 0) -> Tensor:
    assert source.draw is not None
    return source.draw(Generator().manual_seed(seed), n)


@every_source
def test_a_source_draws_finite_float32_samples_of_its_shape(source: Source) -> None:
    samples = draw(source, 7)
    assert samples.shape == (7, *source.shape)
    assert samples.dtype == torch.float32
    assert samples.isfinite().all()


@every_source
def test_draws_repeat_from_the_generator_and_do_not_touch_the_global_one(source: Source) -> None:
    before = torch.get_rng_state()
    assert torch.equal(draw(source, 64), draw(source, 64))
    source.reference(64)
    assert torch.equal(torch.get_rng_state(), before)


@every_source
def test_the_reference_is_the_same_at_every_call(source: Source) -> None:
    reference = source.reference(100)
    assert reference.shape == (100, *source.shape)
    assert torch.equal(reference, source.reference(100))


def test_the_ring_has_eight_distinct_centres_on_its_circle() -> None:
    """The unrolled GAN's demo has seven: its angles include the full turn."""
    centres = SOURCES["ring"].facts["centres"]
    radius = 2 / 1.414
    assert centres.shape == (8, 2)
    assert centres.norm(dim=1) == pytest.approx(torch.full((8,), radius), abs=1e-6)
    assert torch.pdist(centres).min().item() == pytest.approx(2 * radius * math.sin(math.pi / 8), abs=1e-6)
    assert SOURCES["ring"].facts["std"] == pytest.approx(0.02 / 1.414, abs=1e-12)


def test_the_grid_has_its_25_centres_on_the_even_numbers() -> None:
    centres = SOURCES["grid"].facts["centres"] * 2.828
    expected = {(x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)}
    assert {(round(x, 4), round(y, 4)) for x, y in centres.tolist()} == expected
    assert SOURCES["grid"].facts["std"] == pytest.approx(0.05 / 2.828, abs=1e-12)


@pytest.mark.parametrize("name", ["ring", "grid"])
def test_a_mixture_has_equal_modes_of_its_standard_deviation(name: str) -> None:
    """Counts are within five standard deviations of equal; the mean squared distance to a centre is 2 std^2."""
    n, facts = 50_000, SOURCES[name].facts
    distance, nearest = torch.cdist(draw(SOURCES[name], n), facts["centres"]).min(dim=1)
    share = 1 / len(facts["centres"])
    counts = torch.bincount(nearest, minlength=len(facts["centres"]))
    assert ((counts - n * share).abs() < 5 * math.sqrt(n * share * (1 - share))).all()
    assert distance.square().mean().item() == pytest.approx(2 * facts["std"] ** 2, rel=0.03)


def test_options_change_the_mixtures() -> None:
    source = mixtures.ring(modes=3, radius=1.0, std=0.5, scale=2.0)
    assert source.facts["centres"].norm(dim=1) == pytest.approx(torch.full((3,), 0.5), abs=1e-6)
    assert source.facts["std"] == 0.25
    assert len(mixtures.grid(side=2).facts["centres"]) == 4


def test_options_make_the_ring_and_the_grid_of_pacgan() -> None:
    """Lin et al. 2018, their code: radius 1 and std .01; 25 centres on {-4, -2, 0, 2, 4}^2 and std .05; unscaled."""
    ring, grid = mixtures.ring(radius=1.0, std=0.01, scale=1.0), mixtures.grid(scale=1.0)
    assert ring.facts["centres"].norm(dim=1) == pytest.approx(torch.ones(8), abs=1e-6)
    assert {tuple(centre) for centre in grid.facts["centres"].tolist()} == {
        (x, y) for x in (-4.0, -2.0, 0.0, 2.0, 4.0) for y in (-4.0, -2.0, 0.0, 2.0, 4.0)
    }
    for source, std in ((ring, 0.01), (grid, 0.05)):
        distance = torch.cdist(draw(source, 50_000), source.facts["centres"]).amin(dim=1)
        assert distance.square().mean().item() == pytest.approx(2 * std**2, rel=0.03)


@pytest.mark.parametrize(
    ("name", "options", "bound"),
    [
        ("ring", {"modes": 0}, "greater than or equal to 1"),
        ("ring", {"modes": 10**9}, "less than or equal to 10000"),
        ("ring", {"std": 0.0}, "greater than 0"),
        ("ring", {"std": -1.0}, "greater than 0"),
        ("ring", {"radius": 1e308}, "less than or equal to 1000000"),
        ("grid", {"side": 1000}, "less than or equal to 100"),
        ("grid", {"scale": 0.0}, "greater than 0"),
        ("swiss-roll", {"noise": -0.1}, "greater than or equal to 0"),
        ("two-moons", {"scale": -1.0}, "greater than 0"),
    ],
)
def test_an_option_out_of_its_range_is_refused_before_anything_is_built(name: str, options: dict, bound: str) -> None:
    (option,) = options
    with pytest.raises(GanbenchError, match=rf"dataset '{name}': option '{option}' = .*{bound}\. Options: "):
        registry.load().build("datasets", name, options)


def assert_same_distribution(ours: Tensor, theirs: Tensor) -> None:
    """Assert that Kolmogorov-Smirnov tests accept both coordinates, the radius and two slanted lines of two samples."""
    from scipy.stats import ks_2samp

    for project in (
        lambda x: x[:, 0],
        lambda x: x[:, 1],
        lambda x: x.norm(dim=1),
        lambda x: x.sum(dim=1),
        lambda x: x[:, 0] - 2 * x[:, 1],
    ):
        assert ks_2samp(project(ours).numpy(), project(theirs).numpy()).pvalue > 1e-3


def test_the_swiss_roll_has_the_distribution_of_scikit_learns() -> None:
    from sklearn.datasets import make_swiss_roll

    points, _ = make_swiss_roll(20_000, noise=0.25, random_state=1)
    assert_same_distribution(draw(SOURCES["swiss-roll"], 20_000), torch.from_numpy(points[:, [0, 2]] / 7.5).float())


def test_the_two_moons_have_the_distribution_of_scikit_learns() -> None:
    from sklearn.datasets import make_moons

    points, _ = make_moons(20_000, noise=0.05, random_state=1)
    assert_same_distribution(draw(SOURCES["two-moons"], 20_000), torch.from_numpy(points).float())


def test_without_noise_the_swiss_roll_is_its_spiral() -> None:
    """The radius is t / 7.5 and the angle is t, for t between 1.5 and 4.5 pi."""
    points = draw(curves.swiss_roll(noise=0.0), 1000).double() * 7.5
    t = points.norm(dim=1)
    assert t.min().item() == pytest.approx(1.5 * math.pi, abs=0.1)
    assert t.max().item() == pytest.approx(4.5 * math.pi, abs=0.1)
    assert torch.allclose(points, torch.stack((t * t.cos(), t * t.sin()), dim=1), atol=1e-4)


def test_the_dirac_is_zero() -> None:
    assert draw(SOURCES["dirac"], 5).tolist() == [[0.0]] * 5


def test_importing_the_plugins_imports_no_dataset_or_metric_library() -> None:
    """The plugins' modules load without scikit-learn, torchvision, torch-fidelity, POT, scipy and other libraries."""
    modules = [module.__name__ for module in (mixtures, curves, dirac, *IMAGES)]
    modules += ["ganbench_plugins.metrics." + name for name in ("fid", "inception_score", "kid", "precision_recall")]
    modules += [
        "ganbench_plugins.metrics." + name for name in ("modes", "wasserstein", "mmd", "classified_modes", "manifold")
    ]
    heavy = "{'sklearn', 'torchvision', 'torch_fidelity', 'ot', 'scipy', 'mlxtend', 'matplotlib', 'PIL'}"
    code = f"import sys, {', '.join(modules)}; sys.exit(', '.join({heavy} & set(sys.modules)) or 0)"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (process.returncode, process.stderr) == (0, "")


def test_every_dataset_names_its_metrics() -> None:
    offers = [offer for module in (mixtures, curves, dirac, *IMAGES) for offer in module.ganbench_datasets()]
    assert {offer.name: offer.metrics for offer in offers} == {
        "ring": ("modes",),
        "grid": ("modes",),
        "swiss-roll": ("sliced-w1",),
        "two-moons": ("sliced-w1",),
        "dirac": ("w1",),
        "digits": ("fid", "inception-score", "kid", "precision-recall"),
        "fashion-mnist": ("fid", "inception-score", "kid", "precision-recall"),
        "mnist-5k": ("fid", "inception-score", "kid", "precision-recall"),
        "glyphs": ("fid", "kid", "precision-recall"),
        "patches": ("fid", "sliced-w1"),
        "polygons": ("manifold-precision-recall",),
        "shapes": ("fid", "precision-recall", "sliced-w1"),
        "stacked-digits": ("classified-modes", "fid"),
    }
