"""Values of the newer constraints on critics, generators and kernels that are known."""

from __future__ import annotations

from itertools import chain
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from ganbench import Constraint, Draw, GanbenchError
from torch import Tensor
from torch.func import grad, vmap
from torch.nn.functional import conv2d, pad

from ganbench_plugins.constraints import (
    consistency,
    gradient_normalisation,
    gradient_penalties,
    orthogonal,
    path_length,
    score_penalties,
    spectral_norm,
)

MODULES = (
    consistency,
    gradient_normalisation,
    gradient_penalties,
    orthogonal,
    path_length,
    score_penalties,
    spectral_norm,
)
OFFERS = {offer.name: offer for offer in chain.from_iterable(module.ganbench_constraints() for module in MODULES)}
DOUBLE = torch.float64


def build(name: str, **options: Any) -> Constraint:
    part: Constraint = OFFERS[name].build(**options)
    return part


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


# DRAGAN


@pytest.mark.parametrize("shape", [(48,), (3, 4, 4)])
def test_dragan_costs_4_9_at_weight_10_on_a_slope_of_1_7(shape: tuple[int, ...]) -> None:
    w = normal(48)
    w = 1.7 * w / w.norm()
    real, share = normal(6, *shape, seed=1), torch.rand(6, *[1] * len(shape), dtype=DOUBLE)
    play = SimpleNamespace(
        critic=lambda x: x.flatten(1) @ w, real=real, draws={"noise": normal(6, *shape, seed=2), "share": share}
    )
    for noise in ("uniform", "gaussian"):
        assert 10 * build("dragan", noise=noise).critic(play).item() == pytest.approx(4.9, abs=1e-9)


def test_the_code_s_noise_has_one_standard_deviation_for_the_batch_and_one_share_for_each_sample() -> None:
    """D = |x|^2 / 2 has slope |x|: at real + a s U / 2 by hand; U is not centred."""
    real, noise = normal(5, 3, 2, seed=1), torch.rand(5, 3, 2, dtype=DOUBLE)
    share = torch.rand(5, 1, 1, dtype=DOUBLE)
    part = build("dragan")
    assert part.draws == {"noise": Draw("uniform", "data"), "share": Draw("uniform", "sample")}
    play = SimpleNamespace(
        critic=lambda x: x.flatten(1).square().sum(1) / 2, real=real, draws={"noise": noise, "share": share}
    )
    points = real + share * 0.5 * real.flatten().std() * noise
    expected = (points.flatten(1).norm(dim=1) - 1).square().mean()
    assert part.critic(play).item() == pytest.approx(expected.item(), abs=1e-9)
    gaussian = build("dragan", noise="gaussian", scale=10**0.5)
    assert gaussian.draws == {"noise": Draw("normal", "data")}
    expected = ((real + 10**0.5 * noise).flatten(1).norm(dim=1) - 1).square().mean()
    assert gaussian.critic(play).item() == pytest.approx(expected.item(), abs=1e-9)


# gradient normalisation


def test_a_normalised_linear_critic_is_its_score_over_slope_and_score() -> None:
    """D = w.x with |w| = 2 at scores 3 and -1: 3/5 and -1/3."""
    w = torch.tensor([0.0, 2.0], dtype=DOUBLE)
    critic = build("gradient-normalisation").wrap(lambda x: x @ w)
    x = torch.tensor([[7.0, 1.5], [4.0, -0.5]], dtype=DOUBLE)
    torch.testing.assert_close(critic(x), torch.tensor([0.6, -1 / 3], dtype=DOUBLE), atol=1e-9, rtol=0)


def test_a_normalised_piecewise_linear_critic_has_a_slope_of_at_most_1() -> None:
    """Theorem 3 of the paper, for a rectifier network however large its weights."""
    first, second, x = 30 * normal(2, 16), 30 * normal(16, seed=1), normal(500, 2, seed=2)
    critic = build("gradient-normalisation").wrap(lambda at: (at @ first).relu() @ second + 3)
    slopes = grad(lambda at: critic(at).sum())(x).norm(dim=1)
    assert slopes.max() <= 1 + 1e-9
    assert critic(x).abs().max() < 1


# drift and LeCam


def test_drift_is_the_mean_square_of_real_scores_alone() -> None:
    play = SimpleNamespace(scores_real=torch.tensor([1.0, -3.0]), scores_fake=torch.tensor([100.0, 100.0]))
    assert build("drift").critic(play).item() == 5.0


