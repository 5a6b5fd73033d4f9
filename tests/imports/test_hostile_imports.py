"""Whatever a third party changes in a folder of imported runs, each command answers or refuses in words."""

from __future__ import annotations

import json
import random
import re
import shutil
import sqlite3
from contextlib import suppress
from pathlib import Path

import pytest
from ganbench.results.store import read

from tests.results.test_hostile_fuzz import CHANGES
from tests.support.hostile_folders import everything_in
from tests.support.imported_runs import HEADER, import_rows, list_rows, write_csv
from tests.support.terminal import ganbench

COMMANDS = [
    *(["table", "r"], ["table", "r", "--sensitivity"], ["history", "r"], ["trials", "r"], ["export", "r", "out"]),
    *(["compare", "r", "--methods", "a", "b"], ["rerun", "r", "KEY"], ["curves", "r", "KEY", "--out", "out"]),
    *(["report", "r", "--out", "page.html"], ["samples", "r"], ["evaluate", "r", "--metric", "modes"]),
    *(["merge", "r", "sound", "--out", "out", "--prefer", "sound"], ["run", "r/suite.toml", "--jobs", "0"]),
    ["import", "more.csv", "--out", "r"],
]
WRITING = ("import", "evaluate")
"""Commands that may write into the folder."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen imported runs with a factor, two seeds of one file after the other."""
    folder = tmp_path_factory.mktemp("fuzz") / "r"
    header = f"{HEADER},architecture.depth"
    import_rows(folder, [f"{row},3" for row in list_rows()], header=header)
    import_rows(folder, [f"{row},3" for row in list_rows(seed=1)], header=header)
    return folder


def fuzz(made: Path, base: Path, seed: int) -> None:
    """Change a copy of the folder at random and run a command on it."""
    rng = random.Random(seed)
    shutil.rmtree(base, ignore_errors=True)
    folder = Path(shutil.copytree(made, base / "r"))
    shutil.copytree(made, base / "sound")
    write_csv(base / "more.csv", list_rows(seed=2))
    did = []
    for change in rng.choices([each for each in CHANGES if each.__name__ != "add_file"], k=rng.choice([1, 1, 2])):
        with suppress(sqlite3.Error, json.JSONDecodeError, TypeError):  # an earlier change broke what this one reads
            did.append(change(folder, rng))
    key = read(made).trials["key"].iloc[0]
    words = [key[:12] if word == "KEY" else word for word in rng.choice(COMMANDS)]
    before = everything_in(folder)
    try:
        ended = ganbench(*words, cwd=base)
    except Exception as error:
        raise AssertionError(f"seed {seed}: {' '.join(words)} after {did}") from error
    place = f"seed {seed}: {' '.join(words)} after {did}: {ended.stderr[-500:]}"
    assert ended.returncode in (0, 2), place
    assert ended.returncode != 2 or re.search("^ganbench: ", ended.stderr, re.MULTILINE), place
    assert "Traceback" not in ended.stdout + ended.stderr, place
    assert words[0] in WRITING or everything_in(folder) == before, place


@pytest.mark.filterwarnings("ignore")
def test_no_change_of_an_imported_folder_makes_a_command_fail(made: Path, tmp_path: Path) -> None:
    for seed in range(40):
        fuzz(made, tmp_path / "base", seed)


@pytest.mark.fuzz
@pytest.mark.filterwarnings("ignore")
def test_many_changes_make_no_command_fail(made: Path, tmp_path: Path) -> None:
    failures = []
    for seed in range(1000, 1600):
        try:
            fuzz(made, tmp_path / "base", seed)
        except AssertionError as failure:
            failures.append(f"{failure} {failure.__cause__!r}"[:1500])
    assert not failures, "\n".join(failures)
