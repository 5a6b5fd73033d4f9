"""Small files in the real formats of known sets of images, and the MD5 tables of torchvision that accept them."""

from __future__ import annotations

import hashlib
import io
import pickle
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

RNG = np.random.RandomState(0)


def make_images(count: int, channels: int, side: int) -> NDArray[np.uint8]:
    """Return random images [count, channels, side, side]; the first pixel of the i-th is i."""
    images = RNG.randint(0, 256, (count, channels, side, side), np.uint8)
    images[:, :, 0, 0] = np.arange(count)[:, None]
    return images


def md5(file: Path) -> str:
    return hashlib.md5(file.read_bytes()).hexdigest()


def encode(image: NDArray[np.uint8], form: str) -> bytes:
    """Return an image [3, h, w] as a file in this format."""
    stream = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(stream, form)
    return stream.getvalue()


def write_idx(file: Path, values: NDArray[np.uint8]) -> None:
    """Write an array in the format of MNIST: a magic number, big-endian sizes, bytes."""
    sizes = np.array(values.shape, ">i4").tobytes()
    file.write_bytes(bytes([0, 0, 8, values.ndim]) + sizes + values.tobytes())


def write_mnist(root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    raw, sets = root / "MNIST" / "raw", {}
    raw.mkdir(parents=True)
    for name, prefix, count in (("train", "train", 40), ("held_out", "t10k", 20)):
        images, labels = make_images(count, 1, 28), (np.arange(count) % 10).astype(np.uint8)
        write_idx(raw / f"{prefix}-images-idx3-ubyte", images[:, 0])
        write_idx(raw / f"{prefix}-labels-idx1-ubyte", labels)
        sets[name] = images, labels
    return sets


def write_cifar10(root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    from torchvision.datasets import CIFAR10

    base = root / CIFAR10.base_folder
    base.mkdir(parents=True)
    images, labels = make_images(60, 3, 32), np.arange(60) % 10
    names = [name for name, _ in (*CIFAR10.train_list, *CIFAR10.test_list)]
    for i, name in enumerate(names):
        some = slice(10 * i, 10 * i + 10)
        batch = {"data": images[some].reshape(10, -1), "labels": labels[some].tolist(), "filenames": ["x.png"] * 10}
        (base / name).write_bytes(pickle.dumps(batch, protocol=2))
    meta = base / CIFAR10.meta["filename"]
    meta.write_bytes(pickle.dumps({"label_names": [f"class {i}" for i in range(10)], "num_cases_per_batch": 10}))
    sums = [[name, md5(base / name)] for name in names]
    monkeypatch.setattr(CIFAR10, "train_list", sums[:5])
    monkeypatch.setattr(CIFAR10, "test_list", sums[5:])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": md5(meta)})
    return {"train": (images[:50], labels[:50]), "held_out": (images[50:], labels[50:])}


def write_stl10(root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    from torchvision.datasets import STL10

    base, sets = root / STL10.base_folder, {}
    base.mkdir(parents=True)
    for name, prefix, count in (("train", "train", 20), ("unlabeled", "unlabeled", 30), ("held_out", "test", 12)):
        images, labels = make_images(count, 3, 96), (np.arange(count) % 10).astype(np.uint8)
        images.transpose(0, 1, 3, 2).tofile(base / f"{prefix}_X.bin")  # column by column, as the set is published
        if name != "unlabeled":
            (labels + 1).tofile(base / f"{prefix}_y.bin")
        sets[name] = images, labels
    (base / "class_names.txt").write_text("\n".join(f"class {i}" for i in range(10)))
    for table in ("train_list", "test_list"):
        monkeypatch.setattr(STL10, table, [[name, md5(base / name)] for name, _ in getattr(STL10, table)])
    return sets


def write_celeba(root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    from torchvision.datasets import CelebA

    base, count = root / CelebA.base_folder, 24
    (base / "img_align_celeba").mkdir(parents=True)
    images = RNG.randint(0, 256, (count, 3, 218, 178), np.uint8)
    names = [f"{i + 1:06}.jpg" for i in range(count)]
    for name, image in zip(names, images, strict=True):
        (base / "img_align_celeba" / name).write_bytes(encode(image, "PNG"))  # without loss; Pillow reads the content
    smiling, sides = np.arange(count) % 3 == 0, np.repeat([0, 1, 2], [14, 2, 8])
    (base / "list_eval_partition.txt").write_text("".join(f"{n} {s}\n" for n, s in zip(names, sides, strict=True)))
    (base / "identity_CelebA.txt").write_text("".join(f"{name} {i}\n" for i, name in enumerate(names)))
    rows = "".join(f"{n}  {2 * int(s) - 1} -1\n" for n, s in zip(names, smiling, strict=True))
    (base / "list_attr_celeba.txt").write_text(f"{count}\nSmiling Young \n{rows}")
    for name, columns in (("list_bbox_celeba.txt", 4), ("list_landmarks_align_celeba.txt", 10)):
        rows = "".join(f"{each}  {'1 ' * columns}".rstrip() + "\n" for each in names)
        (base / name).write_text(f"{count}\n{' '.join('x' * columns)}\n{rows}")
    table = [(i, md5(base / name) if name.endswith(".txt") else s, name) for i, s, name in CelebA.file_list]
    monkeypatch.setattr(CelebA, "file_list", table)
    return {"train": (images[:14], smiling[:14]), "held_out": (images[16:], smiling[16:])}


def write_lsun(root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    sets = {}
    for name, side, count in (("train", "train", 12), ("held_out", "val", 5)):
        images = RNG.randint(0, 256, (count, 3, 70, 100), np.uint8)
        folder = root / f"bedroom_{side}_lmdb"
        folder.mkdir(parents=True)
        with lmdb.open(str(folder), map_size=2**24) as database, database.begin(write=True) as transaction:
            for i, image in enumerate(images):
                transaction.put(f"{i:040}".encode(), encode(image, "WEBP" if i % 2 else "PNG"))
        sets[name] = images, None
    return sets


def write_imagenet32(root: Path, monkeypatch: pytest.MonkeyPatch, form: str = "pickle") -> dict[str, Any]:
    """Write eleven batches, as pickles of today's or Python 2's numpy or as compressed arrays."""
    root.mkdir(parents=True, exist_ok=True)
    images, labels = make_images(66, 3, 32), np.arange(66) * 15 + 1
    for i, name in enumerate([*(f"train_data_batch_{i}" for i in range(1, 11)), "val_data"]):
        some = slice(6 * i, 6 * i + 6)
        batch = {"data": images[some].reshape(6, -1), "labels": labels[some].tolist()}
        if form == "npz":
            np.savez(root / f"{name}.npz", **batch, mean=np.zeros(3072))
        else:
            batch = batch if name == "val_data" else {**batch, "mean": np.zeros(3072)}
            (root / name).write_bytes(pickle.dumps(batch, protocol=2 if i % 2 else 4))
    return {"train": (images[:60], labels[:60] - 1), "held_out": (images[60:], labels[60:] - 1)}
