"""Whatever a third party changes in a results folder, each command answers or refuses in words, and writes nothing."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import struct
import sys
from contextlib import closing, suppress
from pathlib import Path
from time import monotonic
from typing import Any

import ganbench
import pytest
from ganbench.results.guard import JOURNAL

from tests.support.hostile_folders import everything_in
from tests.support.terminal import ganbench as command
from tests.support.tiny_suite import suite as tiny_suite

VALUES: list[Any] = [
    *(None, 0, 1, -1, 7, 2**31, 2**63 - 1, -(2**63), 0.5, -1e308, 9e999, "", " ", "x", "0", "nan", "1e999"),
    *(
        "\x1b[31m",
        "\u202e",
        "../../x",
        "$\\frac{$",
        "＝1",
        "<b>",
        "http://x",
        "n" * 5000,
        "[]",
        "{}",
        "[[",
        "null",
        "true",
    ),
    *(b"", b"\x00", b"\xff\xfe", b"\x01" * 8, bytes(16)),
]
"""What a cell may be changed to."""

JSON_VALUES: list[Any] = [
    *(None, True, 0, -1, 3, 10**6, 2**63, 1e308, float("nan"), float("inf"), "", "x", "stack", "cuda"),
    *([], {}, [0], ["a"], [None], {"a": 1}, [[[]]]),
]
"""What a part of a JSON cell may be changed to."""

JSON_CELLS = [
    *(("trials", "content"), ("runs", "facts"), ("batches", "composition"), ("batches", "facts")),
    *(("records", "seconds"), ("records", "updates")),
]
COMMANDS = [
    *(["table", "r"], ["table", "r", "--format", "json"], ["table", "r", "--all", "--format", "csv"]),
    *(["table", "r", "--format", "latex"], ["table", "r", "--sensitivity"], ["history", "r"], ["watch", "r", "--once"]),
    *(["figures", "r", "--out", "out"], ["samples", "r", "--out", "out"], ["rerun", "r"]),
    *(["trials", "r"], ["trials", "r", "--failed", "--format", "json"], ["export", "r", "out"]),
    ["merge", "r", "sound", "--out", "out", "--prefer", "sound"],
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of two methods and two seeds, one of which diverges."""
    out = tmp_path_factory.mktemp("fuzz") / "r"
    wild = {"name": "wild", "from": "ns-gan", "optimizer": {"name": "sgd", "lr": 1e30}}
    budget = {"generator_steps": 6, "batch_size": 8, "snapshots": 2}
    rule = {"dataset": "ring", "metric": "modes", "thresholds": [1, 2], "primary": 1, "allow_trivial": True}
    rule["compare"] = [["ns-gan", "wild"]]
    asked = tiny_suite(methods=["ns-gan"], method=[wild], seeds=2, budget=budget, success=[rule])
    ganbench.run(asked, results=out, jobs=0)
    return out


