"""Rows of a file: NumPy arrays and tables of points or images, their labels, a fixed split, and words for mistakes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import ganbench
import numpy as np
import pytest
import torch
from ganbench import GanbenchError, Source, registry
from ganbench.testing.contracts import contracts

from ganbench_plugins.datasets import array, image_files
from tests.support.tiny_suite import suite

REGISTRY = registry.load(plugins=[array], installed=False)
RNG = np.random.RandomState(0)
POINTS = RNG.randn(50, 2).astype(np.float32)
IMAGES = RNG.randint(0, 256, (50, 3, 4, 5), np.uint8)
LABELS = np.arange(50) % 3


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GANBENCH_DATA", raising=False)
    monkeypatch.chdir(tmp_path)


def build(name: str, **options: Any) -> Source:
    return REGISTRY.build("datasets", "array", {"path": name, **options})


def require_split(source: Source, rows: np.ndarray, held_out: int = 5) -> None:
    """Assert that training rows and reference rows are these rows together, each once, the training rows in order."""
    assert source.take is not None
    train, reference = source.take(torch.arange(source.size)).numpy(), source.reference(10**6).numpy()
    assert train.dtype == reference.dtype
    assert (len(train), len(reference)) == (len(rows) - held_out, held_out)
    expected = [bytes(row) for row in rows.astype(train.dtype)]
    ours = [bytes(row) for row in train]
    assert sorted([*ours, *map(bytes, reference)]) == sorted(expected)
    assert ours == [row for row in expected if row in set(ours)]


def test_an_npy_file_of_points_or_images_is_read(tmp_path: Path) -> None:
    np.save("points.npy", POINTS)
    np.save("images.npy", IMAGES)
    require_split(build("points.npy"), POINTS)
    require_split(build("images.npy", held_out=0.2), IMAGES, 10)
    assert build("points.npy").shape == (2,)
    assert build("images.npy", flip=True).shape == (3, 4, 5)
    np.save("grey.npy", IMAGES[:, 0])
    assert build("grey.npy").shape == (1, 4, 5)
    np.save("last.npy", IMAGES.transpose(0, 2, 3, 1))
    require_split(build("last.npy", channels_last=True), IMAGES)
    with pytest.raises(GanbenchError, match=r"samples of \[4, 5, 3\] seem to have their channels last.*channels_last"):
        build("last.npy")


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int64, np.uint16])
def test_other_numbers_become_float32(dtype: Any, tmp_path: Path) -> None:
    rows = (POINTS * 100).astype(dtype)
    np.save("rows.npy", rows)
    source = build("rows.npy")
    assert source.take is not None
    assert source.take(torch.arange(3)).dtype == torch.float32
    require_split(source, rows.astype(np.float32))


def test_an_npz_file_has_arrays_by_key(tmp_path: Path) -> None:
    np.savez("two.npz", x=POINTS, y=LABELS)
    source = build("two.npz", key="x", labels="y")
    require_split(source, POINTS)
    assert source.classes == 3
    assert source.labels is not None
    assert source.take is not None
    for row, label in zip(source.take(torch.arange(45)), source.labels(torch.arange(45)).tolist(), strict=True):
        assert LABELS[(row.numpy() == POINTS).all(1)] == label
    with pytest.raises(GanbenchError, match=r"two\.npz has the arrays 'x', 'y': choose one, key"):
        build("two.npz")
    with pytest.raises(GanbenchError, match=r"has the arrays 'x', 'y': choose one"):
        build("two.npz", key="z")
    np.savez("one.npz", only=IMAGES)
    require_split(build("one.npz"), IMAGES)


def test_a_table_has_its_labels_in_a_column(tmp_path: Path) -> None:
    names = np.array(["cat", "dog", "owl"])[LABELS]
    rows = "".join(f"{x!r},{name},{y!r}\n" for (x, y), name in zip(POINTS.tolist(), names, strict=True))
    Path("rows.csv").write_text(f"x,kind,y\n{rows}")
    source = build("rows.csv", labels="kind")
    require_split(source, POINTS)
    assert source.facts["class_names"] == ("cat", "dog", "owl")
    with pytest.raises(GanbenchError, match=r"the column 'kind' is not of numbers, such as 'cat'"):
        build("rows.csv")
    with pytest.raises(GanbenchError, match=r"no column 'sort' for labels\. It has: x, kind, y"):
        build("rows.csv", labels="sort")


def test_labels_may_be_in_a_file_beside(tmp_path: Path) -> None:
    np.save("x.npy", POINTS)
    np.save("y.npy", LABELS.astype(float))
    first = build("x.npy", labels="y.npy")
    assert first.classes == 3
    np.save("y.npy", LABELS[::-1])
    assert build("x.npy", labels="y.npy").digest != first.digest
    np.save("y.npy", LABELS[:20])
    with pytest.raises(GanbenchError, match=r"its labels are int64 \[20\]\. .*each of the 50 rows"):
        build("x.npy", labels="y.npy")
    np.save("y.npy", np.arange(50))
    with pytest.raises(GanbenchError, match=r"50 different labels for 50 rows"):
        build("x.npy", labels="y.npy")
    np.save("y.npy", LABELS + 0.5)
    with pytest.raises(GanbenchError, match=r"its labels are float64"):
        build("x.npy", labels="y.npy")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_number_that_is_not_finite_is_refused_with_its_place(value: float, tmp_path: Path) -> None:
    rows = np.repeat(POINTS, 3, 0)
    rows[117, 1] = value
    np.save("rows.npy", rows)
    with pytest.raises(GanbenchError, match=rf"rows\.npy: the number of row 117 at \[1\] is {value}"):
        build("rows.npy")
    Path("rows.csv").write_text("x,y\n1,2\n3,\n5,6\n7,8\n")
    with pytest.raises(GanbenchError, match=r"rows\.csv: the number of row 1 at \[1\] is nan"):
        build("rows.csv")


def test_rows_are_looked_at_in_pieces_and_large_files_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(array, "PIECE", 7)
    monkeypatch.setattr(array, "LARGE", 50)
    rows = POINTS.copy()
    rows[49, 1] = np.nan
    np.save("rows.npy", rows)
    with pytest.raises(GanbenchError, match=r"row 49 at \[1\] is nan"):
        build("rows.npy")
    np.save("rows.npy", POINTS)
    build("rows.npy")
    monkeypatch.setattr(np, "isfinite", lambda x: pytest.fail("looked at again"))
    build("rows.npy")


def test_a_file_may_be_written_again_while_its_rows_are_used(tmp_path: Path) -> None:
    np.save("rows.npy", POINTS)
    source = build("rows.npy")
    Path("rows.npy").write_bytes(b"")
    require_split(source, POINTS)


def test_a_large_file_stays_on_the_disk_and_is_streamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save("rows.npy", POINTS)
    resident = build("rows.npy")
    monkeypatch.setattr(image_files, "LIMIT", 100)
    streamed = build("rows.npy")
    assert (resident.stream, streamed.stream) == (False, True)
    assert isinstance(array.load_array(Path("rows.npy")), np.memmap)
    assert isinstance(streamed.take.args[0].rows, np.memmap)  # type: ignore[union-attr]
    assert not isinstance(resident.take.args[0].rows, np.memmap)  # type: ignore[union-attr]
    assert resident.take is not None
    assert streamed.take is not None
    some = torch.tensor([3, 3, 0, 44])
    assert torch.equal(resident.take(some), streamed.take(some))


class Malicious:
    """An object whose pickle makes a folder."""

    def __init__(self, place: str) -> None:
        self.place = place

    def __reduce__(self) -> Any:
        return os.mkdir, (self.place,)


@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_arrays_of_objects_are_refused_and_run_no_code(ending: str, tmp_path: Path) -> None:
    harmful = np.array([[Malicious("mark")] * 2] * 4, object)
    if ending == "npy":
        np.save("rows.npy", harmful, allow_pickle=True)
    else:
        np.savez("rows.npz", x=harmful)
    with pytest.raises(GanbenchError, match=r"cannot be read as an array of numbers: .*([Oo]bject)"):
        build(f"rows.{ending}")
    assert not Path("mark").exists()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.npy", b"no array", "cannot be read as an array"),
        ("a.npy", b"", "cannot be read as an array"),
        ("a.npy", b"PK\x03\x04 an archive", "cannot be read as an array"),
        ("a.npz", b"PK\x03\x04 no archive", "cannot be read as an array"),
        ("a.csv", b"", "cannot be read as a table"),
        ("a.csv", b"\xff\xfe\x00\x81,\n", "cannot be read as a table"),
        ("a.txt", b"1 2 3", r"its ending is not \.npy, \.npz or \.csv"),
    ],
)
def test_a_file_that_is_no_array_is_named(name: str, content: bytes, reason: str, tmp_path: Path) -> None:
    Path(name).write_bytes(content)
    with pytest.raises(GanbenchError, match=rf"dataset 'array': .*{name}.*{reason}"):
        build(name)


@pytest.mark.parametrize(
    "rows", [np.zeros(5, np.float32), np.zeros((1, 2), np.float32), np.zeros((4, 2), complex), np.array([["a"], ["b"]])]
)
def test_an_array_that_is_no_list_of_samples_is_described(rows: np.ndarray, tmp_path: Path) -> None:
    np.save("rows.npy", rows)
    with pytest.raises(GanbenchError, match=r"its array is .*Samples are two or more rows of numbers"):
        build("rows.npy")


def test_flips_are_for_images_and_a_path_may_be_in_the_data_folder(tmp_path: Path, monkeypatch) -> None:
    np.save("points.npy", POINTS)
    with pytest.raises(GanbenchError, match=r"flip = true is for images"):
        build("points.npy", flip=True)
    with pytest.raises(GanbenchError, match=r"there is no 'nowhere\.npy'"):
        build("nowhere.npy")
    Path("a.csv").write_text("x\n1\n2\n")
    with pytest.raises(GanbenchError, match=r"key = 'x' is for \.npz files"):
        build("a.csv", key="x")
    (tmp_path / "data").mkdir()
    np.save(tmp_path / "data" / "named.npy", POINTS)
    monkeypatch.setenv("GANBENCH_DATA", str(tmp_path / "data"))
    require_split(build("named.npy"), POINTS)


@pytest.mark.parametrize("labels", [None, LABELS])
@pytest.mark.parametrize("rows", [POINTS, IMAGES], ids=["points", "images"])
def test_an_array_follows_the_contracts(rows: np.ndarray, labels: Any, tmp_path: Path) -> None:
    np.save("x.npy", rows)
    options = {"path": str(tmp_path / "x.npy"), "held_out": 0.5, "flip": rows.ndim == 4}
    if labels is not None:
        np.save("y.npy", labels)
        options["labels"] = str(tmp_path / "y.npy")
    asked = list(contracts(registry.load(), REGISTRY.offers("datasets"), {("datasets", "array"): options}))
    assert len(asked) > 8
    for contract in asked:
        contract.check()


def test_rows_of_a_file_are_trained_on_and_new_rows_anew(tmp_path: Path) -> None:
    def run(rows: np.ndarray) -> Any:
        np.save("mine.npy", rows)
        table = suite(dataset=[{"name": "array", "path": "mine.npy"}], success=None, methods=["ns-gan"])
        return ganbench.run(table, offers=[*([] if has_array else [array])], results=tmp_path / "r", jobs=0)

    has_array = "array" in registry.load().names("datasets")
    first = run(POINTS)
    assert set(first.trials["status"]) == {"completed"}
    assert set(run(POINTS).scores["value"]) == set(first.scores["value"])
    assert not set(run(POINTS * 2).scores["value"]) & set(first.scores["value"])
