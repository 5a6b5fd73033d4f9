"""The content of files as a hash: it follows the content, and is read again only after a change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ganbench import hash_files
from ganbench.api import file_hash


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path / "cache" / "file_hashes.json"
    monkeypatch.setattr(file_hash, "find_cache", lambda: cache)
    return cache


def write(path: Path, text: str, age: float = 100.0) -> Path:
    """Write a file that was last changed `age` seconds ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    changed = path.stat().st_mtime - age
    os.utime(path, (changed, changed))
    return path


def test_the_hash_follows_content_names_and_order_and_not_the_place(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write(tmp_path / folder / "cats" / "1.txt", "one")
        write(tmp_path / folder / "dogs" / "2.txt", "two")
    first = hash_files(tmp_path / "a")
    assert len(first) == 64
    assert hash_files(str(tmp_path / "b")) == first
    (tmp_path / "b" / "dogs" / "2.txt").rename(tmp_path / "b" / "cats" / "2.txt")
    assert hash_files(tmp_path / "b") != first
    write(tmp_path / "a" / "cats" / "1.txt", "another", age=50.0)
    assert hash_files(tmp_path / "a") != first


def test_an_unchanged_file_is_not_read_again(tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "rows.txt", "one")
    first = hash_files(file)
    assert str(file) in own_cache.read_text()
    monkeypatch.setattr(file_hash.hashlib, "file_digest", None)
    assert hash_files(file) == first


def test_a_file_that_was_changed_just_now_is_read_again(tmp_path: Path) -> None:
    """Two edits within the resolution of a file system's clock leave one time and perhaps one size."""
    file = write(tmp_path / "rows.txt", "one", age=0.0)
    time = file.stat().st_mtime_ns
    first = hash_files(file)
    file.write_text("two")
    os.utime(file, ns=(time, time))
    assert hash_files(file) != first


@pytest.mark.parametrize("content", ["", "[1]", '{"a": 1}', "\x00"])
def test_a_damaged_cache_is_ignored(tmp_path: Path, own_cache: Path, content: str) -> None:
    file = write(tmp_path / "rows.txt", "one")
    first = hash_files(file)
    own_cache.write_text(content)
    assert hash_files(file) == first


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.bin"):
        hash_files(tmp_path / "nowhere.bin")
