"""Nothing but regular files of a results folder itself is opened, and nothing is written through a link."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from ganbench.errors import GanbenchError
from ganbench.progress.watch import read_last_label
from ganbench.results.files import (
    FOLDERS,
    OURS,
    check_regular,
    hold_lock,
    holder_path,
    list_networks,
    read_holder,
    read_regular,
    worker_log,
)
from ganbench.results.migrations import migrate
from ganbench.results.store import Store, read

from tests.support.hostile_folders import SPECIAL, everything_in, hostile, make_link
from tests.support.terminal import ganbench
from tests.support.trials_by_hand import trial


@pytest.mark.parametrize(("said", "make"), SPECIAL.items(), ids=SPECIAL.keys())
def test_only_regular_files_are_read(tmp_path: Path, said: str, make: Callable[[Path], None]) -> None:
    make(tmp_path / "x")
    with pytest.raises(GanbenchError, match=said):
        read_regular(tmp_path / "x", tmp_path, 2**40)


def test_a_file_is_read_up_to_its_bound_and_behind_no_link_but_that_of_the_results_folder(tmp_path: Path) -> None:
    (tmp_path / "r" / "sub").mkdir(parents=True)
    (tmp_path / "r" / "sub" / "x").write_bytes(b"123")
    (tmp_path / "r" / "linked").symlink_to(tmp_path / "r" / "sub")
    (tmp_path / "other").symlink_to(tmp_path / "r")
    for folder in (tmp_path / "r", tmp_path / "other"):
        assert read_regular(folder / "sub" / "x", folder, 3) == b"123"
        with pytest.raises(GanbenchError, match="more than 2 bytes"):
            read_regular(folder / "sub" / "x", folder, 2)
        with pytest.raises(GanbenchError, match="linked: a link, where a results folder has a folder of its own"):
            read_regular(folder / "linked" / "x", folder, 3)
    with pytest.raises(FileNotFoundError):
        check_regular(tmp_path / "none", tmp_path)


@pytest.mark.parametrize("make", SPECIAL.values(), ids=SPECIAL.keys())
@pytest.mark.parametrize("readonly", [True, False])
def test_a_database_that_is_no_regular_file_is_refused(
    tmp_path: Path, make: Callable[[Path], None], readonly: bool
) -> None:
    make(tmp_path / "results.sqlite")
    with pytest.raises(GanbenchError, match=r"results\.sqlite: .*Remove it"):
        Store(tmp_path, readonly=readonly).open()


@pytest.mark.parametrize("make", SPECIAL.values(), ids=SPECIAL.keys())
def test_a_journal_that_is_no_regular_file_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(hostile(tmp_path / "r") / "results.sqlite-journal")
    with pytest.raises(GanbenchError, match=r"results\.sqlite-journal: .*Remove it"):
        read(tmp_path / "r")


@pytest.mark.parametrize("make", SPECIAL.values(), ids=SPECIAL.keys())
def test_a_holder_or_a_log_that_is_no_regular_file_says_nothing(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(holder_path(tmp_path))
    assert read_holder(tmp_path) is None
    (tmp_path / "log").mkdir()
    make(worker_log(tmp_path, 7))
    assert read_last_label(worker_log(tmp_path, 7), tmp_path) == ""


@pytest.mark.parametrize("make", SPECIAL.values(), ids=SPECIAL.keys())
def test_a_generator_that_is_no_regular_file_is_refused_and_not_copied(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    folder = hostile(tmp_path / "r")
    network = folder / "networks" / f"{trial().key}.safetensors"
    network.unlink()
    make(network)
    with Store(folder, readonly=True) as store, pytest.raises(GanbenchError, match="Remove it"):
        store.generator(trial().key)
    if network.is_symlink() or network.is_fifo() or network.is_dir():
        assert list_networks(folder) == []


def test_generators_behind_a_link_are_neither_listed_nor_read(tmp_path: Path) -> None:
    folder = hostile(tmp_path / "r")
    (folder / "networks").rename(tmp_path / "elsewhere")
    (folder / "networks").symlink_to(tmp_path / "elsewhere")
    assert list_networks(folder) == []
    with Store(folder, readonly=True) as store, pytest.raises(GanbenchError, match="networks: a link"):
        store.generator(trial().key)


@pytest.mark.parametrize("name", [*OURS, *FOLDERS])
def test_a_run_follows_no_link_out_of_its_folder(tmp_path: Path, name: str) -> None:
    folder, outside = tmp_path / "r", tmp_path / "outside"
    hostile(tmp_path / "made")
    shutil.copytree(tmp_path / "made", outside)
    before = everything_in(outside)
    folder.mkdir()
    (folder / name).symlink_to(outside / name)
    with pytest.raises(GanbenchError, match=r": a link, where a results folder has a (file|folder) of its own"):
        Store(folder).open()
    assert everything_in(outside) == before


@pytest.mark.parametrize("name", [*OURS, "log/worker-7.log"])
def test_a_run_waits_for_no_pipe_in_its_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "log").mkdir()
    os.mkfifo(tmp_path / name)
    with pytest.raises(GanbenchError, match=": a pipe, where a results folder has a file of its own"):
        Store(tmp_path).open()


def test_the_log_of_a_worker_is_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    make_link(worker_log(tmp_path, 7))
    with pytest.raises(GanbenchError, match=r"worker-7\.log: a link, where a results folder has a file of its own"):
        Store(tmp_path).open()


def test_the_holder_replaces_a_link_that_appears_where_it_writes(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    holder_path(tmp_path).symlink_to(victim)
    with hold_lock(tmp_path):
        assert str(os.getpid()) in holder_path(tmp_path).read_text()
    assert victim.read_text() == "precious"


def test_a_copy_is_not_made_over_a_file(tmp_path: Path) -> None:
    old = Path(__file__).parents[1] / "fixtures" / "results_schema_2"
    (tmp_path / "copy").write_text("precious")
    with pytest.raises(GanbenchError, match="copy: not empty"):
        migrate(old, tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "precious"


@pytest.mark.parametrize("command", ["figures", "samples"])
def test_nothing_is_drawn_through_a_link(tmp_path: Path, command: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (hostile(tmp_path / "r") / "figures").symlink_to(outside)
    ended = ganbench(command, "r", cwd=tmp_path)
    assert ended.returncode == 2
    assert "r/figures: a link, where a results folder has a folder of its own" in ended.stderr
    assert not list(outside.iterdir())
