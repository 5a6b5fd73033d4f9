"""What SQLite would do by itself with a third party's database is refused before anything is asked of it."""

from __future__ import annotations

import os
import signal
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from ganbench.errors import GanbenchError
from ganbench.results import guard
from ganbench.results.guard import JOURNAL, list_objects
from ganbench.results.recovery import find_fault
from ganbench.results.schema import ADDED, RENAMED, SCHEMA
from ganbench.results.store import Store, read

from tests.support.hostile_folders import alter, everything_in, hostile
from tests.support.trials_by_hand import record, results, trial

OLD = Path(__file__).parents[1] / "fixtures" / "results_schema_2"
BOMB = "length(hex(randomblob(400000000))) > 0"


def rewrite(statement: str) -> tuple[str, ...]:
    """Return the statements that give the table `meta` this text without a change to its rows."""
    text = statement.replace("'", "''")
    return (
        "PRAGMA writable_schema = ON",
        f"UPDATE sqlite_master SET sql = '{text}' WHERE name = 'meta'",
    )


FOREIGN = {
    "a trigger": ["CREATE TRIGGER t AFTER INSERT ON meta BEGIN DELETE FROM records; END"],
    "a view": ["ALTER TABLE scores RENAME TO s2", "CREATE VIEW scores AS SELECT * FROM s2"],
    "a virtual table": ["CREATE VIRTUAL TABLE v USING fts5(x)"],
    "no table 'signals'": ["DROP TABLE signals"],
    "its table 'records' is not the one": ["ALTER TABLE records DROP COLUMN diverged_at"],
    "its table 'trials' is not the one": [
        "ALTER TABLE trials ADD COLUMN boom TEXT GENERATED ALWAYS AS (hex(zeroblob(400000000))) VIRTUAL"
    ],
    "its table 'runs' is not the one": [f"ALTER TABLE runs ADD COLUMN boom TEXT CHECK ({BOMB})"],
    "its table 'batches' is not the one": ["ALTER TABLE batches ADD COLUMN boom INTEGER DEFAULT 7"],
    "its table 'meta' is not the one": [
        *rewrite(f"CREATE TABLE meta (name TEXT NOT NULL, value TEXT NOT NULL CHECK ({BOMB}), PRIMARY KEY (name))")
    ],
    "its index 'computing' is none of": ["CREATE INDEX computing ON trials (hex(zeroblob(seed)))"],
    "its index 'partial' is none of": ["CREATE INDEX partial ON trials (seed) WHERE seed > 3"],
    "its table 'counted' is none of": ["CREATE TABLE counted (x INTEGER PRIMARY KEY AUTOINCREMENT)"],
    "its table 'sqlite_stat1' is none of": ["ANALYZE"],
    "its schema version is none": ["ALTER TABLE meta RENAME TO atem"],
    "its schema version is b'\\x00'": ["UPDATE meta SET value = x'00'"],
    "its schema version is 99": ["UPDATE meta SET value = '99'", "CREATE TABLE t (x)"],
}


@pytest.mark.parametrize(("said", "statements"), FOREIGN.items(), ids=FOREIGN.keys())
def test_a_foreign_schema_is_refused_to_readers_and_to_runs(tmp_path: Path, said: str, statements: list[str]) -> None:
    folder = hostile(tmp_path / "r", *statements)
    before = everything_in(folder)
    for readonly in (True, False):
        with pytest.raises(GanbenchError) as caught:
            Store(folder, readonly=readonly).open()
        assert said in str(caught.value)
        assert "results.sqlite: " in str(caught.value)
        assert "nother folder" in str(caught.value)
    assert everything_in(folder).items() >= before.items()
    assert {"results.sqlite-wal", "results.sqlite-journal"}.isdisjoint(everything_in(folder))


def test_the_schema_is_known_for_every_version_and_holds_no_text_whose_spaces_matter() -> None:
    with closing(sqlite3.connect(OLD / "results.sqlite")) as link:
        found = {(kind, name): (table, guard.plain_text(sql)) for kind, name, table, sql in link.execute(guard.OBJECTS)}
    assert found == list_objects(2)
    versions = {*RENAMED, *ADDED, SCHEMA}
    assert versions == set(range(2, SCHEMA + 1))
    for version in versions:
        assert not any("'" in text or "/*" in text or "--" in text for _, text in list_objects(version).values())


def test_a_schema_that_takes_too_long_to_list_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = hostile(tmp_path / "r", *(f"CREATE TABLE t{i} (x)" for i in range(500)))
    monkeypatch.setattr(guard, "SECONDS", -1.0)
    with pytest.raises(GanbenchError, match=r"its tables take more than -1 seconds to list"):
        read(folder)


def test_a_cell_longer_than_any_that_ganbench_writes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = hostile(tmp_path / "r", "UPDATE records SET error = printf('%.*c', 20000, 'z')")
    assert read(folder).trials["error"].str.len().tolist() == [20_000]
    monkeypatch.setattr(guard, "LONGEST_CELL", 10_000)
    with pytest.raises(GanbenchError, match=r"results\.sqlite: .*too big. A cell or a text has more than"):
        read(folder)


