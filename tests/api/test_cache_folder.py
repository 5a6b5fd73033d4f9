"""What is kept for later runs is in one folder, which a variable of the environment chooses."""

from __future__ import annotations

from pathlib import Path

import pytest
from ganbench.api.cache_folder import find_cache_folder
from ganbench.api.file_hash import find_cache


def test_the_environment_chooses_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "here"))
    assert find_cache_folder() == tmp_path / "here"
    assert find_cache().parent == tmp_path / "here"
    monkeypatch.delenv("GANBENCH_CACHE")
    assert find_cache_folder().name == "ganbench"


def test_no_test_uses_the_cache_of_the_user() -> None:
    from platformdirs import user_cache_path

    assert find_cache_folder() != user_cache_path("ganbench")
