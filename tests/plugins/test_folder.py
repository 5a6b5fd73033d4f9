"""A folder of pictures: any format and size, one fixed size, classes, a fixed split, and words for what is wrong."""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np
import pytest
import torch
from ganbench import GanbenchError, Source, registry
from ganbench.testing.contracts import contracts
from PIL import Image
from torch import Tensor

from ganbench_plugins.datasets import folder, image_files

REGISTRY = registry.load(plugins=[folder], installed=False)


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GANBENCH_DATA", raising=False)
    monkeypatch.chdir(tmp_path)


def make_picture(number: int, size: tuple[int, int] = (12, 10)) -> Image.Image:
    pixels = np.random.RandomState(number).randint(0, 256, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(pixels)


def write_pictures(place: Path, count: int = 20, ending: str = ".png", first: int = 0) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    for i in range(first, first + count):
        make_picture(i).save(place / f"{i:03}{ending}")
    return place


def build(place: Path, **options: Any) -> Source:
    return REGISTRY.build("datasets", "folder", {"path": str(place), "pixels": 8, **options})


def take_all(source: Source) -> Tensor:
    assert source.take is not None
    return source.take(torch.arange(source.size))


def read_one(place: Path, image: Image.Image, name: str = "a.png", more: Any = None, **options: Any) -> np.ndarray:
    """Return a picture [c, h, w] as the dataset has it, beside others that are smaller."""
    write_pictures(place, 2)
    image.save(place / name, **(more or {}))
    return folder.read_picture(place / name, *({"pixels": 8, "channels": 3, "crop": "centre", **options}.values()))


def test_pictures_of_all_formats_and_sizes_come_in_one_size(tmp_path: Path) -> None:
    endings = (".png", ".JPG", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".ppm")
    for i, ending in enumerate(endings):
        picture = make_picture(i, (10 + i, 30 - i))
        (tmp_path / "p").mkdir(exist_ok=True)
        picture.save(tmp_path / "p" / f"{i}{ending}")
    (tmp_path / "p" / "readme.txt").write_text("no picture")
    (tmp_path / "p" / ".hidden.png").write_text("no picture")
    os.mkfifo(tmp_path / "p" / "pipe.png")
    source = build(tmp_path / "p", held_out=0.3)
    assert source.shape == (3, 8, 8)
    assert (source.size, len(source.reference(100))) == (6, 2)
    assert take_all(source).dtype == torch.uint8
    assert build(tmp_path / "p", channels=1).shape == (1, 8, 8)


def test_a_picture_is_cropped_to_its_centre_or_stretched(tmp_path: Path) -> None:
    stripes = np.zeros((8, 24, 3), np.uint8)
    stripes[:, 8:16] = 200
    stripes[:, 16:] = 100
    picture = Image.fromarray(stripes)
    cropped = read_one(tmp_path / "p", picture)
    assert (cropped[:, :, 1:7] == 200).all()
    stretched = read_one(tmp_path / "p", picture, crop="none")
    assert stretched[0, 4, 0] < 30
    assert stretched[0, 4, 4] > 150
    assert 80 < stretched[0, 4, 7] < 120


def test_a_picture_is_turned_as_its_camera_says(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[0] = 255  # the upper row
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to the right
    turned = read_one(tmp_path / "p", Image.fromarray(pixels), more={"exif": exif})
    assert (turned[:, :, 7] == 255).all()
    assert (turned[:, :, :7] == 0).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_parts_are_white(mode: str, tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:, :4, 3] = 255  # the left half is black, the right half transparent
    picture = Image.fromarray(pixels)
    picture = picture.quantize() if mode == "P" else picture.convert(mode)
    seen = read_one(tmp_path / "p", picture)
    assert (seen[:, :, :4] == 0).all()
    assert (seen[:, :, 4:] == 255).all()


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 64).reshape(8, 8).astype(np.uint16)
    seen = read_one(tmp_path / "p", Image.fromarray(values))
    assert np.array_equal(seen[0], values >> 8)
    assert np.array_equal(seen[0], seen[2])


def test_each_subfolder_is_a_class(tmp_path: Path) -> None:
    for i, name in enumerate(("cats", "dogs", "owls")):
        write_pictures(tmp_path / "p" / name, 8, first=10 * i)
    source = build(tmp_path / "p", held_out=0.25)
    assert (source.classes, source.size, len(source.reference(100))) == (3, 18, 6)
    assert source.facts["class_names"] == ("cats", "dogs", "owls")
    assert source.labels is not None
    for image, label in zip(take_all(source), source.labels(torch.arange(source.size)).tolist(), strict=True):
        place = tmp_path / "p" / ("cats", "dogs", "owls")[label]
        of_class = [folder.read_picture(file, 8, 3, "centre") for file in place.iterdir()]
        assert any(np.array_equal(image.numpy(), each) for each in of_class)
    assert build(tmp_path / "p" / "cats").classes == 0


def test_linked_subfolders_are_followed(tmp_path: Path) -> None:
    write_pictures(tmp_path / "elsewhere" / "cats")
    write_pictures(tmp_path / "p" / "dogs", first=20)
    (tmp_path / "p" / "cats").symlink_to(tmp_path / "elsewhere" / "cats")
    source = build(tmp_path / "p")
    assert (source.classes, source.size) == (2, 36)
    assert source.facts["class_names"] == ("cats", "dogs")
    digest = source.digest
    write_pictures(tmp_path / "elsewhere" / "cats", 1, first=99)
    assert build(tmp_path / "p").digest != digest


def test_a_link_to_a_folder_around_it_is_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path / "p" / "cats")
    (tmp_path / "p" / "cats" / "all").symlink_to(tmp_path / "p")
    with pytest.raises(GanbenchError, match=r"cats/all is a link to .*, which it is in itself: remove the link"):
        build(tmp_path / "p")


