"""Results of earlier schemas open as they are, and a copy of them can be written to: docs/how_to/running.md."""

from __future__ import annotations

import hashlib
import math
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from ganbench.api.records import MeasuredProfile
from ganbench.errors import GanbenchError
from ganbench.results.migrations import STEPS, migrate
from ganbench.results.recovery import find_fault
from ganbench.results.schema import SCHEMA
from ganbench.results.store import Store, read

from tests.support.terminal import ganbench
from tests.support.trials_by_hand import record, trial

OLD = Path(__file__).parents[1] / "fixtures" / "results_schema_2"
"""Two architectures, two seeds, three methods: one completes, one diverges on an architecture, one fails or times out.

Made by `ganbench run` of the last version with schema 2; one failure was changed into a time-out by hand.
"""
STATUSES = {"ns-gan": ["completed"] * 4, "wild": ["completed", "completed", "diverged", "diverged"]}
STATUSES["bad"] = ["failed", "failed", "failed", "timed-out"]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A results folder of schema 2 that a test may write into."""
    return Path(shutil.copytree(OLD, tmp_path / "old"))


def fingerprint(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of a folder."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_there_is_a_step_from_every_earlier_version_to_the_next() -> None:
    assert list(STEPS) == list(range(min(STEPS), SCHEMA))


def test_older_results_are_read_in_todays_words_and_stay_as_they_are(old: Path) -> None:
    before = fingerprint(old)
    frames = read(old)
    assert fingerprint(old) == before
    statuses = frames.trials.groupby("method")["status"].agg(sorted).to_dict()
    assert statuses == STATUSES
    diverged = frames.trials[frames.trials["status"] == "diverged"]
    assert (diverged["diverged_at"] > 0).all()
    assert (frames.trials.drop(index=diverged.index)["diverged_at"] == -1).all()
    with closing(sqlite3.connect(old / "results.sqlite")) as link, link:
        (scores,) = link.execute("SELECT count(*) FROM scores").fetchone()
    assert len(frames.scores) == scores > 0


def test_a_generator_of_older_results_is_found_under_its_key(old: Path) -> None:
    key = read(old).trials.iloc[0]["key"]
    with Store(old, readonly=True) as store:
        assert store.detail(key)["content"]["recipe"]["loss"]["name"] == "non-saturating"
        assert store.generator(key)


def test_older_results_are_never_written_to_and_the_way_out_is_named(old: Path) -> None:
    with pytest.raises(GanbenchError, match=r"schema version is 2, .*ganbench migrate RESULTS COPY"), Store(old):
        pass
    assert find_fault(old / "results.sqlite") == "schema-2"


def test_a_migrated_copy_says_the_same_and_can_be_written_to(old: Path, tmp_path: Path) -> None:
    before, copy = fingerprint(old), tmp_path / "copy"
    assert migrate(old, copy) == "2"
    assert fingerprint(old) == before
    one, other = read(old), read(copy)
    for name in ("trials", "scores", "signals", "calibration"):
        assert getattr(one, name).equals(getattr(other, name)), name
    assert one.suite == other.suite == (copy / "suite.toml").read_text()
    assert sorted(file.name for file in (copy / "networks").iterdir()) == sorted(
        file.name for file in (old / "networks").iterdir()
    )
    with Store(copy) as store:
        store.append([record(trial(seed=9), [1.0])])
        assert store.generator(one.trials.iloc[0]["key"])
    assert len(read(copy, everything=True).trials) == len(one.trials) + 1


def test_the_command_migrates_and_says_what_it_did(old: Path, tmp_path: Path) -> None:
    ended = ganbench("migrate", "old", "copy", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert f"copy: copied from schema version 2 to {SCHEMA}" in ended.stdout
    assert len(read(tmp_path / "copy").trials) == 12


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["copy", "again"], "nothing to migrate: already of schema version"),
        (["old", "copy"], "copy: not empty"),
        (["empty", "again"], "no results here"),
        (["nowhere", "again"], "no results here"),
    ],
)
def test_what_cannot_be_migrated_is_refused(old: Path, tmp_path: Path, words: list[str], answer: str) -> None:
    migrate(old, tmp_path / "copy")
    (tmp_path / "empty").mkdir()
    ended = ganbench("migrate", *words, cwd=tmp_path)
    assert ended.returncode == 2
    assert answer in ended.stderr
    assert not (tmp_path / "again").exists()


def test_a_database_that_acts_by_itself_is_refused_before_it_is_migrated(old: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(old / "results.sqlite")) as link, link:
        link.execute("CREATE TRIGGER t AFTER UPDATE ON records BEGIN DELETE FROM scores; END")
    for attempt in (lambda: read(old), lambda: migrate(old, tmp_path / "copy")):
        with pytest.raises(GanbenchError, match="holds a trigger 't'"):
            attempt()
    assert not (tmp_path / "copy").exists()


@pytest.fixture
def before_profiles(tmp_path: Path) -> Path:
    """A results folder of schema 3, which had no profiles: two seeds of one method, each with two snapshots."""
    return Path(shutil.copytree(OLD.with_name("results_schema_3"), tmp_path / "three"))


def test_results_of_schema_3_have_no_profiles_and_a_copy_can_have_some(before_profiles: Path, tmp_path: Path) -> None:
    one = read(before_profiles)
    assert (len(one.trials), len(one.profiles)) == (2, 0)
    assert migrate(before_profiles, tmp_path / "copy") == "3"
    profile = MeasuredProfile(step=1, name="p", measurement="m", x=(1.0, 2.0), y=(), values=(3.0, math.nan))
    with Store(tmp_path / "copy") as store:
        store.append([record(trial(seed=9), [1.0], profiles=(profile,))])
    other = read(tmp_path / "copy", everything=True)
    assert other.scores["key"].isin(one.scores["key"]).sum() == len(one.scores)
    assert other.profiles["value"].tolist()[0] == 3.0


def test_tables_that_are_not_those_of_schema_2_are_refused(old: Path) -> None:
    with closing(sqlite3.connect(old / "results.sqlite")) as link, link:
        link.execute("ALTER TABLE records RENAME COLUMN died TO perished")
    with pytest.raises(GanbenchError, match="its table 'records' is not the one that ganbench makes"):
        read(old)
