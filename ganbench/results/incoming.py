"""Generators on their way into a results folder: workers write their files, and the driver moves them into place.

    networks/incoming/<the trial's key>-<SHA-256 of the content>.safetensors

So their bytes do not travel through a pipe. A file is moved when its record is stored, after its hash was checked; what
a killed worker left is removed at the next run.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from stat import S_IFDIR

from ganbench.api.records import Record
from ganbench.errors import GanbenchError
from ganbench.results.files import (
    check_kind,
    network_path,
    open_regular,
    snapshots_path,
    write_file,
    write_network,
    write_snapshots,
)

INCOMING = re.compile(r"([0-9a-f]{64})-[0-9a-f]{64}\.safetensors")
"""The name of an incoming file: the key of its trial, and the SHA-256 of its content."""


def incoming_path(folder: Path, key: str, digest: str) -> Path:
    """Return where a worker writes a generator of a trial, whose content has this SHA-256."""
    return folder / "networks" / "incoming" / f"{network_path(folder, key).stem}-{digest}.safetensors"


def write_incoming(folder: Path, key: str, content: bytes) -> str:
    """Write a generator for the driver to store; return its SHA-256."""
    digest = hashlib.sha256(content).hexdigest()
    path = incoming_path(folder, key, digest)
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise GanbenchError(
            f"{path.parent}: cannot be made ({error.strerror}). Check the disk, then run again."
        ) from error
    for each in (path.parent.parent, path.parent):
        check_kind(each, S_IFDIR)
    write_file(path, content)
    return digest


def is_incoming(folder: Path, key: str, digest: str) -> bool:
    """Return whether a worker has written this generator, and its content still has this SHA-256."""
    try:
        with open_regular(incoming_path(folder, key, digest), folder) as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == digest
    except (FileNotFoundError, GanbenchError):
        return False


def refuse_absent_files(folder: Path, record: Record) -> Record:
    """Return a record, or a failed one in its place if a file that its worker should have written is not there."""
    key = record.trial.key
    for step, digest in record.written.items():
        if not is_incoming(folder, key, digest):
            error = (
                f"{incoming_path(folder, key, digest)}: missing, or not the generator of step {step} that its worker "
                "wrote. Check the disk, then run with --retry failed."
            )
            return replace(record, status="failed", error=error, generator=b"", snapshots={}, written={})
    return record


def store_networks(folder: Path, records: Iterable[Record]) -> dict[str, str]:
    """Write or move the final generators of records into place; return the SHA-256 of each one by its key.

    Their folder is synchronised once for all of them: for each, it would cost as much as storing the rest of a record.
    """
    hashes = {record.trial.key: store_network(folder, record) for record in records}
    networks = {key: digest for key, digest in hashes.items() if digest}
    if networks:
        sync_folder(folder / "networks")
    return networks


def store_network(folder: Path, record: Record) -> str:
    """Write or move the final generator of a record into place; return its SHA-256, "" where there is none."""
    key, digest = record.trial.key, record.written.get(record.trial.budget.generator_steps, "")
    if record.generator:
        return write_network(folder, key, record.generator)
    if digest:
        move_file(incoming_path(folder, key, digest), network_path(folder, key))
    return digest


def store_snapshots(folder: Path, record: Record) -> None:
    """Write or move the generators of earlier snapshots into place, in place of those that are there."""
    key, final = record.trial.key, record.trial.budget.generator_steps
    write_snapshots(folder, key, record.snapshots)
    place = snapshots_path(folder, key)
    moved = {step: digest for step, digest in record.written.items() if step != final}
    for step, digest in moved.items():
        place.mkdir(parents=True, exist_ok=True)
        for each in (place.parent, place):
            check_kind(each, S_IFDIR)
        move_file(incoming_path(folder, key, digest), place / f"{step}-{digest}.safetensors")
    if moved or record.snapshots:
        sync_folder(place)


def move_file(source: Path, target: Path) -> None:
    """Rename a file that is whole; `sync_folder` makes the new name outlast a power cut."""
    try:
        source.replace(target)
    except OSError as error:
        raise GanbenchError(
            f"{target}: cannot be written ({error.strerror}). Check the disk, then run again."
        ) from error


def sync_folder(place: Path) -> None:
    """Make the names in a folder outlast a power cut, where the system can."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    try:
        opened = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
    except OSError as error:
        raise GanbenchError(
            f"{place}: cannot be written ({error.strerror}). Check the disk, then run again."
        ) from error


def remove_leftovers(folder: Path, needed: Collection[str]) -> None:
    """Remove what killed workers left, except the files of trials whose keys are `needed`: they may resume.

    No worker may be writing meanwhile.
    """
    place = folder / "networks" / "incoming"
    with suppress(FileNotFoundError):
        check_kind(place, S_IFDIR)
        for file in place.iterdir():
            match = INCOMING.fullmatch(file.name)
            if match is None or match[1] not in needed:
                with suppress(OSError):
                    file.unlink()
        with suppress(OSError):  # not empty
            place.rmdir()
