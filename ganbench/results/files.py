"""A results folder as files: their names, its lock, and writing a file whole or not at all."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BufferedReader
from itertools import takewhile
from pathlib import Path
from types import MappingProxyType

from filelock import FileLock, Timeout

from ganbench.errors import GanbenchError
from ganbench.escaping import make_slug
from ganbench.results.integrity import KEY

DATABASE = "results.sqlite"
OURS = ("results.sqlite", "results.sqlite-journal", "suite.toml", ".lock", ".holder")
FOLDERS = ("networks", "checkpoints", "log", "plugins")
"""The files, and the folders, of a results folder that a run writes."""

LARGEST_NETWORK = 2**32
"""Bytes of a generator's or a checkpoint's file, at most."""

KINDS: Mapping[int, str] = MappingProxyType(
    {stat.S_IFREG: "a file", stat.S_IFDIR: "a folder", stat.S_IFLNK: "a link", stat.S_IFIFO: "a pipe"}
)
"""Kinds of paths, in words."""

NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""Flags with which a link is not opened, and a pipe is not waited for."""

SNAPSHOT = re.compile(r"(\d{1,12})-[0-9a-f]{64}\.safetensors")
"""The name of a snapshot's generator: its generator step, and the SHA-256 of its content."""

HOLDER = re.compile(r"process (\d{1,10}) on (\S{1,255})")


def check_kind(path: Path, kind: int = stat.S_IFREG) -> os.stat_result:
    """Return the status of a path; raise GanbenchError for another kind, FileNotFoundError where nothing is."""
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(*error.args) from None
    except OSError as error:
        raise GanbenchError(f"{path}: cannot be read ({error.strerror}). Check its permissions.") from error
    if stat.S_IFMT(status.st_mode) != kind:
        found = KINDS.get(stat.S_IFMT(status.st_mode), "a device or a socket")
        raise GanbenchError(
            f"{path}: {found}, where a results folder has {KINDS[kind]} of its own. Remove it, or choose another "
            "folder."
        )
    return status


def check_regular(path: Path, folder: Path) -> os.stat_result:
    """Return the status of a file in a results folder; raise GanbenchError unless it is a regular one behind no link.

    The folder itself may be a link. A file that is nearly all hole is refused too: it takes no room on the disk, but
    would fill the memory. Raises FileNotFoundError where there is no such file.
    """
    if folder in (parents := path.parents):
        for parent in takewhile(lambda parent: parent != folder, parents):
            check_kind(parent, stat.S_IFDIR)
    status = check_kind(path)
    on_disk = 512 * getattr(status, "st_blocks", status.st_size)
    if status.st_size > 2**26 and on_disk < status.st_size / 100:
        raise GanbenchError(
            f"{path}: {status.st_size} bytes, nearly all of them a hole. Remove it: ganbench makes none."
        )
    return status


def open_regular(path: Path, folder: Path) -> BufferedReader:
    """Return a file of a results folder, open to be read; raise the errors of `check_regular`."""
    check_regular(path, folder)
    try:
        return os.fdopen(os.open(path, os.O_RDONLY | NO_LINK | getattr(os, "O_BINARY", 0)), "rb")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise GanbenchError(f"{path}: cannot be read ({error.strerror}). Check its permissions.") from error


def read_regular(path: Path, folder: Path, most: int) -> bytes:
    """Return the content of a file of a results folder; raise GanbenchError for more than `most` bytes of it."""
    with open_regular(path, folder) as file:
        if os.fstat(file.fileno()).st_size > most:
            raise GanbenchError(f"{path}: more than {most} bytes, which ganbench never writes here. Remove it.")
        return file.read()


def refuse_links(folder: Path) -> None:
    """Raise GanbenchError for a link or a special file through which a run would write outside its folder."""
    logs = worker_log(folder).parent
    places = [(folder / name, stat.S_IFREG) for name in OURS] + [(folder / name, stat.S_IFDIR) for name in FOLDERS]
    for path, kind in places:
        with suppress(FileNotFoundError):
            check_kind(path, kind)
    for log in logs.glob("*"):
        check_kind(log)


def database_path(folder: Path) -> Path:
    """Return where the database of a results folder lies."""
    return folder / DATABASE


def find_database(folder: Path) -> Path:
    """Return the database of a results folder; raise GanbenchError where there is none, or none that may be read."""
    try:
        check_regular(database_path(folder), folder)
    except FileNotFoundError:
        raise GanbenchError(f"{folder}: no results here. `ganbench run SUITE` makes them.") from None
    return database_path(folder)


