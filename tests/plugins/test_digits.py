"""The digits have a fixed split, and their extractor classifies them well."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from ganbench import GanbenchError, Source, registry, suite
from safetensors.torch import load_file
from sklearn.datasets import load_digits
from torch import Tensor

from ganbench_plugins.datasets import digits, small_classifier
from tests.support.metric_checks import METRICS, measure, normal


@pytest.fixture(scope="module")
def source() -> Source:
    return digits.digits()


def extract(source: Source, x: Tensor) -> tuple[Tensor, Tensor]:
    assert source.extractor is not None
    answers = source.extractor.extract(x)
    return answers["features"], answers["logits"]


def test_the_table_is_scikit_learns_also_where_its_file_is_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    images, classes = load_digits(return_X_y=True)
    for _ in range(2):
        table = digits.read_table()
        assert (table[:, :-1] == images).all()
        assert (table[:, -1] == classes).all()
        monkeypatch.setattr(digits, "find_spec", lambda name: None)


def test_the_digits_do_not_import_scikit_learn() -> None:
    words = (
        "import sys; from ganbench_plugins.datasets import digits; digits.split(); sys.exit('sklearn' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", words], check=False).returncode == 0


def test_every_digit_is_on_exactly_one_side_of_the_split(source: Source) -> None:
    train, held_out = digits.split()
    everything = torch.cat((train.images, held_out.images)).flatten(1).add(1).mul(8)
    assert sorted(everything.long().tolist()) == sorted(load_digits().data.astype(int).tolist())
    assert (source.size, len(source.reference(10_000))) == (1201, 596)


def test_the_split_holds_out_a_third_of_each_class() -> None:
    train, held_out = digits.split()
    of_train, of_held_out = train.labels.bincount(), held_out.labels.bincount()
    assert ((of_train + of_held_out) // 3).tolist() == of_held_out.tolist()


def test_images_keep_their_labels_on_both_sides(source: Source) -> None:
    """Each row of either side, with its label, is a row of scikit-learn's with its label."""
    bunch = load_digits()
    originals = {
        (*row, label) for row, label in zip(bunch.data.astype(int).tolist(), bunch.target.tolist(), strict=True)
    }
    for rows in digits.split():
        pixels = rows.images.flatten(1).add(1).mul(8).long()
        assert {tuple(row) for row in torch.cat((pixels, rows.labels.unsqueeze(1)), dim=1).tolist()} <= originals


def test_pixels_fill_the_range_from_minus_one_to_one(source: Source) -> None:
    assert source.take is not None
    images = source.take(torch.arange(source.size))
    assert images.shape == (source.size, 1, 8, 8)
    assert images.dtype == torch.float32
    assert (images.min().item(), images.max().item()) == (-1.0, 1.0)


def test_take_and_labels_follow_the_indices(source: Source) -> None:
    assert source.take is not None
    assert source.labels is not None
    train, _ = digits.split()
    indices = torch.tensor([1200, 0, 7, 7])
    assert torch.equal(source.take(indices), train.images[indices])
    assert torch.equal(source.labels(indices), train.labels[indices])


def test_the_reference_is_held_out_and_its_first_images_are_nearly_balanced(source: Source) -> None:
    train, held_out = digits.split()
    reference = source.reference(200)
    assert torch.equal(reference, held_out.images[:200])
    assert torch.cdist(reference.flatten(1), train.images.flatten(1)).min() > 0.01
    counts = held_out.labels[:200].bincount(minlength=10)
    assert (counts.min() >= 15) & (counts.max() <= 25)


def test_the_shipped_extractor_classifies_97_percent_of_the_held_out_digits(source: Source) -> None:
    _, held_out = digits.split()
    _, logits = extract(source, held_out.images)
    assert (logits.argmax(dim=1) == held_out.labels).double().mean() >= 0.97


def test_the_weights_are_small_and_their_hash_is_the_digest(source: Source) -> None:
    content = digits.RECIPE.file.read_bytes()
    assert len(content) < 300_000
    assert source.extractor is not None
    assert source.extractor.digest == hashlib.sha256(content).hexdigest()


def test_an_images_features_depend_on_no_other_image(source: Source) -> None:
    images = source.reference(20)
    together, _ = extract(source, images)
    alone = torch.cat([extract(source, image.unsqueeze(0))[0] for image in images])
    assert together.shape == (20, 64)
    assert torch.allclose(together, alone, atol=1e-5)


