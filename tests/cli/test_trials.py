"""`ganbench trials`: from the table of a results folder to a single trial, its cause, and what to do next."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path

import pytest
from ganbench.report.terminal import print_table
from ganbench.report.trial_tables import make_trials_table, shorten_keys
from ganbench.results.store import read
from rich.cells import cell_len

from tests.support.terminal import ganbench
from tests.support.trials_by_hand import fill, record, trial

TRACE = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\nValueError: [red]boom\x1b[31m\n'


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder `r` with a trial that completed and one that failed."""
    fill(tmp_path / "r", [record(trial(), [3.0, 2.0]), record(trial(seed=1), status="failed", error=TRACE)])
    return tmp_path


def test_a_failed_trial_is_followed_from_the_table_to_its_cause(place: Path) -> None:
    failures = ganbench("table", "r", cwd=place).stdout.partition("## Failures")[2]
    key = trial(seed=1).key
    assert key[:12] in failures
    assert "ganbench trials RESULTS --failed" in failures
    listed = ganbench("trials", "r", "--failed", cwd=place).stdout
    assert f"| {key[:8]} | a | width 0 | 1 | failed |" in listed
    assert "ValueError: " in listed
    assert f"--retry failed,timed-out --only key={key[:8]}" in listed.replace("\\", "")
    one = ganbench("trials", "r", "--only", f"key={key[:8]}", cwd=place).stdout
    assert "error: File" in one.replace("\\", "").replace("error:   File", "error: File")
    assert "\x1b" not in listed + one


def test_keys_of_the_table_are_taken_by_the_other_verbs_and_ambiguous_ones_are_refused(place: Path) -> None:
    rows = list(csv.reader(StringIO(ganbench("trials", "r", "--format", "csv", cwd=place).stdout)))
    keys = [row[0] for row in rows[2:4]]
    assert keys == [trial().key[:8], trial(seed=1).key[:8]]
    for key in keys:
        for words in (["rerun", "r", key], ["samples", "r", "--of", key]):
            ended = ganbench(*words, cwd=place)
            assert "no record with key" not in ended.stderr
    unknown = ganbench("rerun", "r", "0123456789", cwd=place)
    assert "no record with key 0123456789... `ganbench trials RESULTS` lists the keys." in unknown.stderr


def test_an_ambiguous_key_is_refused_with_its_candidates(tmp_path: Path) -> None:
    trials = [trial(seed=seed) for seed in range(700)]
    by_start: dict[str, list[int]] = {}
    for each in trials:
        by_start.setdefault(each.key[:4], []).append(each.seed)
    start, seeds = next((start, seeds) for start, seeds in by_start.items() if len(seeds) == 2)
    fill(tmp_path / "r", [record(trials[seed], [1.0]) for seed in seeds])
    for words in (["rerun", "r", start], ["samples", "r", "--of", start]):
        ended = ganbench(*words, cwd=tmp_path)
        assert ended.returncode == 2
        assert f"more than one record with key {start}...: " in ended.stderr
        for seed in seeds:
            assert f"{trials[seed].key[:16]} (a, mlp-0, seed {seed})" in ended.stderr


def test_keys_are_as_short_as_they_can_be_told_apart() -> None:
    import pandas as pd

    keys = ["a" * 64, "a" * 10 + "b" * 54, "c" * 64]
    assert list(shorten_keys(pd.Series(keys)).values()) == ["a" * 11, "a" * 10 + "b", "c" * 11]


@pytest.mark.parametrize("width", [60, 80, 140])
def test_on_a_terminal_the_table_has_its_width_and_markup_is_text(
    place: Path, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    print_table(make_trials_table(read(place / "r")))
    out = capsys.readouterr().out
    table = out.partition("2 of 2 trials")[0]
    assert max(cell_len(line) for line in table.splitlines()) <= width
    assert trial().key[:8] in table
    assert "[red]boom" in "".join(table.split())
    assert "\x1b" not in out