def test_lecam_draws_scores_to_the_averages_of_the_other_side() -> None:
    part = build("lecam", decay=0.75)
    assert part.init is not None
    state = part.init({}, torch.Generator())
    first = SimpleNamespace(scores_real=torch.tensor([1.0, 3.0]), scores_fake=torch.tensor([-1.0, 0.0]))
    value, state = part.critic(first, state)
    assert (state["real"], state["fake"]) == (2.0, -0.5)  # the first averages are the first batch's means
    assert value.item() == pytest.approx((1.5**2 + 3.5**2) / 2 + (3**2 + 2**2) / 2)
    second = SimpleNamespace(scores_real=torch.tensor([4.0, 4.0]), scores_fake=torch.tensor([0.5, 0.5]))
    value, state = part.critic(second, state)
    assert (state["real"].item(), state["fake"].item()) == (2.5, -0.25)  # 3/4 2 + 1/4 4, -3/8 + 1/8
    assert value.item() == pytest.approx(4.25**2 + 2**2)


def test_lecam_s_averages_are_not_differentiated() -> None:
    part = build("lecam")
    assert part.init is not None
    state = part.init({}, torch.Generator())

    def term(shift: Tensor) -> Tensor:
        real, fake = torch.tensor([1.0, 3.0]) + shift, torch.tensor([0.0, 2.0])
        value: Tensor = part.critic(SimpleNamespace(scores_real=real, scores_fake=fake), state)[0]
        return value

    assert grad(term)(torch.tensor(0.0)).item() == pytest.approx(2 * (2 - 1))  # d/ds E (r + s - F)^2, F = 1 fixed


# path length


def play_of_linear_generator(matrix: Tensor, shape: tuple[int, ...], y: Tensor, n: int) -> SimpleNamespace:
    return SimpleNamespace(
        generator=lambda z: (z @ matrix).reshape(len(z), *shape),
        latent=normal(n, matrix.shape[0], seed=3),
        draws={"y": y},
    )


def test_the_path_lengths_of_a_linear_generator_are_those_of_its_matrix() -> None:
    """G(z) = z A has J' y = A y; on 2 x 4 x 4 images y is divided by 4."""
    matrix, y = normal(5, 32, seed=1), normal(6, 2, 4, 4, seed=2)
    part = build("path-length", decay=0.25)
    assert part.every == 4
    assert part.init is not None
    state = {"mean": torch.tensor(1.0, dtype=DOUBLE)}
    value, after = part.generator(play_of_linear_generator(matrix, (2, 4, 4), y, 6), state)
    lengths = (y.flatten(1) @ matrix.T / 4).norm(dim=1)
    mean = 0.75 + 0.25 * lengths.mean()
    assert after["mean"].item() == pytest.approx(mean.item(), abs=1e-9)
    assert value.item() == pytest.approx((lengths - mean).square().mean().item(), abs=1e-9)


def test_a_generator_with_orthonormal_rows_has_no_path_penalty_in_the_limit() -> None:
    """J' y of n rows has the length of n normal numbers; for many latents of one y it is a constant, so the mean."""
    part, matrix = build("path-length", decay=1.0), torch.eye(4, dtype=DOUBLE)
    y = normal(1, 4, seed=4).expand(3, 4)
    value, _ = part.generator(play_of_linear_generator(matrix, (4,), y, 3), {"mean": torch.zeros((), dtype=DOUBLE)})
    assert value.item() == pytest.approx(0.0, abs=1e-12)


# consistency


def draws_for(n: int, side: str, down: float, right: float) -> dict[str, Tensor]:
    return {f"{side}.{name}": torch.full((n, 1, 1, 1), u) for name, u in (("down", down), ("right", right))}


def test_flips_and_shifts_are_those_of_the_drawn_numbers() -> None:
    """With one pixel: u < 1/3 moves up, the middle third stays; right of 1/2 the image is mirrored."""
    image = torch.arange(12.0).reshape(1, 1, 3, 4)
    change = consistency.flip_and_shift
    assert torch.equal(change(image, draws_for(1, "real", 0.5, 0.25), "real", 1), image)
    assert torch.equal(change(image, draws_for(1, "real", 0.5, 0.75), "real", 1), image.flip(3))
    down = change(image, draws_for(1, "real", 0.9, 0.25), "real", 1)
    assert torch.equal(down[0, 0], torch.stack([image[0, 0, 1], image[0, 0, 0], image[0, 0, 1]]))
    left = change(image, draws_for(1, "real", 0.5, 0.0), "real", 1)
    assert torch.equal(left[0, 0, 0], torch.tensor([1.0, 2.0, 3.0, 2.0]))