def test_other_content_of_the_same_size_is_noticed_by_its_time(tmp_path: Path) -> None:
    place = write_pictures(tmp_path / "p", ending=".bmp")
    first = build(place)
    (place / "000.bmp").write_bytes((place / "001.bmp").read_bytes())
    os.utime(place / "000.bmp", (1, 1))
    assert build(place).digest != first.digest


def test_unchanged_pictures_are_not_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = write_pictures(tmp_path / "p")
    for picture in place.iterdir():
        os.utime(picture, (1, 1))
    first, real_open, opened = build(place), open, list[str]()
    monkeypatch.setattr(
        "builtins.open", lambda file, *rest, **more: opened.append(str(file)) or real_open(file, *rest, **more)
    )
    assert build(place).digest == first.digest
    assert not [file for file in opened if file.endswith(".png")]


def test_the_split_is_fixed_by_content_and_keeps_copies_on_one_side(tmp_path: Path) -> None:
    first, second = write_pictures(tmp_path / "a", 30), tmp_path / "b"
    second.mkdir()
    for i, file in enumerate(sorted(first.iterdir(), reverse=True)):  # under other names, in another order
        (second / f"{i:03}.png").write_bytes(file.read_bytes())
    held = [{bytes(x) for x in build(place, held_out=0.2).reference(99).numpy()} for place in (first, second)]
    assert held[0] == held[1]
    assert len(held[0]) == 6
    for file in list(second.iterdir()):
        (second / f"copy {file.name}").write_bytes(file.read_bytes())
    source = build(second, held_out=0.2)
    trained = {bytes(x) for x in take_all(source).numpy()}
    assert not trained & {bytes(x) for x in source.reference(99).numpy()}
    assert (source.size, len(trained)) == (48, 24)


def test_the_split_hardly_moves_when_pictures_are_added() -> None:
    hashes = [hashlib.sha256(bytes([i])).hexdigest() for i in range(200)]
    before = folder.choose_held_out(hashes[:180], 0.1)
    after = folder.choose_held_out(hashes, 0.1)
    assert (before.sum(), after.sum()) == (18, 20)
    assert (before != after[:180]).sum() <= 2


def test_other_pictures_names_or_options_are_other_data(tmp_path: Path) -> None:
    place = write_pictures(tmp_path / "p")
    digests = [build(place).digest, build(place, flip=True).digest]
    (place / "notes.txt").write_text("not a picture, so it does not matter")
    digests.append(build(place).digest)
    assert len(set(digests)) == 1
    (place / "000.png").rename(place / "zero.png")
    renamed = build(place).digest
    make_picture(99).save(place / "zero.png")
    assert len({digests[0], renamed, build(place).digest}) == 3


