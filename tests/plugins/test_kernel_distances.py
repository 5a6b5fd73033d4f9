"""The MMD and the energy distance: unbiased over all batches, closed forms between Gaussians, and their witnesses."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from types import SimpleNamespace

import pytest
import torch
from ganbench import Example, GanbenchError, Objective, Offer
from torch import Tensor
from torch.func import grad

from ganbench_plugins.losses import kernel_distances
from ganbench_plugins.losses.kernel_distances import build_energy_distance, build_mmd_gan
from tests.plugins.test_losses import label

OFFERS = {offer.name: offer for offer in kernel_distances.ganbench_losses()}
GAMES: dict[str, Callable[[], Objective]] = {
    "rbf": build_mmd_gan,
    "rational quadratic": lambda: build_mmd_gan("rational-quadratic", linear=1.0),
    "energy": build_energy_distance,
}
# the distances of two atoms of the plane, each kernel written out by hand
KERNELS: dict[str, Callable[[Tensor, Tensor], float]] = {
    "rbf": lambda x, y: sum(math.exp(-float((x - y).square().sum()) / (2 * s * s)) for s in (1, 2, 4, 8, 16)),
    "rational quadratic": lambda x, y: (
        sum((1 + float((x - y).square().sum()) / (2 * a)) ** -a for a in (0.2, 0.5, 1, 2, 5)) + float(x @ y)
    ),
    "energy": lambda x, y: -float((x - y).norm()),
}
every_game = pytest.mark.parametrize("name", GAMES)


def quantiles(n: int, mean: float) -> Tensor:
    """Return n evenly spaced quantiles of N(mean, 1) as rows."""
    levels = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    return (mean + math.sqrt(2) * torch.erfinv(2 * levels - 1)).unsqueeze(1)


@pytest.mark.parametrize(
    ("offer", "example"), [(offer, example) for offer in OFFERS.values() for example in offer.examples], ids=label
)
def test_a_distance_has_the_value_its_example_claims(offer: Offer, example: Example) -> None:
    sides = (torch.tensor(example.given[side], dtype=torch.float64) for side in ("real", "fake"))
    real, fake = sides
    for player, value in example.expect.items():
        assert getattr(offer.build(**example.options), player)(real, fake).item() == pytest.approx(value, abs=2e-6)


@every_game
def test_the_mean_of_the_estimate_over_all_batches_is_the_distance_itself(name: str) -> None:
    """Over the 81 equally likely batches of 2 + 2 rows from 3 atoms each, the estimate is unbiased to rounding."""
    atoms = (
        torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]], dtype=torch.float64),
        torch.randn(3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)),
    )
    game, kernel = GAMES[name](), KERNELS[name]
    pairs = list(product(range(3), repeat=2))
    estimates = [game.generator(atoms[0][list(i)], atoms[1][list(j)]).item() for i, j in product(pairs, repeat=2)]
    within = [sum(kernel(x, y) for x, y in product(side, repeat=2)) / 9 for side in atoms]
    across = sum(kernel(x, y) for x, y in product(*atoms)) / 9
    assert sum(estimates) / 81 == pytest.approx(within[0] + within[1] - 2 * across, abs=5e-6)
    assert min(estimates) < 0 < max(estimates)


@every_game
def test_the_estimate_of_a_batch_with_itself_is_below_zero_and_the_players_are_opposed(name: str) -> None:
    x, y = torch.randn(2, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    game = GAMES[name]()
    assert game.generator(x, x).item() < -1e-3
    assert game.critic(x, y).item() == -game.generator(x, y).item()


def test_the_unbiased_mmd_of_two_points_with_themselves_is_known() -> None:
    """Two points at distance 1, c = e^(-1/2): c + c - 2 (2 + 2c) / 4 = c - 1."""
    x = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    assert build_mmd_gan(scales=(1.0,)).generator(x, x).item() == pytest.approx(math.exp(-0.5) - 1, abs=1e-12)


def test_the_energy_distance_of_two_gaussians_one_apart_is_the_known_number() -> None:
    """N(0, 1) against N(1, 1): .541806; the estimate on n quantiles is below it by 4 / (sqrt pi (n - 1))."""
    n = 2000
    value = build_energy_distance().generator(quantiles(n, 0.0), quantiles(n, 1.0)).item()
    assert value + 4 / (math.sqrt(math.pi) * (n - 1)) == pytest.approx(0.541806, abs=1e-4)


@pytest.mark.parametrize("width", [0.5, 2.0])
def test_the_mmd_of_two_gaussians_one_apart_has_its_closed_form(width: float) -> None:
    """E k(x, y) = s / sqrt(s^2 + 2) e^(-m^2 / 2 (s^2 + 2)) for unit variances and means m apart (Gretton et al.)."""

    def expected(shift: float) -> float:
        return width / math.sqrt(width**2 + 2) * math.exp(-(shift**2) / (2 * (width**2 + 2)))

    n = 2000
    value = build_mmd_gan(scales=(width,)).generator(quantiles(n, 0.0), quantiles(n, 1.0)).item()
    bias = 2 * (expected(0) - 1) / (n - 1)
    assert value - bias == pytest.approx(2 * expected(0) - 2 * expected(1), abs=1e-4)


@every_game
def test_the_witness_is_the_mean_kernel_to_real_less_that_to_fake(name: str) -> None:
    seen, real, fake = torch.randn(3, 4, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    kernel = KERNELS[name]
    by_hand = [sum(kernel(x, r) - kernel(x, f) for r, f in zip(real, fake, strict=True)) / 4 for x in seen]
    assert GAMES[name]().witness(seen, real, fake).tolist() == pytest.approx(by_hand, abs=1e-5)


def test_the_surrogate_critic_follows_its_witness_and_leaves_the_generator_alone() -> None:
    """Its loss is -E f(x) + E f(G), f the witness; over the fakes f leaves out the sample itself."""
    real, fake = torch.randn(2, 5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    game = build_energy_distance(surrogate=True)
    on_real = game.witness(real, real, fake).mean().item()
    on_fake = sum(float((x - fake).norm(dim=1).sum()) / 4 - float(x.norm()) for x in fake) / 5
    assert game.critic(real, fake).item() == pytest.approx(on_fake - on_real, abs=1e-5)
    assert game.generator(real, fake).item() == build_energy_distance().generator(real, fake).item()


@every_game
def test_equal_features_have_finite_gradients(name: str) -> None:
    x = torch.ones(4, 3)
    slopes = grad(GAMES[name]().generator, argnums=(0, 1))(x, x)
    assert all(slope.isfinite().all() for slope in slopes)


def test_the_energy_distance_warns_of_a_critic_without_a_constraint() -> None:
    caution = OFFERS["energy-distance"].caution
    (warning,) = caution(SimpleNamespace(constraints=()), {})
    assert "its loss has no minimum" in warning
    assert list(caution(SimpleNamespace(constraints=("gradient-penalty",)), {})) == []


@every_game
def test_a_batch_of_one_sample_is_refused(name: str) -> None:
    with pytest.raises(GanbenchError, match="compares pairs"):
        GAMES[name]().generator(torch.zeros(1, 2), torch.zeros(1, 2))


def test_a_scale_of_zero_is_refused() -> None:
    with pytest.raises(GanbenchError, match="scales above 0"):
        build_mmd_gan(scales=(1.0, 0.0))
