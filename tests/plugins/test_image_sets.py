"""Known sets of images are read from small files in their real formats, by the loaders that read the real ones."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ganbench import GanbenchError, NotInstalled, Source, registry
from ganbench.testing.contracts import contracts
from PIL import Image
from torch import Tensor

from ganbench_plugins.datasets import folder, image_files, imagenet32, torchvision_sets
from tests.support import image_files as writers

REGISTRY = registry.load(plugins=[torchvision_sets, imagenet32, folder], installed=False)
OPTIONS: dict[str, dict[str, Any]] = {
    "mnist": {},
    "cifar10": {},
    "stl10": {"images": "train", "pixels": 0},
    "celeba": {"attribute": "Smiling", "pixels": 0},
    "lsun": {"pixels": 70},
    "imagenet32": {},
}
WRITE: dict[str, Callable[..., dict[str, Any]]] = {name: getattr(writers, f"write_{name}") for name in OPTIONS}
every_set = pytest.mark.parametrize("name", OPTIONS)


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GANBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


def build(name: str, **options: Any) -> Source:
    return REGISTRY.build("datasets", name, options)


def take_all(source: Source) -> Tensor:
    assert source.take is not None
    return source.take(torch.arange(source.size))


def crop(images: np.ndarray) -> np.ndarray:
    """Return the centre of images [n, c, h, w], squares of their height."""
    left = (images.shape[3] - images.shape[2]) // 2
    return images[..., left : left + images.shape[2]]


@every_set
def test_a_set_has_the_bytes_and_the_labels_of_its_files(name: str, tmp_path: Path, monkeypatch) -> None:
    written = WRITE[name](tmp_path / "data" / name, monkeypatch)
    source = build(name, **OPTIONS[name])
    (images, labels), (held_out, _) = written["train"], written["held_out"]
    if name == "lsun":
        images, held_out = (crop(each) for each in (images, held_out))
    taken, reference = take_all(source), source.reference(10**6)
    assert taken.dtype == reference.dtype == torch.uint8
    assert source.shape == images.shape[1:]
    if name == "lsun":  # every second picture is written with loss
        taken, images = taken[::2], images[::2]
        assert {int(x) for x in reference.shape} == {5, 3, 70}
    else:
        assert sorted(map(bytes, reference.numpy())) == sorted(map(bytes, held_out))
    assert np.array_equal(taken.numpy(), images)
    if labels is None:
        assert (source.classes, source.labels) == (0, None)
    else:
        assert source.labels is not None
        assert source.labels(torch.arange(source.size)).tolist() == labels.astype(int).tolist()


@every_set
def test_a_set_follows_the_contracts(name: str, tmp_path: Path, monkeypatch) -> None:
    WRITE[name](tmp_path / "data" / name, monkeypatch)
    (offered,) = (each for each in REGISTRY.offers("datasets") if each.offer.name == name)
    given = {**OPTIONS[name], "flip": True, "root": str(tmp_path / "data" / name)}
    plugins = registry.load()
    asked = list(contracts(plugins, [offered], {("datasets", name): given}))
    assert len(asked) > 8
    for contract in asked:
        contract.check()


@every_set
def test_a_missing_download_is_told_with_what_to_fetch_and_where_to_put_it(name: str, tmp_path: Path) -> None:
    with pytest.raises(GanbenchError) as raised:
        build(name, **OPTIONS[name])
    message = str(raised.value)
    assert isinstance(raised.value.__cause__, NotInstalled), "then `ganbench check` skips it"
    assert message.startswith(f"dataset '{name}': there is no {tmp_path / 'data' / name}")
    assert "http" in message
    assert "MD5" in message
    assert "Nothing is downloaded" in message
    with pytest.raises(GanbenchError, match=r"there is no /no/such/place"):
        build(name, root="/no/such/place")


@every_set
def test_a_missing_download_has_the_shape_and_the_classes_of_what_is_missing(name: str, tmp_path: Path, monkeypatch):
    with pytest.raises(GanbenchError) as raised:
        build(name, **OPTIONS[name])
    lacking = NotInstalled.behind(raised.value)
    assert lacking is not None
    WRITE[name](tmp_path / "data" / name, monkeypatch)
    source = build(name, **OPTIONS[name])
    if name != "celeba":  # whose pictures have 218 x 178 pixels, and those of the tests fewer
        assert lacking.shape == source.shape
    assert lacking.classes == source.classes


@pytest.mark.parametrize("name", ["cifar10", "stl10", "celeba"])
def test_files_with_another_md5_are_refused(name: str, tmp_path: Path, monkeypatch) -> None:
    WRITE[name](tmp_path / "data" / name, monkeypatch)
    monkeypatch.undo()  # the tables of torchvision again
    with pytest.raises(GanbenchError, match=r"torchvision cannot read its files: .* does not have the MD5 \w{32}\."):
        build(name, root=str(tmp_path / "data" / name))


def test_a_damaged_file_is_named(tmp_path: Path, monkeypatch) -> None:
    writers.write_mnist(tmp_path / "data" / "mnist", monkeypatch)
    (tmp_path / "data" / "mnist" / "MNIST" / "raw" / "t10k-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + b"\0" * 9)
    with pytest.raises(GanbenchError, match=r"dataset 'mnist': torchvision cannot read its files: .*mnist"):
        build("mnist")


def test_a_second_build_reads_the_cache_and_other_files_are_decoded_anew(tmp_path: Path, monkeypatch) -> None:
    root = tmp_path / "data" / "mnist"
    writers.write_mnist(root, monkeypatch)
    first = build("mnist")
    with monkeypatch.context() as patch:
        patch.setattr(image_files, "decode", lambda *_: pytest.fail("decoded again"))
        assert torch.equal(take_all(first), take_all(build("mnist", flip=True)))
    assert not [*(tmp_path / "cache").rglob("*.part")]
    images = writers.make_images(40, 1, 28)
    writers.write_idx(root / "MNIST" / "raw" / "train-images-idx3-ubyte", images[:, 0])
    os.utime(root / "MNIST" / "raw" / "train-images-idx3-ubyte", (0, 0))
    second = build("mnist")
    assert np.array_equal(take_all(second).numpy(), images)
    assert first.digest != second.digest


def test_an_interrupted_packing_leaves_nothing_that_is_taken_for_a_set(tmp_path: Path, monkeypatch) -> None:
    writers.write_mnist(tmp_path / "data" / "mnist", monkeypatch)

    def stop(*_: Any) -> Any:
        raise KeyboardInterrupt

    save = np.save
    monkeypatch.setattr(np, "save", stop)
    with pytest.raises(KeyboardInterrupt):
        build("mnist")
    monkeypatch.setattr(np, "save", save)
    assert not [*(tmp_path / "cache" / "datasets").iterdir()]
    assert build("mnist").size == 40


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch) -> None:
    writers.write_mnist(tmp_path / "data" / "mnist", monkeypatch)
    (tmp_path / "cache").mkdir(exist_ok=True)
    (tmp_path / "cache" / "datasets").write_text("in the way")
    with pytest.raises(GanbenchError, match=r"cannot keep the decoded images in .*Set GANBENCH_CACHE"):
        build("mnist")


def test_a_damaged_cache_is_told(tmp_path: Path, monkeypatch) -> None:
    writers.write_mnist(tmp_path / "data" / "mnist", monkeypatch)
    build("mnist")
    (packed,) = (tmp_path / "cache" / "datasets").iterdir()
    os.truncate(packed / "train.bytes", 100)
    with pytest.raises(GanbenchError, match=rf"{packed.name}: .*a damaged folder in it may be deleted"):
        build("mnist")


def test_images_are_cropped_to_their_centre_and_brought_to_the_size_asked_for(tmp_path: Path, monkeypatch) -> None:
    (images, _) = writers.write_celeba(tmp_path / "data" / "celeba", monkeypatch)["train"]
    source = build("celeba", pixels=32)
    assert source.shape == (3, 32, 32)
    assert source.classes == 0
    face = Image.fromarray(images[0].transpose(1, 2, 0))
    expected = np.asarray(face.resize((32, 32), Image.Resampling.BICUBIC, box=(0, 20, 178, 198)))
    assert np.array_equal(take_all(source)[0].numpy(), expected.transpose(2, 0, 1))
    writers.write_mnist(tmp_path / "data" / "mnist", monkeypatch)
    assert build("mnist", pixels=16).shape == (1, 16, 16)


def test_an_unknown_attribute_is_told_with_the_known_ones(tmp_path: Path, monkeypatch) -> None:
    writers.write_celeba(tmp_path / "data" / "celeba", monkeypatch)
    with pytest.raises(GanbenchError, match=r"no attribute 'Smilng'\. Known: Smiling, Young\."):
        build("celeba", attribute="Smilng")


def test_stl10_has_its_unlabelled_images_by_default(tmp_path: Path, monkeypatch) -> None:
    written = writers.write_stl10(tmp_path / "data" / "stl10", monkeypatch)
    source = build("stl10", pixels=0)
    assert np.array_equal(take_all(source).numpy(), written["unlabeled"][0])
    assert source.classes == 0
    assert build("stl10").shape == (3, 48, 48)


def test_lsun_reads_the_first_images_of_a_category_and_writes_nothing_beside_them(tmp_path: Path, monkeypatch) -> None:
    writers.write_lsun(tmp_path / "data" / "lsun", monkeypatch)
    (tmp_path / "_cache_x").write_bytes(b"no pickle is read from the current folder")
    before = {path for path in tmp_path.rglob("*") if "cache" not in path.parts}
    assert build("lsun", images=5, pixels=8).size == 5
    assert {path for path in tmp_path.rglob("*") if "cache" not in path.parts} == before


def test_lsun_without_lmdb_says_how_to_install_it(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(GanbenchError, match=r"it needs the package lmdb: pip install 'ganbench\[images\]'"):
        build("lsun")


def test_the_reference_is_held_out_or_training_images_in_a_fixed_mixed_order(tmp_path: Path, monkeypatch) -> None:
    writers.write_cifar10(tmp_path / "data" / "cifar10", monkeypatch)
    held_out, train = build("cifar10"), build("cifar10", reference="train")
    taken = {bytes(x) for x in take_all(train).numpy()}
    assert not {bytes(x) for x in held_out.reference(10).numpy()} & taken
    some = train.reference(20)
    assert len({bytes(x) for x in some.numpy()} & taken) == 20
    assert torch.equal(train.reference(7), some[:7])
    assert not torch.equal(some, take_all(train)[:20])


def test_a_large_set_is_streamed_and_gives_the_same_rows(tmp_path: Path, monkeypatch) -> None:
    writers.write_imagenet32(tmp_path / "data" / "imagenet32", monkeypatch)
    resident = build("imagenet32")
    monkeypatch.setattr(image_files, "LIMIT", 1000)
    streamed = build("imagenet32")
    assert (resident.stream, streamed.stream) == (False, True)
    assert streamed.digest
    assert torch.equal(take_all(resident), take_all(streamed))


def test_half_of_the_images_are_mirrored_by_their_sign() -> None:
    images, flip = torch.rand(6, 3, 4, 4), torch.tensor([1.0, -1, 1, -1, -1, 1]).view(6, 1, 1, 1)
    changed = image_files.flip_some(images, {"flip": flip})
    for i in range(6):
        assert torch.equal(changed[i], images[i] if flip[i] > 0 else images[i].flip(-1))


@pytest.mark.parametrize("folders", [("Imagenet32_train_npz", "Imagenet32_val_npz"), ("", "")])
def test_imagenet32_is_read_from_its_compressed_form_too(folders: tuple[str, str], tmp_path: Path, monkeypatch) -> None:
    root = tmp_path / "data" / "imagenet32"
    (images, labels) = writers.write_imagenet32(root, monkeypatch, "npz")["train"]
    for file in list(root.glob("*.npz")):
        place = root / folders[file.stem == "val_data"] / file.name
        place.parent.mkdir(exist_ok=True)
        file.rename(place)
    source = build("imagenet32")
    assert source.labels is not None
    assert np.array_equal(take_all(source).numpy(), images)
    assert source.labels(torch.arange(60)).tolist() == labels.tolist()


class Malicious:
    """An object whose pickle calls a function of the system."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (lambda mark: Malicious(os.mkdir, str(mark)), r"it asks for posix\.mkdir"),
        (lambda mark: Malicious(eval, f"open({str(mark)!r}, 'w')"), r"it asks for __builtin__\.eval"),
        (lambda mark: {"data": np.array([Malicious(os.mkdir, str(mark))], object), "labels": [1]}, "it asks for posix"),
        (lambda mark: {"data": np.zeros((2, 3072), np.uint8)}, "'labels'"),
        (lambda mark: {"data": np.zeros((2, 3072), np.uint8), "labels": [0, 1]}, "from 1 to 1000"),
        (lambda mark: {"data": np.zeros((2, 3072)), "labels": [1, 2]}, r"its `data` are float64 \[2, 3072\]"),
        (lambda mark: {"data": np.array([None, 1], object), "labels": [1, 2]}, "its `data` are object"),
    ],
)
def test_a_pickle_that_is_no_batch_is_refused_and_runs_no_code(content, reason, tmp_path: Path, monkeypatch) -> None:
    root, mark = tmp_path / "data" / "imagenet32", tmp_path / "mark"
    writers.write_imagenet32(root, monkeypatch)
    (root / "train_data_batch_3").write_bytes(pickle.dumps(content(mark), protocol=2))
    with pytest.raises(GanbenchError, match=rf"train_data_batch_3.*{reason}"):
        build("imagenet32")
    assert not mark.exists()


def test_a_compressed_batch_of_objects_is_refused(tmp_path: Path, monkeypatch) -> None:
    root, mark = tmp_path / "data" / "imagenet32", tmp_path / "mark"
    writers.write_imagenet32(root, monkeypatch, "npz")
    harmful = np.array([Malicious(os.mkdir, str(mark))], object)
    np.savez(root / "val_data.npz", data=harmful, labels=np.array([1]))
    with pytest.raises(GanbenchError, match=r"val_data\.npz is no batch of ImageNet 32x32: .*allow_pickle=False"):
        build("imagenet32")
    assert not mark.exists()
