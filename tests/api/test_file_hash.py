"""The content of files as a hash: it follows the content, and is read again only after a change."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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
    monkeypatch.setattr(file_hash.hashlib, "file_digest", None)  # would raise
    assert hash_files(file) == first


def test_a_file_that_was_changed_just_now_is_read_again(tmp_path: Path) -> None:
    """Two edits within the resolution of a file system's clock leave one time and perhaps one size."""
    file = write(tmp_path / "rows.txt", "one", age=0.0)
    time = file.stat().st_mtime_ns
    first = hash_files(file)
    file.write_text("two")
    os.utime(file, ns=(time, time))
    assert hash_files(file) != first


def test_other_content_of_the_same_size_is_noticed_by_another_time(tmp_path: Path) -> None:
    file = write(tmp_path / "rows.txt", "one")
    first = hash_files(file)
    write(file, "two", age=50.0)
    assert hash_files(file) != first


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps no time of change that programs cannot set")
def test_other_content_of_the_same_size_with_the_same_time_is_noticed(tmp_path: Path) -> None:
    """Whoever copies the time of a file to another one, such as rsync, cannot copy the system's own time of change."""
    file = write(tmp_path / "rows.txt", "one")
    time = file.stat().st_mtime_ns
    first = hash_files(file)
    other = write(tmp_path / "other.txt", "two")
    os.utime(other, ns=(time, time))
    other.replace(file)
    assert hash_files(file) != first


def test_unchanged_files_of_a_folder_are_not_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(3):
        write(tmp_path / "pictures" / f"{i}.txt", str(i))
    first = hash_files(tmp_path / "pictures")
    opened = list[object]()
    monkeypatch.setattr("builtins.open", lambda file, *rest: opened.append(file))
    assert hash_files(tmp_path / "pictures") == first
    assert not opened


def test_links_and_what_is_no_file_are_passed_over_in_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "a" / "1.txt", "one")
    first = hash_files(tmp_path / "a")
    (tmp_path / "a" / "nothing").symlink_to(tmp_path / "nowhere")
    (tmp_path / "a" / "itself").symlink_to(tmp_path / "a")
    os.mkfifo(tmp_path / "a" / "pipe")
    assert hash_files(tmp_path / "a") == first


def test_a_bar_shows_how_far_a_long_reading_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a" / "1.txt", "one")
    hash_files(tmp_path / "a")
    assert capfd.readouterr().err == "", "nothing before two seconds"
    monkeypatch.setattr(file_hash, "QUIET", 0.0)
    hash_files(tmp_path / "a")
    assert "reading files" in capfd.readouterr().err


def test_the_bar_makes_no_semaphore_that_a_killed_worker_would_leak(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "one")
    code = "import ganbench, multiprocessing, sys; from multiprocessing import resource_tracker as tracker; "
    code += "multiprocessing.set_start_method('spawn'); "  # as in workers
    code += "ganbench.hash_files(sys.argv[1]); print(tracker._resource_tracker._fd)"
    run = subprocess.run([sys.executable, "-c", code, tmp_path / "a.txt"], capture_output=True, text=True, check=True)
    assert run.stdout == "None\n"


@pytest.mark.parametrize("content", ["", "[1]", '{"a": 1}', "\x00"])
def test_a_damaged_cache_is_ignored(tmp_path: Path, own_cache: Path, content: str) -> None:
    file = write(tmp_path / "rows.txt", "one")
    first = hash_files(file)
    own_cache.write_text(content)
    assert hash_files(file) == first


def test_the_cache_keeps_the_hashes_that_were_used_last(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_hash, "KEPT", 2)
    first, second, third = (write(tmp_path / f"{name}.txt", name) for name in ("one", "two", "three"))
    hash_files(first)
    hash_files(second)
    hash_files(first, third)  # the first is used again, so the second goes
    assert list(json.loads(own_cache.read_text())) == [str(first), str(third)]
    hash_files(first, second, third)  # more than the cache keeps otherwise
    assert set(json.loads(own_cache.read_text())) == {str(first), str(second), str(third)}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.bin"):
        hash_files(tmp_path / "nowhere.bin")
