"""Faults of the disk and of other processes, for real: what is stored stays, and the answer says the way out."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import ganbench
import pytest
from ganbench.errors import GanbenchError
from ganbench.results.recovery import find_fault, set_aside
from ganbench.results.store import Store, read

from tests.support.tiny_suite import suite as small
from tests.support.trials_by_hand import record, results, trial

HOLD = """
import sys, time
from ganbench.results.store import Store
with Store(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""
AS_NOBODY = """
import os, sys
from ganbench.errors import GanbenchError
from ganbench.results.store import Store
if os.getuid() == 0:
    os.setuid(65534)
try:
    Store(sys.argv[1]).open()
except GanbenchError as error:
    print(error)
"""


def many(first: int, count: int) -> list:
    """Make records of trials with these seeds."""
    return [record(trial(seed=seed), [1.0, 2.0], generator=b"weights") for seed in range(first, first + count)]


def test_a_full_disk_loses_nothing_that_was_stored(tmp_path: Path) -> None:
    results(tmp_path, many(0, 1))
    with Store(tmp_path) as store:
        with store._engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(GanbenchError, match=r"results\.sqlite: .*full.*Make room on the disk and run again"):
            store.append(many(1, 500))
        assert len(store.known()) == 1
    with Store(tmp_path) as store:
        store.append(many(1, 500))
        assert len(store.known()) == 501


def test_a_disk_that_is_full_at_a_generator_loses_nothing_that_was_stored(tmp_path: Path, monkeypatch) -> None:
    results(tmp_path, many(0, 1))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with Store(tmp_path) as store:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(GanbenchError, match=r"safetensors: cannot be written \(No space left.*Check the disk"):
            store.append(many(1, 1))
        monkeypatch.undo()
        assert len(store.known()) == 1
        assert store.generator(trial(seed=0).key) == b"weights"
        store.append(many(1, 1))
        assert store.generator(trial(seed=1).key) == b"weights"
    assert not list(tmp_path.rglob("*.part"))


def test_a_folder_without_the_right_to_write_is_an_error_with_the_way_out(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    for path in (tmp_path, *tmp_path.parents[:3]):
        path.chmod(path.stat().st_mode | 0o055)
    words = [sys.executable, "-c", AS_NOBODY, str(folder / "results")]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert "results: cannot be written (Permission denied). Choose another folder" in ended.stdout, ended.stderr
    assert not list(folder.iterdir())


def test_a_holder_is_named_and_its_kill_frees_the_folder_at_once(tmp_path: Path) -> None:
    words = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(GanbenchError, match=rf"process {holder.pid} on .+ writes here"):
            ganbench.run(small(), results=tmp_path, jobs=0)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with Store(tmp_path) as store:
            assert not store.known()


def damage(file: Path) -> bytes:
    """Overwrite the middle of a database; give what it then holds."""
    content = file.read_bytes()
    file.write_bytes(content[:100] + b"\xff" * (len(content) - 100))
    return file.read_bytes()


def test_a_damaged_database_is_kept_aside_and_another_begun_only_when_asked(tmp_path: Path) -> None:
    file = tmp_path / "results.sqlite"
    for n in (1, 2):
        results(tmp_path, many(0, 20))
        broken = damage(file)
        with pytest.raises(GanbenchError, match=r"results\.sqlite: .*damaged.*--fresh"):
            Store(tmp_path).open()
        assert file.read_bytes() == broken
        with Store(tmp_path, fresh=True) as store:
            assert store.aside == tmp_path / f"results.sqlite.damaged-{n}"
            assert store.aside.read_bytes() == broken
            assert not store.known()
    assert {path.name for path in tmp_path.glob("results.sqlite*")} == {
        *("results.sqlite", "results.sqlite.damaged-1", "results.sqlite.damaged-2")
    }


def test_results_of_another_schema_are_kept_aside_when_asked_and_refused_otherwise(tmp_path: Path) -> None:
    results(tmp_path, many(0, 1))
    with closing(sqlite3.connect(tmp_path / "results.sqlite")) as link, link:
        link.execute("UPDATE meta SET value = '1' WHERE name = 'schema'")
    link.close()
    with pytest.raises(GanbenchError, match=r"schema version is 1, .*another folder.*--fresh"):
        Store(tmp_path).open()
    with Store(tmp_path, fresh=True) as store:
        assert store.aside == tmp_path / "results.sqlite.schema-1-1"
        assert not store.known()


def test_sound_results_are_never_put_aside(tmp_path: Path) -> None:
    results(tmp_path, many(0, 1))
    with pytest.raises(GanbenchError, match=r"results\.sqlite: a sound database, which --fresh would put aside"):
        Store(tmp_path, fresh=True).open()
    assert len(read(tmp_path).trials) == 1
    assert find_fault(tmp_path / "results.sqlite") == ""
    assert set_aside(tmp_path / "nothing.sqlite") is None