def test_the_recipe_makes_weights_that_reach_97_percent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints the accuracy, writes the weights to the given file, and does not touch the global generator."""
    before, file = torch.get_rng_state(), tmp_path / "weights.safetensors"
    small_classifier.make_weights(digits.RECIPE, *digits.split(), str(file))
    assert torch.equal(torch.get_rng_state(), before)
    classifier = small_classifier.Classifier(digits.RECIPE)
    classifier.load_state_dict(load_file(file))
    accuracy = small_classifier.accuracy(classifier, digits.split()[1])
    assert accuracy >= 0.97
    assert f"held-out accuracy {accuracy:.2%} of 596 images" in capsys.readouterr().out


def test_the_shipped_weights_are_those_of_the_first_release(source: Source) -> None:
    """Stored scores name them by this digest."""
    assert source.extractor is not None
    assert source.extractor.digest == "bcabea68d551b33016fd63cbded8d901dee91bbb39b340e397319a6a673b723a"
    assert source.extractor.name == "digits-cnn"


@pytest.mark.parametrize(("pixels", "channels"), [(8, 3), (16, 1), (32, 1), (32, 3)])
def test_larger_digits_hold_the_same_pixels_and_the_extractor_sees_the_originals(pixels: int, channels: int) -> None:
    """Blocks of equal pixels are averaged back without a rounding, so features and logits have the same bits."""
    small, large = digits.digits(), digits.digits(pixels=pixels, channels=channels)
    x, enlarged = small.reference(50), large.reference(50)
    assert large.shape == enlarged.shape[1:] == (channels, pixels, pixels)
    assert (large.size, large.classes) == (1201, 10)
    assert torch.equal(enlarged[:, :1, :: pixels // 8, :: pixels // 8], x)
    assert sorted(enlarged.unique().tolist()) == sorted(x.unique().tolist())
    for ours, theirs in zip(extract(large, enlarged), extract(small, x), strict=True):
        assert torch.equal(ours, theirs)
    assert large.extractor is not None
    assert small.extractor is not None
    assert large.extractor.digest != small.extractor.digest


@pytest.mark.parametrize("count", [1, 100, 1201])
def test_fewer_training_images_are_the_first_ones_and_the_reference_stays(source: Source, count: int) -> None:
    few, (train, held_out) = digits.digits(training_images=count), digits.split()
    assert (few.size, few.classes, few.shape) == (count, 10, source.shape)
    assert few.take is not None
    assert few.labels is not None
    everything = torch.arange(count)
    assert torch.equal(few.take(everything), train.images[:count])
    assert torch.equal(few.labels(everything), train.labels[:count])
    assert torch.equal(few.reference(10_000), held_out.images)


def test_the_first_hundred_training_images_are_ten_of_each_class() -> None:
    """Of the longer beginnings tried here, no class is off its tenth by more than a seventh of it."""
    labels = digits.split()[0].labels
    assert labels[:100].bincount(minlength=10).tolist() == 10 * [10]
    for count in (200, 300, 400, 800):
        share = labels[:count].bincount(minlength=10) * 10 / count
        assert ((share - 1).abs() < 1 / 7).all()


@pytest.mark.parametrize("count", [0, 1202])
def test_a_count_that_the_training_rows_do_not_have_is_refused(count: int) -> None:
    with pytest.raises(GanbenchError, match=f"training_images.*{count}"):
        registry.load().options("datasets", "digits", {"training_images": count})


def test_all_training_images_are_the_default_which_no_trials_key_names() -> None:
    assert registry.load().options("datasets", "digits", {"training_images": 1201}) == {}


def measure_fid(source: Source, samples: Tensor) -> float:
    real = extract(source, source.reference(10_000))[0]
    return measure(METRICS["fid"], features=extract(source, samples)[0], reference_features=real)["fid"]


def test_untrained_baselines_have_the_known_fid(source: Source) -> None:
    """A Gaussian fitted to the training digits has an FID of 30, and 58 if clipped to their range; real digits 2.5."""
    train = digits.split()[0].images
    pixels = train.flatten(1).double()
    mean, spread = pixels.mean(0), torch.linalg.svd((pixels - pixels.mean(0)) / len(pixels) ** 0.5, full_matrices=False)
    gaussian = (mean + normal(0, 2000, 64) * spread.S @ spread.Vh).float().reshape(-1, 1, 8, 8)
    order = torch.rand(2000, 64, generator=torch.Generator().manual_seed(1)).argsort(1)
    shuffled = train[torch.arange(2000) % len(train)].flatten(1).gather(1, order).reshape(-1, 1, 8, 8)
    thresholds = suite.load("random_arch").success[0].thresholds
    assert measure_fid(source, gaussian.clamp(-1, 1)) == pytest.approx(58, abs=4)
    assert measure_fid(source, gaussian) == pytest.approx(30, abs=4)
    for baseline in (gaussian.clamp(-1, 1), shuffled, train[:10].repeat(200, 1, 1, 1)):
        assert measure_fid(source, baseline) > max(thresholds)
    assert measure_fid(source, train) == pytest.approx(2.5, abs=0.5)
