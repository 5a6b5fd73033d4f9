"""The results folder of a third party is data: shown escaped or refused by name, never executed, never written to."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from ganbench.errors import GanbenchError
from ganbench.report.writers import render
from ganbench.results.store import Store

from tests.suite.test_validation import is_harmless
from tests.support.hostile_folders import SUITE, everything_in, hostile
from tests.support.terminal import ganbench
from tests.support.tiny_suite import suite as small
from tests.support.trials_by_hand import record, results, trial

PAYLOADS = {
    "markup": "[red]bold[/red] <script>alert(1)</script> `code` **x** $y$",
    "formula": "=cmd|' /C calc'!A0",
    "escapes": "\x1b[31m\x1b]0;title\x07\x00\u202e",
    "traversal": "../../../etc/passwd",
    "huge": "n" * 200_000,
    "lines": "a\n| --- |\n# heading\r\n",
}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_labels_and_errors_of_third_parties_are_shown_escaped_and_nothing_is_written(
    tmp_path: Path, payload: str
) -> None:
    labels = {"method": payload, "dataset": payload, "architecture": payload}
    asked = replace(trial(), labels=labels)
    with Store(tmp_path / "r") as store:
        store.begin_run(SUITE, [asked], {})
        store.append([record(asked, [3.0, 2.0], status="failed", error=payload)])
    before = everything_in(tmp_path)
    for form in ("md", "csv", "json", "latex"):
        ended = ganbench("table", "r", "--format", form, cwd=tmp_path)
        code, out, err = ended.returncode, ended.stdout, ended.stderr
        assert code == 0, err
        assert is_harmless(out + err)
        assert "<script" not in out or form in ("csv", "latex")  # those are no HTML
        assert not any(line.startswith(("=", "+", "@")) for line in out.splitlines() if form == "csv")
    assert everything_in(tmp_path) == before
    ended = ganbench("table", "r", "--out", "there", cwd=tmp_path)
    code, out, err = ended.returncode, ended.stdout, ended.stderr
    assert code == 0, err
    assert {path.parts[0] for path in map(Path, everything_in(tmp_path).keys() - before.keys())} == {"there"}
    assert max(len(path.name) for path in (tmp_path / "there").iterdir()) < 120


MANY = "WITH RECURSIVE n(i) AS (SELECT 9 UNION ALL SELECT i + 1 FROM n WHERE i < {}) "
CELLS = {
    "seed in trials is not within 0 and": "UPDATE trials SET seed = -1",
    "generator_steps in trials is not within 1 and": "UPDATE trials SET generator_steps = 9223372036854775807",
    "diverged_at in trials is not within -1 and": "UPDATE records SET diverged_at = -9223372036854775808",
    "step in scores is not within 0 and": "UPDATE scores SET step = -step",
    "samples in scores is not within 0 and": "UPDATE scores SET samples = '1e999'",
    "seed in trials is not within 0": "UPDATE trials SET seed = 1.5",
    "a signal of 100001 steps, more than 100000": """UPDATE signals SET steps = zeroblob(800008)""",
    "its newest plan has 1000002 trials, more than 1000000": (
        f"INSERT INTO plan {MANY.format(1_000_009)} SELECT 1, i, 1, 'c', 'ring', 'a', 'm' FROM n"
    ),
    "its newest plan has 1001 methods, more than 1000": (
        f"INSERT INTO plan {MANY.format(1008)} SELECT 1, i, 1, 'c', 'ring', 'a', 'm' || i FROM n"
    ),
    "its newest plan has 1001 datasets, more than 1000": (
        f"INSERT INTO plan {MANY.format(1008)} SELECT 1, i, 1, 'c', 'ring' || i, 'a', 'm' FROM n"
    ),
    "invalid literal for int() with base 10: 'soon'": "UPDATE records SET diverged_at = 'soon'",
    "seed in trials": "UPDATE trials SET seed = x'ff'",
    "method in trials": "UPDATE plan SET method = x'ff00'",
    "status in trials is 'fine'": "UPDATE records SET status = 'fine'",
    "direction in scores is": "UPDATE scores SET direction = 'sideways'",
    "JSONDecodeError": "UPDATE records SET seconds = '{'",
    "AttributeError": "UPDATE records SET updates = '[]'",
    "could not convert": """UPDATE records SET seconds = '{"train": "long"}'""",
    "not 'list'": """UPDATE records SET seconds = '{"train": [[]]}'""",
    "TypeError": "UPDATE batches SET facts = '[1]'",
    "RecursionError": f"UPDATE records SET seconds = '{'[' * 100_000}'",
    "ValueError": "UPDATE signals SET steps = x'00'",
    "same length": "UPDATE signals SET steps = x'00000000000000000000000000000000'",
    "to float: 'good'": "UPDATE scores SET value = 'good'",
    "no trial's key": "UPDATE trials SET key = '../../../etc/passwd'",
    "UTF-8": "UPDATE records SET error = CAST(x'ff' AS TEXT)",
    "the stored suite is not a text": "UPDATE runs SET suite = x'00'",
}


@pytest.mark.parametrize(("said", "statement"), CELLS.items(), ids=CELLS.keys())
def test_cells_that_ganbench_never_writes_are_refused_by_name(tmp_path: Path, said: str, statement: str) -> None:
    folder = hostile(tmp_path / "r", statement)
    before = everything_in(folder)
    ended = ganbench("table", "r", cwd=tmp_path)
    code, out, err = ended.returncode, ended.stdout, ended.stderr
    assert (code, out) == (2, ""), err
    assert "r/results.sqlite: " in err
    assert said in err
    assert "Traceback" not in err
    assert is_harmless(err)
    assert everything_in(folder) == before


@pytest.mark.parametrize(
    "suite", ["not = = TOML", "{not JSON", "x = 1", "[]", "outcomes = 3", '{"success": 3}', "\x1b[31m"]
)
def test_an_invalid_stored_suite_is_refused_with_its_place(tmp_path: Path, suite: str) -> None:
    folder = hostile(tmp_path / "r")
    with closing(sqlite3.connect(folder / "results.sqlite")) as link, link:
        link.execute("UPDATE runs SET suite = ?", (suite,))
    link.close()
    ended = ganbench("table", "r", cwd=tmp_path)
    code, err = ended.returncode, ended.stderr
    assert code == 2
    assert "ganbench: r: the stored suite: " in err
    assert is_harmless(err)
    assert "Traceback" not in err


def test_a_generator_that_is_not_a_safetensors_file_is_refused(tmp_path: Path) -> None:
    key = trial().key
    folder = hostile(tmp_path / "r")
    (folder / "networks" / f"{key}.safetensors").write_bytes(b"\x80\x04cos\nsystem\n(S'touch hacked'\ntR.")
    with Store(folder, readonly=True) as store, pytest.raises(GanbenchError, match="not the file that was stored"):
        store.generator(key)


@pytest.mark.parametrize("key", ["../../etc/passwd", "", "abc", "%", "_" * 8, "G" * 64, "a" * 65])
def test_what_is_not_a_key_is_never_looked_up(tmp_path: Path, key: str) -> None:
    with Store(hostile(tmp_path / "r"), readonly=True) as store:
        for look in (store.detail, store.generator):
            with pytest.raises(GanbenchError, match="is not a key: give 4 to 64 hexadecimal digits"):
                look(key)


def test_a_link_where_a_half_written_file_would_be_is_replaced_not_followed(tmp_path: Path) -> None:
    folder, victim = hostile(tmp_path / "r"), tmp_path / "victim"
    victim.write_text("precious")
    (folder / ".suite.toml.part").symlink_to(victim)
    (folder / "networks" / f".{trial().key}.safetensors.part").symlink_to(victim)
    with Store(folder) as store:
        store.begin_run(SUITE, [trial()], {})
        store.append([record(trial(), generator=b"new")])
    assert victim.read_text() == "precious"
    assert (folder / "suite.toml").read_text() == SUITE


def test_frames_of_third_parties_render_under_any_name(tmp_path: Path) -> None:
    from ganbench.report import make_tables

    frames = results(tmp_path, [record(replace(trial(), labels={"method": PAYLOADS["escapes"]}), [1.0])])
    assert all(is_harmless(render(make_tables(frames), form)) for form in ("md", "csv", "json"))
    assert small()["question"]  # the folder's suite.toml is never read back: what was asked stands in the database
