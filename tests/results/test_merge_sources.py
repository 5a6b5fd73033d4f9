"""A folder of a third party is merged only if a reader would read it; otherwise it is refused in words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ganbench.errors import GanbenchError
from ganbench.results.merge import merge

from tests.support.hostile_folders import alter
from tests.support.terminal import ganbench as command
from tests.support.trials_by_hand import fill, record, seeds, trial


def test_an_altered_trial_is_refused_by_the_name_of_its_folder(tmp_path: Path) -> None:
    a, b = fill(tmp_path / "a", seeds(0)), fill(tmp_path / "b", seeds(1))
    alter(b, "UPDATE trials SET content = replace(content, '\"ring\"', '\"rind\"')")
    with pytest.raises(GanbenchError, match=r"b/results.sqlite: .*the content of trial .* was altered"):
        merge([a, b], tmp_path / "c")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE runs SET facts = '[]'",
        "UPDATE runs SET started = 'now'",
        "UPDATE batches SET facts = '{\"run\": []}'",
        "UPDATE batches SET facts = '3'",
        "UPDATE records SET batch = 'none'",
        "UPDATE plan SET trial = 99",
        "UPDATE protocols SET run = 99",
        "UPDATE scores SET trial = 99",
        "UPDATE signals SET steps = x'01'",
        "CREATE TRIGGER t AFTER UPDATE ON records BEGIN DELETE FROM scores; END",
    ],
)
def test_what_ganbench_never_writes_is_answered_or_refused_in_words(tmp_path: Path, statement: str) -> None:
    fill(tmp_path / "a", seeds(0))
    fill(tmp_path / "b", [record(trial(seed=1), [1.0], signals={"k": ([1], [1.0])})])
    alter(tmp_path / "b", "PRAGMA foreign_keys = OFF", statement)
    ended = command("merge", "a", "b", "--out", "c", cwd=tmp_path)
    assert ended.returncode in (0, 2)
    assert "Traceback" not in ended.stderr
    if ended.returncode:
        assert sorted(os.listdir(tmp_path)) == ["a", "b"]
    else:
        assert command("table", "c", cwd=tmp_path).returncode == 0
