"""The files of a merged folder: generators, those of snapshots too, and the texts of plugins, each with its hash.

They are written into a folder that nobody reads yet, and flushed to the disk once: a hundred thousand generators, each
of which waits for the disk, take minutes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from ganbench.errors import GanbenchError
from ganbench.results.files import (
    LARGEST_NETWORK,
    list_snapshots,
    network_path,
    plugin_path,
    read_regular,
    snapshots_path,
    write_plugin,
)
from ganbench.results.guard import LONGEST_CELL
from ganbench.results.history import list_plugins
from ganbench.results.merge_rows import Choice
from ganbench.results.merge_sources import Source


def write_networks(sources: Sequence[Source], choice: Choice, folder: Path) -> tuple[int, int]:
    """Copy the generator of each record from a folder that has it; return how many there are, and how many are missing.

    A generator's file must have the hash that its record names. Those of earlier snapshots come along, not counted.
    """
    copied = missing = 0
    with_snapshots = [list_keys_of_snapshots(source.folder) for source in sources]
    for key, place in choice.chosen.items():
        places = (place, *choice.equal.get(key, ()))
        copy_snapshots([sources[other].folder for other in places if key in with_snapshots[other]], folder, key)
        wanted = sources[place].records[key].network
        if not wanted:
            continue
        for other in places:
            content = read_file(network_path(sources[other].folder, key), sources[other].folder, LARGEST_NETWORK)
            if sha256(content).hexdigest() == wanted:
                write_new_file(network_path(folder, key), content)
                copied += 1
                break
        else:
            missing += 1
    return copied, missing


def copy_snapshots(folders: Sequence[Path], target: Path, key: str) -> None:
    """Copy the generators of a trial's earlier snapshots from the first folder that has any.

    They must have the hash in their file's name.
    """
    for folder in folders:
        read = {path.name: read_file(path, folder, LARGEST_NETWORK) for path in list_snapshots(folder, key).values()}
        whole = {name: content for name, content in read.items() if sha256(content).hexdigest() in name}
        if whole:
            place = snapshots_path(target, key)
            place.mkdir(parents=True)
            for name, content in whole.items():
                write_new_file(place / name, content)
            return


def write_plugins(sources: Sequence[Source], folder: Path) -> None:
    """Copy the texts of the plugin files that the runs of the sources used, each with the hash that its run names."""
    for source in sources:
        for plugin in {plugin for run in source.runs for plugin in list_plugins(run.facts)}:
            if plugin.sha256:
                path = plugin_path(source.folder, plugin.name, plugin.sha256)
                content = read_file(path, source.folder, LONGEST_CELL)
                if sha256(content).hexdigest() == plugin.sha256:
                    write_plugin(folder, plugin.name, content)


def read_file(path: Path, folder: Path, most: int) -> bytes:
    """Return the content of a file of a results folder, b"" where there is none; raise GanbenchError for an odd one."""
    try:
        return read_regular(path, folder, most)
    except FileNotFoundError:
        return b""


def list_keys_of_snapshots(folder: Path) -> set[str]:
    """Return the keys of the trials of which generators of earlier snapshots are stored."""
    try:
        return set(os.listdir(folder / "networks" / "snapshots"))
    except OSError:
        return set()


def write_new_file(path: Path, content: bytes) -> None:
    """Write a file into a folder that nobody reads yet; `flush_disk` brings it to the disk."""
    try:
        with open(path, "xb", buffering=0) as file:
            file.write(content)
    except OSError as error:
        raise GanbenchError(f"{path}: cannot be written ({error.strerror}). Check the disk, then run again.") from error


def flush_disk() -> None:
    """Wait until all files that were written are on the disk, where the operating system can say so."""
    if hasattr(os, "sync"):
        os.sync()
