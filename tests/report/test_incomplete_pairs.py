"""A comparison that is not complete yet says so, and is not told as one without a discordant pair."""

from __future__ import annotations

from pathlib import Path

import pytest
from ganbench.report import Table, make_tables

from tests.support.trials_by_hand import Success, record, results, trial


def compare(folder: Path, a: int, b: int, planned: int = 4) -> tuple[Table, Table]:
    """Return the comparison and the paired scores of two equal methods, of which so many trials are recorded."""
    plan = [trial(method, i) for method in "ab" for i in range(planned)]
    done = [record(trial(method, i), [50, 50]) for method, count in (("a", a), ("b", b)) for i in range(count)]
    tables = make_tables(results(folder, done, plan=plan), [Success()])
    (comparison,) = (table for table in tables if table.title.startswith("a against b"))
    (paired,) = (table for table in tables if table.title.startswith("Paired scores")) if done else (comparison,)
    return comparison, paired


@pytest.mark.parametrize(("a", "b"), [(0, 0), (3, 0), (0, 1)])
def test_without_a_pair_nothing_is_tested(tmp_path: Path, a: int, b: int) -> None:
    comparison, paired = compare(tmp_path, a, b)
    assert comparison.frame["n"].tolist() == [0]
    assert comparison.frame[["p", "p_holm"]].values.tolist() == [["", ""]]
    assert comparison.notes[1] == "No pair is complete yet (n = 0)."
    assert comparison.notes[-1] == "Nothing is tested yet."
    assert not any("discordant" in note for note in comparison.notes)
    assert any(note.endswith("No pair is complete yet (n = 0).") for note in paired.notes)


def test_a_comparison_that_is_partly_done_says_how_many_pairs_are_complete(tmp_path: Path) -> None:
    comparison, paired = compare(tmp_path, 3, 2)
    assert comparison.notes[1] == "2 of 4 planned pairs are complete."
    assert comparison.notes[-1] == "McNemar's exact test is undefined: no discordant pair at 10."
    assert paired.notes[0] == "a against b: 2 of 4 planned pairs are complete."


def test_a_complete_comparison_has_no_such_note(tmp_path: Path) -> None:
    for table in compare(tmp_path, 4, 4):
        assert not any("complete" in note.replace("completes", "") for note in table.notes)
