"""What is kept for later runs is in one folder, which a variable of the environment chooses."""

from __future__ import annotations

from pathlib import Path

import pytest
from ganbench.api.cache_folder import find_cache_folder, measure_cache
from ganbench.api.file_hash import find_cache

from ganbench_plugins.datasets import image_files
from ganbench_plugins.extractors import torch_fidelity
from tests.support.terminal import ganbench


def test_the_environment_chooses_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "here"))
    assert find_cache_folder() == tmp_path / "here"
    assert find_cache().parent == tmp_path / "here"
    monkeypatch.delenv("GANBENCH_CACHE")
    assert find_cache_folder().name == "ganbench"


def test_plugins_keep_their_files_in_the_same_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for module in (image_files, torch_fidelity):
        monkeypatch.setattr(module, "find_cache_folder", lambda: tmp_path)
    assert image_files.find_cache() == tmp_path / "datasets"
    assert torch_fidelity.list_places("w.pth")[0] == tmp_path / "weights" / "w.pth"


def test_the_size_of_each_part_is_that_of_its_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "none"))
    assert measure_cache() == {}
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path))
    (tmp_path / "datasets" / "one").mkdir(parents=True)
    (tmp_path / "datasets" / "one" / "x").write_bytes(bytes(3 * 2**20))
    (tmp_path / "datasets" / "y").write_bytes(bytes(2**20))
    (tmp_path / "file_hashes.json").write_text("{}")
    assert measure_cache() == {"datasets": 4 * 2**20, "file_hashes.json": 2}
    shown = ganbench("doctor", cwd=tmp_path)
    assert f"cache: {tmp_path} (" in shown.stdout
    assert "  datasets: 4.0 MiB" in shown.stdout


def test_no_test_uses_the_cache_of_the_user() -> None:
    from platformdirs import user_cache_path

    assert find_cache_folder() != user_cache_path("ganbench")
