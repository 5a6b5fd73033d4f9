"""A results folder on a network disk is a caution before training."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from ganbench.runner import environment
from ganbench.runner.driver import run_events
from ganbench.runner.settings import Settings
from ganbench.suite.loading import parse

from tests.support.terminal import ganbench
from tests.support.tiny_suite import suite as tiny_suite


def mount(monkeypatch: pytest.MonkeyPatch, *disks: tuple[Path | str, str]) -> None:
    """Let the machine have these mount points, with their file systems."""
    partitions = [SimpleNamespace(mountpoint=str(point), fstype=name) for point, name in disks]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: partitions if all else [])


@pytest.mark.parametrize(
    "name", ["nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "lustre", "9p", "fuse.glusterfs", "NFS"]
)
def test_a_folder_on_a_network_disk_is_a_caution(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    mount(monkeypatch, ("/", "ext4"), (tmp_path, name))
    folder = tmp_path / "not" / "yet"
    assert environment.caution_disk(folder) == (
        f"{folder} lies on a network disk ({name.lower()}). File locks are unreliable there, so the database may be "
        "damaged. Name a folder on a local disk by --results, and copy it when the run has ended.",
    )


@pytest.mark.parametrize("name", ["ext4", "xfs", "btrfs", "apfs", "NTFS", "tmpfs", "overlay", "fuse", "fuse.ntfs-3g"])
def test_a_folder_on_a_local_disk_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    mount(monkeypatch, ("/", name))
    assert environment.caution_disk(tmp_path) == ()


def test_the_innermost_mount_decides_and_at_one_place_the_last(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mount(monkeypatch, (tmp_path / "a" / "b", "ext4"), (tmp_path / "a", "nfs"), ("/", "xfs"), (tmp_path / "ab", "9p"))
    for path, name in {"a/b/c": "ext4", "a/c": "nfs", "ac": "xfs", "abc": "xfs", "ab": "9p"}.items():
        assert environment.find_file_system(tmp_path / path) == name
    mount(monkeypatch, (tmp_path, "autofs"), (tmp_path, "nfs4"))
    assert environment.find_file_system(tmp_path) == "nfs4"


def test_a_link_is_followed_to_its_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "share").mkdir()
    (tmp_path / "results").symlink_to(tmp_path / "share")
    mount(monkeypatch, ("/", "ext4"), (tmp_path / "share", "nfs"))
    assert environment.find_file_system(tmp_path / "results" / "ring") == "nfs"


def test_a_machine_that_does_not_say_has_no_caution(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(all: bool) -> None:
        raise PermissionError("/proc/filesystems")

    monkeypatch.setattr(psutil, "disk_partitions", refuse)
    assert environment.caution_disk(tmp_path) == ()


def test_plan_and_run_print_the_caution_before_training(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mount(monkeypatch, (tmp_path, "nfs4"))
    with closing(run_events(parse(tiny_suite()), Settings(results=tmp_path / "here", jobs=0))) as events:
        session, event = next(events)
    assert event is None
    assert session.plan.warnings[0].startswith(f"caution: {tmp_path / 'here'} lies on a network disk (nfs4).")
    (tmp_path / "s.toml").write_text(
        'question = "Why?"\nmethods = ["ns-gan"]\nbudget = { generator_steps = 4 }\ndataset = [{ name = "ring" }]\n'
    )
    planned = ganbench("plan", "s.toml", cwd=tmp_path)
    assert planned.stderr.startswith("caution: results/s lies on a network disk (nfs4).")
