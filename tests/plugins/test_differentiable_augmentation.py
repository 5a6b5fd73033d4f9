"""Differentiable augmentation: each change by hand on an image, one law for real and fake, and its gradient."""

from __future__ import annotations

import pytest
import torch
from ganbench import Draw, GanbenchError
from ganbench.engine.program import Link, Program
from torch import Tensor
from torch.func import vmap

from ganbench_plugins.inputs import differentiable_augmentation
from tests.support.small_games import NS, conv, images, make_training

(OFFER,) = differentiable_augmentation.ganbench_inputs()
PROGRESS = torch.tensor(0.0)


def change(x: Tensor, policy: str, **numbers: float) -> Tensor:
    """Return images under one change, all with the same numbers."""
    draws = {name: torch.full((len(x), 1, 1, 1), value, dtype=x.dtype) for name, value in numbers.items()}
    return OFFER.build(policy=(policy,)).view(x, draws, PROGRESS)


def draw_images(n: int = 3, channels: int = 3, side: int = 8) -> Tensor:
    return torch.randn(n, channels, side, side, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_brightness_adds_up_to_a_half_to_every_pixel() -> None:
    x = draw_images()
    for number, added in ((0.0, -0.5), (0.5, 0.0), (0.75, 0.25)):
        torch.testing.assert_close(change(x, "color", brightness=number, saturation=0.5, contrast=0.5), x + added)


def test_saturation_scales_the_distance_from_grey_from_0_to_2() -> None:
    x = draw_images()
    grey = x.mean(1, keepdim=True).expand_as(x)
    for number, factor in ((0.0, 0.0), (0.25, 0.5), (1.0, 2.0)):
        changed = change(x, "color", brightness=0.5, saturation=number, contrast=0.5)
        torch.testing.assert_close(changed, torch.lerp(grey, x, factor))


def test_contrast_scales_the_distance_from_the_images_mean_from_a_half_to_one_and_a_half() -> None:
    x = draw_images()
    mean = torch.stack([image.mean() for image in x]).reshape(-1, 1, 1, 1).expand_as(x)
    for number, factor in ((0.0, 0.5), (0.5, 1.0), (0.9, 1.4)):
        changed = change(x, "color", brightness=0.5, saturation=0.5, contrast=number)
        torch.testing.assert_close(changed, torch.lerp(mean, x, factor))


@pytest.mark.parametrize(("down", "right"), [(0, 0), (1, 0), (0, -1), (-1, 1), (1, 1)])
def test_translation_moves_the_image_and_fills_with_zeros(down: int, right: int) -> None:
    """An eighth of 8 pixels: the shifts are -1, 0, 1, each on a third of U[0, 1]."""
    x = draw_images()
    padded = torch.nn.functional.pad(x, (1, 1, 1, 1))
    expected = padded[:, :, 1 - down : 9 - down, 1 - right : 9 - right]
    changed = change(x, "translation", down=(down + 1.5) / 3, right=(right + 1.5) / 3)
    assert torch.equal(changed, expected)


@pytest.mark.parametrize(
    ("row", "column", "rows", "columns"), [(4, 4, (2, 6), (2, 6)), (0, 8, (0, 2), (6, 8)), (7, 2, (5, 8), (0, 4))]
)
def test_cutout_sets_a_square_of_half_the_side_to_zero(
    row: int, column: int, rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    """The centre is one of 9 places along either side of 8 pixels; what lies outside the image is lost."""
    x = draw_images()
    expected = x.clone()
    expected[:, :, rows[0] : rows[1], columns[0] : columns[1]] = 0
    assert torch.equal(change(x, "cutout", row=(row + 0.5) / 9, column=(column + 0.5) / 9), expected)


def test_all_shifts_are_equally_frequent_and_a_number_of_1_is_one_of_them() -> None:
    numbers = torch.linspace(0, 1, 30001)[:-1]
    shifts = differentiable_augmentation.choose(numbers, -2, 5)
    assert torch.bincount(shifts + 2).tolist() == pytest.approx([6000] * 5, abs=2)
    assert int(differentiable_augmentation.choose(torch.tensor(1.0), -2, 5)) in range(-2, 3)


def test_the_changes_of_a_policy_follow_one_another() -> None:
    x, part = draw_images(), OFFER.build(policy=("color", "translation", "cutout"))
    draws = {name: torch.rand(3, 1, 1, 1, generator=torch.Generator().manual_seed(1)).double() for name in part.draws}
    step = x
    for policy in ("color", "translation", "cutout"):
        step = OFFER.build(policy=(policy,)).view(step, draws, PROGRESS)
    assert torch.equal(part.view(x, draws, PROGRESS), step)
    assert set(part.draws.values()) == {Draw("uniform", "sample")}
    assert list(OFFER.build(policy=("cutout",)).draws) == ["row", "column"]


def test_each_image_is_changed_by_its_own_numbers_and_maps_over_seeds() -> None:
    part, x = OFFER.build(), draw_images(4)
    draws = {name: torch.rand(4, 1, 1, 1, generator=torch.Generator().manual_seed(2)).double() for name in part.draws}
    together = part.view(x, draws, PROGRESS)
    for i in range(4):
        alone = part.view(x[i : i + 1], {name: number[i : i + 1] for name, number in draws.items()}, PROGRESS)
        torch.testing.assert_close(together[i : i + 1], alone, rtol=0, atol=1e-12)
    seeds = torch.stack([x, x.flip(0)])
    mapped = vmap(lambda x, draws: part.view(x, draws, PROGRESS))(
        seeds, {n: torch.stack([d, d]) for n, d in draws.items()}
    )
    torch.testing.assert_close(mapped[0], together, rtol=0, atol=1e-12)


def test_the_gradient_passes_through_every_change() -> None:
    """A pixel that stays has the slope 1 (translation, cutout); under all changes the finite difference agrees."""
    part, x = OFFER.build(), draw_images(2).requires_grad_()
    draws = {name: torch.full((2, 1, 1, 1), 0.6, dtype=torch.float64) for name in part.draws}
    assert torch.autograd.gradcheck(lambda x: part.view(x, draws, PROGRESS), (x,))


def test_in_training_real_and_fake_are_changed_by_one_law_with_numbers_of_their_own() -> None:
    part = OFFER.build()
    program = Program(objective=NS, inputs=(Link("augment", 1.0, part),))
    inputs = make_training(program, conv(), images()).begin_stage(0).inputs["critic"].next()["views"]["augment"]
    assert inputs["real"].keys() == inputs["fake"].keys() == part.draws.keys()
    for name in part.draws:
        real, fake = inputs["real"][name], inputs["fake"][name]
        assert real.shape == fake.shape == (3, 16, 1, 1, 1)
        assert not torch.equal(real, fake)
        assert 0 <= min(real.min(), fake.min()) <= max(real.max(), fake.max()) <= 1
    runs = [make_training(program, conv(), images(), mode=mode, steps=4) for mode in ("stack", "loop")]
    samples = [run.draw_samples(list(run.run())[-1], 8) for run in runs]
    torch.testing.assert_close(*samples, rtol=0, atol=1e-6)


def test_flat_samples_are_refused_in_words() -> None:
    with pytest.raises(GanbenchError, match=r"changes images \[channels, height, width\]; these samples are \[2\]"):
        OFFER.build().view(torch.zeros(4, 2), {}, PROGRESS)


@pytest.mark.parametrize("policy", [(), ("color", "color")])
def test_a_policy_without_sense_is_refused(policy: tuple[str, ...]) -> None:
    with pytest.raises(GanbenchError, match="give each change once, at least one of color, translation, cutout"):
        OFFER.build(policy=policy)