def change_cell(folder: Path, rng: random.Random) -> str:
    """Change a column of all rows, or of one, to an odd value."""
    with closing(sqlite3.connect(folder / "results.sqlite", isolation_level=None)) as link:
        link.execute("PRAGMA foreign_keys = OFF")
        tables = [name for (name,) in link.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        table = rng.choice(tables)
        column = rng.choice([row[1] for row in link.execute(f'PRAGMA table_info("{table}")')])
        value, limit = rng.choice(VALUES), rng.choice(["", f' WHERE "{column}" = (SELECT "{column}" FROM "{table}")'])
        with suppress(sqlite3.Error):
            link.execute(f'UPDATE OR REPLACE "{table}" SET "{column}" = ?{limit}', (value,))
    return f"{table}.{column} = {value!r}"


def change_json(folder: Path, rng: random.Random) -> str:
    """Change a part of a JSON cell, or the text itself, in all rows."""
    table, column = rng.choice(JSON_CELLS)
    with closing(sqlite3.connect(folder / "results.sqlite", isolation_level=None)) as link:
        (text,) = link.execute(f"SELECT {column} FROM {table}").fetchone()
        data = json.loads(text)
        place, path = data, []
        while isinstance(place, dict) and place:
            path.append(rng.choice(sorted(place)))
            if not isinstance(place[path[-1]], dict) or rng.random() < 0.3:
                break
            place = place[path[-1]]
        if not path:
            return "nothing"
        place[path[-1]] = rng.choice(JSON_VALUES)
        link.execute(f"UPDATE {table} SET {column} = ?", (json.dumps(data),))
    return f"{table}.{column}: {'.'.join(path)} = {place[path[-1]]!r}"


def change_rows(folder: Path, rng: random.Random) -> str:
    """Delete the rows of a table, or some of them."""
    with closing(sqlite3.connect(folder / "results.sqlite", isolation_level=None)) as link:
        tables = [name for (name,) in link.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        table = rng.choice(tables)
        link.execute(f'DELETE FROM "{table}" WHERE random() % 2 = 0 OR {int(rng.random() < 0.5)}')
    return f"rows of {table} deleted"


def change_suite(folder: Path, rng: random.Random) -> str:
    """Change, delete or repeat a part of the stored suite."""
    with closing(sqlite3.connect(folder / "results.sqlite", isolation_level=None)) as link:
        (text,) = link.execute("SELECT suite FROM runs").fetchone()
        start, end = sorted(rng.randrange(len(text) + 1) for _ in range(2))
        part = rng.choice(["", text[start:end] * 3, *(str(value) for value in VALUES)])
        link.execute("UPDATE runs SET suite = ?", (text[:start] + part + text[min(end, start + 20) :],))
    return f"suite[{start}:{min(end, start + 20)}] = {part[:50]!r}"


def change_bytes(folder: Path, rng: random.Random) -> str:
    """Overwrite, cut or extend the bytes of a file."""
    file = rng.choice([path for path in sorted(folder.rglob("*")) if path.is_file()])
    content = bytearray(file.read_bytes() or b"\0")
    for _ in range(rng.choice([1, 10, 1000])):
        content[min(rng.randrange(len(content)), rng.choice([100, len(content) - 1]))] = rng.randrange(256)
    kind = rng.choice(["overwritten", "cut", "extended"])
    content = content[: rng.randrange(len(content))] if kind == "cut" else content + bytes(99) * (kind == "extended")
    file.write_bytes(content)
    return f"{file.name} {kind}"


def add_file(folder: Path, rng: random.Random) -> str:
    """Put a file beside the database."""
    name = rng.choice(["results.sqlite-journal", "results.sqlite-wal", "results.sqlite-shm", ".holder", "suite.toml"])
    header = JOURNAL + struct.pack(">5I", rng.choice([0, 1, 2**32 - 1]), 1, rng.choice([0, 3, 2**31]), 512, 4096)
    junk = rng.randbytes(rng.choice([0, 8, 600]))
    (folder / name).write_bytes(rng.choice([header.ljust(512, b"\0") + junk, junk, junk + JOURNAL]))
    return f"{name} added"


CHANGES = [change_cell, change_cell, change_json, change_json, change_rows, change_suite, change_bytes, add_file]


def fuzz(made: Path, base: Path, seed: int) -> None:
    """Change a copy of the folder at random and run a command on it; it must answer or refuse, and write nothing."""
    rng = random.Random(seed)
    shutil.rmtree(base, ignore_errors=True)
    folder = Path(shutil.copytree(made, base / "r"))
    key = sorted(path.stem for path in (made / "networks").iterdir())[0]
    did = []
    changes = rng.choices(CHANGES, k=rng.choice([1, 1, 2, 4]))
    for change in sorted(changes, key=lambda each: each is add_file):  # else this test itself plays a journal back
        with suppress(sqlite3.Error, json.JSONDecodeError, TypeError):  # an earlier change broke what this one reads
            did.append(change(folder, rng))
    words = list(rng.choice(COMMANDS))
    words += [key[:12]] if words[0] == "rerun" else []
    if words[0] == "merge":
        shutil.copytree(made, base / "sound")
    before, began = everything_in(folder), monotonic()
    try:
        ended = command(*words, cwd=base)
    except Exception as error:
        raise AssertionError(f"seed {seed}: {' '.join(words)} after {did}") from error
    place = f"seed {seed}: {' '.join(words)} after {did}: {ended.stderr[-500:]}"
    assert ended.returncode in (0, 1, 2), place
    assert ended.returncode != 2 or ended.stderr.startswith("ganbench: "), place
    assert "Traceback" not in ended.stdout + ended.stderr, place
    assert all(c.isprintable() or c in "\n\r" for c in ended.stdout + ended.stderr), place
    assert everything_in(folder) == before, place
    assert monotonic() - began < 30, place


@pytest.mark.filterwarnings("ignore")
def test_no_change_of_a_results_folder_makes_a_reader_fail(made: Path, tmp_path: Path) -> None:
    for seed in range(40):
        fuzz(made, tmp_path / "base", seed)


@pytest.mark.fuzz
@pytest.mark.filterwarnings("ignore")
def test_thousands_of_changes_make_no_reader_fail(made: Path, tmp_path: Path) -> None:
    failures = []
    for seed in range(1000, 3000):
        try:
            fuzz(made, tmp_path / "base", seed)
        except AssertionError as failure:
            failures.append(f"{failure} {failure.__cause__!r}")
            sys.stderr.write(failures[-1][:1500] + "\n")
    assert not failures, "\n".join(failures)