def suite_path(folder: Path) -> Path:
    """Return where the suite lies as it was last run."""
    return folder / "suite.toml"


def figures_path(folder: Path) -> Path:
    """Return where figures are drawn if nobody says otherwise; raise GanbenchError for a link that leads elsewhere."""
    path = folder / "figures"
    with suppress(FileNotFoundError):
        check_kind(path, stat.S_IFDIR)
    return path


def make_watch_folder(folder: Path, name: str) -> Path:
    """Return the folder of a watcher, which is made if it is not there; raise GanbenchError for a link in it."""
    path = folder / "watch" / make_slug(name)
    path.mkdir(parents=True, exist_ok=True)
    for each in (path.parent, path):
        check_kind(each, stat.S_IFDIR)
    if links := [each for each in path.rglob("*") if each.is_symlink()]:
        raise GanbenchError(f"{links[0]}: a link, and a watcher makes none. Remove it.")
    return path


def holder_path(folder: Path) -> Path:
    """Return where the process that holds the lock writes its name."""
    return folder / ".holder"


def read_holder(folder: Path) -> tuple[int, str] | None:
    """Return the number and the host of the process that holds a folder's lock, None where it cannot be read."""
    try:
        text = read_regular(holder_path(folder), folder, 400).decode(errors="replace")
    except (OSError, GanbenchError):
        return None
    match = HOLDER.fullmatch(text.strip())
    return (int(match[1]), match[2]) if match else None


def list_networks(folder: Path) -> list[Path]:
    """Return the files of the generators that a results folder holds."""
    place = folder / "networks"
    files = [] if place.is_symlink() else sorted(place.glob("*.safetensors"))
    return [file for file in files if KEY.fullmatch(file.stem) and stat.S_ISREG(file.lstat().st_mode)]


def worker_log(folder: Path, process: int | str = "{process}") -> Path:
    """Return where a worker, by the number of its process, writes its log; without a number, the pattern of it."""
    return folder / "log" / f"worker-{process}.log"


def make_folders(folder: Path) -> None:
    """Create the results folder and the folders in it."""
    try:
        refuse_links(folder)
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
        write_file(sidecar, f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield
    finally:
        sidecar.unlink(missing_ok=True)
        lock.release()


def network_path(folder: Path, key: str) -> Path:
    """Return where the generator of a trial lies; raise GanbenchError unless the key is 64 hexadecimal digits."""
    if not KEY.fullmatch(key):
        raise GanbenchError(f"{folder}: {key!r} is no trial's key: 64 hexadecimal digits.")
    return folder / "networks" / f"{key}.safetensors"


def checkpoint_path(folder: Path, key: str) -> Path:
    """Return where the checkpoint of the batch with this key lies."""
    return folder / "checkpoints" / f"{key}.safetensors"


def list_checkpoints(folder: Path) -> set[str]:
    """Return the keys of the batches that have a checkpoint."""
    return {file.stem for file in (folder / "checkpoints").glob("*.safetensors")}


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


def write_snapshots(folder: Path, key: str, snapshots: Mapping[int, bytes]) -> None:
    """Write the generators of a trial's earlier snapshots in place of those that are there; a name has its hash."""
    place = snapshots_path(folder, key)
    for path in list_snapshots(folder, key).values():
        path.unlink(missing_ok=True)
    if snapshots:
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise GanbenchError(
                f"{place}: cannot be made ({error.strerror}). Check the disk, then run again."
            ) from error
        for each in (place.parent, place):
            check_kind(each, stat.S_IFDIR)
    for step, content in snapshots.items():
        write_file(place / f"{step}-{hashlib.sha256(content).hexdigest()}.safetensors", content)


def list_snapshots(folder: Path, key: str) -> dict[int, Path]:
    """Return the files of the generators of a trial's earlier snapshots, by their generator steps in order."""
    found = ((SNAPSHOT.fullmatch(path.name), path) for path in snapshots_path(folder, key).glob("*"))
    return dict(sorted((int(match[1]), path) for match, path in found if match))


def snapshots_path(folder: Path, key: str) -> Path:
    """Return the folder of the generators of a trial's earlier snapshots."""
    return folder / "networks" / "snapshots" / network_path(folder, key).stem


def plugin_path(folder: Path, name: str, digest: str) -> Path:
    """Return where the text of a plugin file lies, by the name of the file and the SHA-256 of the text."""
    short = make_slug(digest)[:12]
    stem = make_slug(Path(name).stem).removesuffix(f"-{short}")  # of a copy that was loaded from here
    return folder / "plugins" / f"{stem}-{short}.py"


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
