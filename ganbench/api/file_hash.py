"""The content of data files as a hash, for `Source.digest`."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ganbench.api.cache_folder import find_cache_folder

SETTLED = 2.0
"""Seconds after its last change from which on a file's size and time identify its content."""


def hash_files(*paths: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of the content of files and folders, 64 hexadecimal digits.

    Of a folder all files count, with their names inside the folder. The hash of a file is kept in the user's cache and
    used again while the size of the file and the time of its last change are the same. Raise OSError, with its name,
    for a file that cannot be read.
    """
    cache_file = find_cache()
    try:
        cache = dict(json.loads(cache_file.read_text()))
    except (OSError, ValueError, TypeError):
        cache = {}
    before, total = dict(cache), hashlib.sha256()
    for path in map(Path, paths):
        for name, file in _list_files(path):
            total.update(f"{name}\0{_hash_file(file, cache)}\0".encode())
    if cache != before:
        with suppress(OSError):  # without a cache the next call reads the files again
            cache_file.parent.mkdir(parents=True, exist_ok=True)
            temporary = cache_file.with_suffix(f".{os.getpid()}")
            temporary.write_text(json.dumps(cache))
            temporary.replace(cache_file)
    return total.hexdigest()


def find_cache() -> Path:
    """Return the file of the user's cache in which the hashes of files are kept."""
    return find_cache_folder() / "file_hashes.json"


def _list_files(path: Path) -> Iterator[tuple[str, Path]]:
    """Yield a file with its name, or the files of a folder with their names inside it, in order."""
    if not path.is_dir():
        yield path.name, path
        return
    for file in sorted(file for file in path.rglob("*") if file.is_file()):
        yield file.relative_to(path).as_posix(), file


def _hash_file(file: Path, cache: dict[str, list[object]]) -> str:
    """Return the hash of one file: from the cache while its size and time are the same, else of its content."""
    with file.open("rb") as stream:
        status = os.fstat(stream.fileno())
        state, key = [status.st_size, status.st_mtime_ns], str(file.resolve())
        if (stored := cache.get(key)) and stored[:2] == state:
            return str(stored[2])
        content = hashlib.file_digest(stream, "sha256").hexdigest()
    if time.time() - status.st_mtime > SETTLED:
        cache[key] = [*state, content]
    return content