def test_pages_that_are_used_twice_are_found_before_they_are_read(tmp_path: Path) -> None:
    folder = hostile(tmp_path / "r")
    with Store(folder) as store:
        store.append([record(trial(seed=seed), [1.0] * 50) for seed in range(20)])
    with closing(sqlite3.connect(folder / "results.sqlite")) as link:
        (page,) = link.execute("SELECT rootpage FROM sqlite_master WHERE name = 'scores'").fetchone()
        (size,) = link.execute("PRAGMA page_size").fetchone()
    content = bytearray((folder / "results.sqlite").read_bytes())
    root = (page - 1) * size
    assert content[root] == 2  # an interior page of an index: each of its cells names a child
    cells = struct.unpack(">H", content[root + 3 : root + 5])[0]
    offsets = struct.unpack(f">{cells}H", content[root + 12 : root + 12 + 2 * cells])
    first = content[root + offsets[0] : root + offsets[0] + 4]
    for offset in offsets:
        content[root + offset : root + offset + 4] = first
    (folder / "results.sqlite").write_bytes(content)
    with pytest.raises(GanbenchError, match=r"results\.sqlite: .*malformed.*The file is damaged"):
        read(folder)
    assert find_fault(folder / "results.sqlite") == "damaged"


def journal(
    file: Path, *, page: int = 4096, sector: int = 512, pages: int | None = None, magic: bytes = JOURNAL
) -> bytes:
    """Return the header of a rollback journal of a database, filled up to a sector."""
    count = file.stat().st_size // 4096 if pages is None else pages
    return (magic + struct.pack(">5I", 0, 1, count, sector, page)).ljust(512, b"\0")


def name_super_journal(victim: Path) -> bytes:
    """Return the end of a journal that names a super-journal, as SQLite writes it."""
    name = os.fsencode(victim)
    return struct.pack(">I", 0x40000000 // 4096 + 1) + name + struct.pack(">2I", len(name), sum(name)) + JOURNAL


ODD_JOURNALS: dict[str, Callable[[Path, Path], bytes]] = {
    "names a super-journal": lambda file, victim: journal(file) + name_super_journal(victim),
    "names a super-journal alone": lambda file, victim: name_super_journal(victim),
    "other magic": lambda file, _: journal(file, magic=b"\x01" * 8),
    "other pages": lambda file, _: journal(file, page=8192),
    "no pages": lambda file, _: journal(file, page=0),
    "odd sectors": lambda file, _: journal(file, sector=7),
    "huge sectors": lambda file, _: journal(file, sector=2**31),
    "more pages": lambda file, _: journal(file, pages=2**31),
    "longer": lambda file, _: journal(file, pages=1) + b"\1" * 20_000,
}


@pytest.mark.parametrize("make", ODD_JOURNALS.values(), ids=ODD_JOURNALS.keys())
def test_a_journal_that_ganbench_did_not_write_is_never_played_back(
    tmp_path: Path, make: Callable[[Path, Path], bytes]
) -> None:
    folder, victim = hostile(tmp_path / "r"), tmp_path / "victim"
    victim.write_text("precious")
    file = folder / "results.sqlite"
    file.with_name("results.sqlite-journal").write_bytes(make(file, victim))
    before = everything_in(tmp_path)
    with pytest.raises(GanbenchError, match=r"results\.sqlite-journal: not a journal of ganbench: .*Remove it"):
        Store(folder).open()
    after = everything_in(tmp_path)
    after.pop("r/.lock")
    assert after == {name: digest for name, digest in before.items() if name != "r/.lock"}


KILLED = """
import os, signal, sys
from ganbench.results.store import Store
from tests.support.trials_by_hand import record, trial
store = Store(sys.argv[1]).open()
with store._engine.begin() as connection:
    connection.exec_driver_sql("PRAGMA cache_size = 2")
    connection.exec_driver_sql("UPDATE scores SET value = -1.0")
    connection.exec_driver_sql("DELETE FROM signals")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_journal_of_a_killed_run_is_played_back(tmp_path: Path) -> None:
    frames = results(tmp_path, [record(trial(seed=seed), [1.0] * 50) for seed in range(20)])
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "results.sqlite-journal").stat().st_size > 4096
    with pytest.raises(GanbenchError, match="the next `ganbench run` into this folder repairs it"):
        read(tmp_path)
    with Store(tmp_path) as store:
        assert store.frames().scores.equals(frames.scores)
    assert not (tmp_path / "results.sqlite-journal").exists()


@pytest.mark.parametrize("ending", ["-wal", "-shm"])
@pytest.mark.parametrize("readonly", [True, False])
def test_parts_of_write_ahead_mode_beside_the_database_are_refused(tmp_path: Path, ending: str, readonly: bool) -> None:
    folder = hostile(tmp_path / "r")
    (folder / f"results.sqlite{ending}").write_bytes(b"anything")
    before = everything_in(folder)
    with pytest.raises(GanbenchError, match=rf"results\.sqlite{ending}: a part of write-ahead mode"):
        Store(folder, readonly=readonly).open()
    assert everything_in(folder) == before


@pytest.mark.parametrize("readonly", [True, False])
def test_a_database_in_write_ahead_mode_is_refused_before_anything_is_made_beside_it(
    tmp_path: Path, readonly: bool
) -> None:
    folder = hostile(tmp_path / "r", "PRAGMA journal_mode = WAL")
    before = everything_in(folder)
    with pytest.raises(GanbenchError, match=r"results\.sqlite: in write-ahead mode.*PRAGMA journal_mode = DELETE"):
        Store(folder, readonly=readonly).open()
    assert everything_in(folder) == before


def test_a_foreign_database_is_put_aside_only_when_asked(tmp_path: Path) -> None:
    folder = hostile(tmp_path / "r")
    alter(folder, f"ALTER TABLE runs ADD COLUMN boom TEXT CHECK ({BOMB})")
    assert find_fault(folder / "results.sqlite") == "foreign"
    with Store(folder, fresh=True) as store:
        assert store.aside == folder / "results.sqlite.foreign-1"
        assert not store.known()
