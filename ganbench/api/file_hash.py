"""The content of data files as a hash, for `Source.digest`."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tqdm import tqdm

from ganbench.api.cache_folder import find_cache_folder

QUIET = 2.0
"""Seconds from which on there is a progress bar."""


class Bar(tqdm):  # type: ignore[misc]  # tqdm has no types
    """A progress bar with a lock of this process: tqdm's own is a semaphore, which a killed worker leaks."""

    _lock = threading.RLock()


SETTLED = 2.0
"""Seconds after its last change from which on a file's size and time identify its content."""
KEPT = 100_000
"""Hashes that the cache keeps at most, or as many as one call asked for; those used last stay."""


def hash_files(*paths: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of the content of files and folders, 64 hexadecimal digits.

    Of a folder all files count, with their names inside the folder; links to other folders are not followed. The hash
    of a file is kept in the user's cache. The file is not opened again while its size, its inode and its times of
    change are the same: the one that programs may set (mtime) and, but for Windows, the system's own (ctime), so that
    other content with a copied mtime is noticed. Raise OSError, with its name, for a file that cannot be read.
    """
    cache_file = find_cache()
    try:
        cache = dict(json.loads(cache_file.read_text()))
    except (OSError, ValueError, TypeError):
        cache = {}
    before, total = dict(cache), hashlib.sha256()
    files = [each for path in paths for each in _list_files(Path(path))]
    folders: dict[str, str] = {}
    for name, file, status in Bar(files, desc="reading files", unit="", delay=QUIET, leave=False):
        place, last = os.path.split(file)
        if place not in folders:
            folders[place] = os.path.realpath(place)
        key = os.path.join(folders[place], last)
        total.update(f"{name}\0{_hash_file(file, key, status, cache)}\0".encode())
    if cache != before:
        cache = dict(list(cache.items())[-max(KEPT, len(files)) :])
        with suppress(OSError):  # without a cache the next call reads the files again
            cache_file.parent.mkdir(parents=True, exist_ok=True)
            temporary = cache_file.with_suffix(f".{os.getpid()}")
            temporary.write_text(json.dumps(cache))
            temporary.replace(cache_file)
    return total.hexdigest()


def find_cache() -> Path:
    """Return the file of the user's cache in which the hashes of files are kept."""
    return find_cache_folder() / "file_hashes.json"


def _list_files(path: Path) -> Iterator[tuple[str, str, os.stat_result]]:
    """Yield a file with its name and status, or the files of a folder with their names inside it, in order."""
    status = path.stat()
    if not stat.S_ISDIR(status.st_mode):
        yield path.name, str(path), status
        return
    found = []
    for place, _, files in os.walk(path):
        inside = Path(place).relative_to(path).parts
        found += [((*inside, file), os.path.join(place, file)) for file in files]
    for parts, file in sorted(found):
        with suppress(FileNotFoundError):  # a link to nothing
            if stat.S_ISREG((status := os.stat(file)).st_mode):
                yield "/".join(parts), file, status


def _hash_file(file: str, key: str, status: os.stat_result, cache: dict[str, list[object]]) -> str:
    """Return the hash of one file: from the cache while its status is the same, else of its content."""
    if (stored := cache.pop(key, None)) and stored[:-1] == _describe(status):
        cache[key] = stored  # now the last
        return str(stored[-1])
    with open(file, "rb") as stream:
        status = os.fstat(stream.fileno())
        content = hashlib.file_digest(stream, "sha256").hexdigest()
    if time.time() - status.st_mtime > SETTLED:
        cache[key] = [*_describe(status), content]
    return content


def _describe(status: os.stat_result) -> list[object]:
    """Return what a file's content is known by: size, times in nanoseconds, and inode."""
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
