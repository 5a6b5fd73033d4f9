"""The folder of what is computed once and kept for later runs: hashes of files, and the features of real samples."""

from __future__ import annotations

import os
from pathlib import Path


def find_cache_folder() -> Path:
    """Return the folder: GANBENCH_CACHE if it is set, else the user's cache folder. It may be emptied at any time."""
    if chosen := os.environ.get("GANBENCH_CACHE"):
        return Path(chosen).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("ganbench")
