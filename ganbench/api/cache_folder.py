"""The folder of what is computed once and kept for later runs: hashes of files, and the features of real samples."""

from __future__ import annotations

import os
from pathlib import Path


def find_cache_folder() -> Path:
    """Return the cache: GANBENCH_CACHE if it is set, else the user's cache folder. It may be emptied at any time."""
    if chosen := os.environ.get("GANBENCH_CACHE"):
        return Path(chosen).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("ganbench")


def measure_cache() -> dict[str, int]:
    """Return the bytes of each folder and file in the cache, by name; empty if there is no cache yet."""
    folder = find_cache_folder()
    parts = sorted(folder.iterdir()) if folder.is_dir() else []
    return {part.name: sum(map(measure_file, [part, *part.rglob("*")])) for part in parts}


def measure_file(file: Path) -> int:
    """Return the bytes of a file; 0 for what is none, or no longer there."""
    try:
        return file.stat().st_size if file.is_file() and not file.is_symlink() else 0
    except OSError:
        return 0