def test_pictures_are_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = write_pictures(tmp_path / "p")
    first = take_all(build(place))

    def refuse(*_: Any) -> Any:
        raise GanbenchError("decoded again")

    monkeypatch.setattr(folder, "read_picture", refuse)
    assert torch.equal(take_all(build(place, flip=True, reference="train")), first)
    with pytest.raises(GanbenchError, match="decoded again"):
        build(place, pixels=4)


def write_bomb(file: Path) -> None:
    """Write a small PNG file of 60,000 x 60,000 white pixels, as its header says."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b""))
    file.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in chunks)
    )


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda file: file.write_bytes(b"no picture"), "cannot identify"),
        (lambda file: file.write_bytes(b""), "cannot identify"),
        (lambda file: file.write_bytes(file.read_bytes()[:200]), "truncated"),
        (write_bomb, r"3600000000 pixels|60000 x 60000"),
        (lambda file: file.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), "cannot identify"),
        (lambda file: Image.fromarray(np.zeros((9, 9), np.float32)).save(file, "TIFF"), "no range"),
    ],
)
def test_a_picture_that_cannot_be_read_is_named(spoil: Any, reason: str, tmp_path: Path) -> None:
    place = write_pictures(tmp_path / "p", 6)
    spoil(place / "003.png")
    with pytest.raises(GanbenchError, match=rf"003\.png cannot be read as a picture: .*({reason}).*take it out"):
        build(place)
    assert not [*(tmp_path / "cache" / "datasets").iterdir()]


def test_a_picture_between_pillows_limits_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = write_pictures(tmp_path / "p", 6)
    monkeypatch.setattr(folder, "LARGEST", 100)
    with pytest.raises(GanbenchError, match=r"000\.png cannot be read as a picture: it has 12 x 10 pixels, more than"):
        build(place)


def test_folders_without_sense_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GanbenchError, match=r"there is no '.*nowhere'.*GANBENCH_DATA is not set"):
        build(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(GanbenchError, match=r"empty has 0 pictures.*\.jpg.*\.png"):
        build(tmp_path / "empty")
    mixed = write_pictures(tmp_path / "mixed", 3)
    write_pictures(mixed / "cats", 3)
    with pytest.raises(GanbenchError, match=r"others outside of them, such as 000\.png"):
        build(mixed)
    with pytest.raises(GanbenchError, match=r"is a file: name the folder"):
        build(mixed / "000.png")
    copies = tmp_path / "copies"
    copies.mkdir()
    for i in range(3):
        make_picture(1).save(copies / f"{i}.png")
    with pytest.raises(GanbenchError, match=r"are copies of one"):
        build(copies)
    write_pictures(tmp_path / "data" / "named", 4)
    monkeypatch.setenv("GANBENCH_DATA", str(tmp_path / "data"))
    assert build(Path("named")).size == 3


@pytest.mark.parametrize("options", [{}, {"flip": True}, {"channels": 1, "crop": "none", "reference": "train"}])
def test_a_folder_follows_the_contracts(options: dict[str, Any], tmp_path: Path) -> None:
    write_pictures(tmp_path / "p" / "a", 20)
    write_pictures(tmp_path / "p" / "b", 20, first=20)
    given = {("datasets", "folder"): {"path": str(tmp_path / "p"), "pixels": 8, "held_out": 0.5, **options}}
    asked = list(contracts(registry.load(), REGISTRY.offers("datasets"), given))
    assert len(asked) > 8
    for contract in asked:
        contract.check()


def test_long_reading_shows_its_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    place = write_pictures(tmp_path / "p", 6)
    build(place)
    assert "reading" not in capsys.readouterr().err, "a quick one is silent"
    read_picture = folder.read_picture

    def read_slowly(*arguments: Any) -> Any:
        sleep(0.12)  # a bar moves ten times a second at most
        return read_picture(*arguments)

    monkeypatch.setattr(folder, "read_picture", read_slowly)
    monkeypatch.setattr(image_files, "QUIET", 1e-9)
    build(place, pixels=4)
    assert "folder: reading images" in capsys.readouterr().err