def test_all_shifts_and_both_sides_are_equally_likely() -> None:
    count = 10_000
    draws = {
        "real.down": torch.full((count, 1, 1, 1), 0.5),
        "real.right": ((torch.arange(count) + 0.5) / count).reshape(-1, 1, 1, 1),
    }
    row = torch.arange(8.0).reshape(1, 1, 1, 8).expand(count, 1, 1, 8)
    changed = consistency.flip_and_shift(row, draws, "real", 2)
    _, frequencies = changed.unique(dim=0, return_counts=True)
    assert sorted(frequencies.tolist()) == [count // 10] * 10


def test_consistency_is_the_squared_change_of_scores_on_its_sides() -> None:
    """With a critic that reads the first pixel, a mirrored image changes the score from 0 to its last column."""
    real = torch.tensor([[[[0.0, 1.0, 2.0, 5.0]]]]).expand(2, 1, 1, 4)
    fake = torch.tensor([[[[0.0, 0.0, 0.0, 2.0]]]]).expand(2, 1, 1, 4)

    def critic(x: Tensor) -> Tensor:
        return x[:, 0, 0, 0]

    draws = draws_for(2, "real", 0.5, 0.75) | draws_for(2, "fake", 0.5, 0.75)
    play = SimpleNamespace(
        critic=critic, real=real, fake=fake, scores_real=critic(real), scores_fake=critic(fake), draws=draws
    )
    assert build("consistency", pixels=0).critic(play).item() == 25.0
    assert build("balanced-consistency", pixels=0).critic(play).item() == 29.0
    assert build("balanced-consistency", pixels=0, real=2.0, fake=0.5).critic(play).item() == 52.0


def test_jitter_works_on_points_and_flips_are_refused_there() -> None:
    x = torch.tensor([[1.0, 2.0]])
    noise = {"real.noise": torch.tensor([[10.0, 0.0]])}
    play = SimpleNamespace(critic=lambda at: at.sum(1), real=x, scores_real=x.sum(1), draws=noise)
    assert build("consistency", augment="jitter", sigma=0.1).critic(play).item() == pytest.approx(1.0)
    with pytest.raises(GanbenchError, match=r"these samples are \[2\]. Use augment = 'jitter'"):
        build("consistency").critic(play)


# orthogonal regularisation


def test_orthogonal_regularisation_in_both_forms_for_either_player() -> None:
    """Rows (3, 0) and (1, 2): W W' = [[9, 3], [3, 5]]: off the diagonal 18, in full 64 + 16 + 18."""
    weights = {"w": torch.tensor([[3.0, 0.0], [1.0, 2.0]]), "bias": torch.tensor([9.0])}
    unit = {"w": torch.eye(3).reshape(3, 1, 1, 3)}
    play = SimpleNamespace(critic_parameters=weights, generator_parameters=unit)
    for form, value in (("off-diagonal", 18.0), ("full", 98.0)):
        assert build("orthogonal", form=form, player="critic").critic(play).item() == value
        assert build("orthogonal", form=form).generator(play).item() == 0.0


# the exact norm of a convolution


@pytest.mark.parametrize("shape", [(3, 2, 3, 3), (2, 4, 4, 4), (1, 1, 5, 5)])
def test_the_operator_norm_of_a_convolution_is_that_of_its_dense_matrix(shape: tuple[int, ...]) -> None:
    kernel, side = normal(*shape), 8
    basis = torch.eye(shape[1] * side * side, dtype=DOUBLE).reshape(-1, shape[1], side, side)
    size = shape[2]
    columns = conv2d(pad(basis, (0, size - 1, 0, size - 1), mode="circular"), kernel).flatten(1)
    exact = torch.linalg.svdvals(columns)[0]
    assert spectral_norm.operator_norm(kernel, side).item() == pytest.approx(exact.item(), rel=1e-10)


def test_the_exact_norm_divides_convolutions_and_the_power_iteration_the_rest() -> None:
    parameters = {"conv": normal(3, 2, 3, 3), "zero": torch.zeros(1, 1, 3, 3, dtype=DOUBLE), "linear": normal(4, 5)}
    part = build("spectral-norm", operator="convolution", side=8)
    assert part.init is not None
    state = part.init(parameters, torch.Generator().manual_seed(0))
    normalised, after = part.reparametrise(parameters, state)
    assert spectral_norm.operator_norm(normalised["conv"], 8).item() == pytest.approx(1.0, rel=1e-10)
    assert torch.equal(normalised["zero"], parameters["zero"])
    plain = build("spectral-norm")
    expected, _ = plain.reparametrise({"linear": parameters["linear"]}, {"linear": state["linear"]})
    assert torch.equal(normalised["linear"], expected["linear"])
    assert after.keys() == state.keys()


def test_unfolding_is_another_number_than_the_operator_norm() -> None:
    """A kernel of ones, 3 x 3: the unfolded matrix has norm 3, the operator 9, on a constant image."""
    kernel = torch.ones(1, 1, 3, 3, dtype=DOUBLE)
    assert spectral_norm.operator_norm(kernel, 8).item() == pytest.approx(9.0)
    assert torch.linalg.svdvals(kernel.flatten(1))[0].item() == pytest.approx(3.0)


def test_seeds_mapped_together_have_the_norms_of_each_alone() -> None:
    kernels = normal(3, 2, 2, 3, 3)
    mapped = vmap(grad(lambda kernel: spectral_norm.operator_norm(kernel, 6)))(kernels)
    alone = torch.stack([grad(lambda kernel: spectral_norm.operator_norm(kernel, 6))(kernel) for kernel in kernels])
    torch.testing.assert_close(mapped, alone, atol=1e-10, rtol=0)
