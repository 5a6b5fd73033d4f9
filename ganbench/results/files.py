"""A results folder as files: their names, its lock, and writing a file whole or not at all."""

from __future__ import annotations

import hashlib
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ganbench.errors import GanbenchError
from ganbench.escaping import make_slug
from ganbench.results import integrity

DATABASE = "results.sqlite"
HOLDER = re.compile(r"process (\d{1,10}) on (\S{1,255})")


def database_path(folder: Path) -> Path:
    """Return where the database of a results folder lies."""
    return folder / DATABASE


def suite_path(folder: Path) -> Path:
    """Return where the suite lies as it was last run."""
    return folder / "suite.toml"


def holder_path(folder: Path) -> Path:
    """Return where the process that holds the lock writes its name."""
    return folder / ".holder"


def read_holder(folder: Path) -> tuple[int, str] | None:
    """Return the number and the host of the process that holds a folder's lock, None where it cannot be read."""
    try:
        text = holder_path(folder).read_text(encoding="utf-8", errors="replace")[:400]
    except OSError:
        return None
    match = HOLDER.fullmatch(text.strip())
    return (int(match[1]), match[2]) if match else None


def list_networks(folder: Path) -> list[Path]:
    """Return the files of the generators that a results folder holds."""
    files = sorted((folder / "networks").glob("*.safetensors"))
    return [file for file in files if integrity.KEY.fullmatch(file.stem) and not file.is_symlink()]


def worker_log(folder: Path, process: int | str = "{process}") -> Path:
    """Return where a worker, by the number of its process, writes its log; without a number, the pattern of it."""
    return folder / "log" / f"worker-{process}.log"


def make_folders(folder: Path) -> None:
    """Create the results folder and the folders in it."""
    try:
        integrity.refuse_links(folder)
        for part in ("networks", "log"):
            (folder / part).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GanbenchError(f"{folder}: cannot be written ({error.strerror}). Choose another folder.") from error


@contextmanager
def hold_lock(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; raise GanbenchError that names the process which holds it already.

    The operating system frees the lock when a process ends.
    """
    lock, sidecar = FileLock(folder / ".lock"), holder_path(folder)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        known = read_holder(folder)
        holder = f"process {known[0]} on {known[1]}" if known else "another process"
        raise GanbenchError(f"{folder}: {holder} writes here. Wait for it, or choose another folder.") from None
    except OSError as error:
        raise GanbenchError(f"{folder}: cannot be locked ({error.strerror}). Choose another folder.") from error
    try:
        sidecar.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
        yield
    finally:
        sidecar.unlink(missing_ok=True)
        lock.release()


def network_path(folder: Path, key: str) -> Path:
    """Return where the generator of a trial lies; raise GanbenchError unless the key is 64 hexadecimal digits."""
    if not integrity.KEY.fullmatch(key):
        raise GanbenchError(f"{folder}: {key!r} is no trial's key: 64 hexadecimal digits.")
    return folder / "networks" / f"{key}.safetensors"


def checkpoint_path(folder: Path, key: str) -> Path:
    """Return where the checkpoint of the batch with this key lies."""
    return folder / "checkpoints" / f"{key}.safetensors"


def list_checkpoints(folder: Path) -> set[str]:
    """Return the keys of the batches that have a checkpoint."""
    return {file.stem for file in checkpoint_path(folder, "").parent.glob("*.safetensors")}


def forget_checkpoint(folder: Path, key: str) -> None:
    """Remove a batch's checkpoint, and what a killed process left of one, if there is any."""
    path = checkpoint_path(folder, key)
    for file in (path, partial_path(path)):
        with suppress(OSError):
            file.unlink()


def write_network(folder: Path, key: str, content: bytes) -> str:
    """Write a generator; return its SHA-256, which the record keeps."""
    write_file(network_path(folder, key), content)
    return hashlib.sha256(content).hexdigest()


def plugin_path(folder: Path, name: str, digest: str) -> Path:
    """Return where the text of a plugin file lies, by the name of the file and the SHA-256 of the text."""
    return folder / "plugins" / f"{make_slug(Path(name).stem)}-{make_slug(digest)[:12]}.py"


def write_plugin(folder: Path, name: str, content: bytes) -> None:
    """Write the text of a plugin file, for whoever gets the folder; ganbench never loads it from there."""
    path = plugin_path(folder, name, hashlib.sha256(content).hexdigest())
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise GanbenchError(f"{path.parent}: cannot be made ({error.strerror}). Choose another folder.") from error
    write_file(path, content)


def partial_path(path: Path) -> Path:
    """Return where a file is written until it is whole."""
    return path.with_name(f".{path.name}.part")


def write_file(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all, even if the process is killed meanwhile."""
    temporary = partial_path(path)
    try:
        temporary.unlink(missing_ok=True)  # left by a killed process or by a third party: a link would lead elsewhere
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise GanbenchError(f"{path}: cannot be written ({error.strerror}). Check the disk, then run again.") from error
