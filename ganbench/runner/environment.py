"""The machine that a run uses: its package versions, which records keep, and the disk of the results folder."""

from __future__ import annotations

import os
import platform
import re
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

DISTRIBUTIONS = ("ganbench", "torch", "torch-fidelity", "numpy", "scipy", "pandas", "scikit-learn")
"""Distributions whose versions are stored among the facts of every run."""

NETWORK_DISK = re.compile(
    r"(fuse\.|fuse-)?(nfs\d?|cifs|smb\d?|smbfs|smbnetfs|sshfs|lustre|9p|afs|afpfs|beegfs|ceph|davfs2?|glusterfs|gpfs|"
    r"mfs|ncpfs|orangefs|pvfs2|rclone|s3fs|webdav)"
)
"""The file systems that are shared over a network, by the names that operating systems give them."""


def caution_disk(folder: Path) -> tuple[str, ...]:
    """Return the caution for a results folder on a network disk, or nothing for a local one."""
    disk = find_file_system(folder)
    if not NETWORK_DISK.fullmatch(disk):
        return ()
    return (
        f"{folder} lies on a network disk ({disk}). File locks are unreliable there, so the database may be damaged. "
        "Name a folder on a local disk by --results, and copy it when the run has ended.",
    )


def find_file_system(folder: Path) -> str:
    """Return the file system that a folder lies on, such as "ext4", even if the folder does not exist yet.

    "" if the system does not say. Of several that are mounted at one place, the last one counts.
    """
    path, found, depth = folder.resolve(), "", -1
    try:
        partitions = psutil.disk_partitions(all=True)
    except (psutil.Error, OSError):
        return ""
    for partition in partitions:
        mount = Path(partition.mountpoint)
        if len(mount.parts) >= depth and path.is_relative_to(mount):
            found, depth = partition.fstype.lower(), len(mount.parts)
    return found


def collect_facts() -> dict[str, Any]:
    """Return the facts that a run stores about the machine; none of them names a person or a path.

    A distribution that is not installed has the version "absent".
    """
    versions = {}
    for name in DISTRIBUTIONS:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "absent"
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "versions": versions,
    }
