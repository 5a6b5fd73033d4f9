"""Results side by side: what is matched, what cannot be compared, and the numbers of the matched cells."""

from __future__ import annotations

import json
import math
import sqlite3
from contextlib import closing
from pathlib import Path

import ganbench
import pytest
from ganbench.errors import GanbenchError
from ganbench.report import compare, render
from ganbench.statistics import interquartile_mean, mcnemar_pairs, success_table, wilson
from pandas.testing import assert_frame_equal

from tests.support import terminal
from tests.support.two_sides import BAD, GOOD, RULE, SUITE, find_table, make_folder, two_sides

# what is matched


def test_the_sides_become_methods_of_one_set_of_frames(tmp_path: Path) -> None:
    """Rates, difference and p are those that the ordinary functions give for two methods in one folder."""
    a, b = [GOOD] * 6 + [BAD, BAD], [BAD] * 7 + [GOOD]
    comparison = compare(*two_sides(tmp_path, a, b))
    together = ganbench.read(make_folder(tmp_path / "both", {"a": a, "b": b}))
    table = success_table(together, comparison.rules[0], ("a", "b"))
    joined = success_table(comparison.frames, comparison.rules[0], ("A: a", "B: a"))
    assert_frame_equal(joined, table)
    row = joined[joined["primary"]].iloc[0]
    assert (row["only_a"], row["only_b"], row["n"]) == (6, 1, 8)
    assert row["p"] == pytest.approx(2 * 8 / 2**7)
    assert comparison.sides == ("A", "B")


def test_only_cells_that_all_sides_recorded_count_and_the_others_are_told(tmp_path: Path) -> None:
    a = make_folder(tmp_path / "A", {"a": [GOOD, GOOD, None, GOOD], "b": [GOOD]}, seeds=(0, 1))
    b = make_folder(tmp_path / "B", {"a": [GOOD, None, GOOD]}, seeds=(1, 2))
    comparison = compare(a, b)
    cells = find_table(comparison, "Matched cells")
    columns = ["side", "method", "planned", "matched", "no_record", "not_planned_elsewhere", "no_record_elsewhere"]
    assert cells.frame[columns].to_numpy().tolist() == [
        ["A", "a", 8, 1, 2, 4, 1],
        ["A", "b", 2, 0, 0, 2, 0],
        ["B", "a", 6, 1, 2, 2, 1],
    ]
    assert comparison.matched == 1
    assert len(comparison.frames.trials) == 2
    notes = " ".join(cells.notes)
    assert "Without a partner in A: architectures mlp-1, mlp-2, mlp-3; method b; seed 0." in notes
    assert "Without a partner in B: architectures mlp-1, mlp-2; seed 2." in notes
    assert "1 matched cell: both sides have a record of the same dataset, architecture, seed and method." in notes


def test_of_three_sides_the_first_is_compared_with_every_other_in_one_family(tmp_path: Path) -> None:
    a, b = two_sides(tmp_path, [GOOD] * 6, [BAD] * 6)
    c = make_folder(tmp_path / "C", {"a": [BAD] * 5 + [GOOD]})
    comparison = compare(a, b, c)
    tested = [table.frame for table in comparison.tables if " against " in table.title]
    assert [frame.loc[frame["primary"], "p_holm"].iloc[0] for frame in tested] == pytest.approx([2 / 32, 2 / 32])
    ranks = find_table(comparison, "Rank stability").frame.set_index("method")
    assert ranks["rank"].to_dict() == {"A: a": 1, "B: a": 3, "C: a": 2}
    assert ranks.loc["A: a", "first"] == 1
    assert [verdict.pair for verdict in comparison.verdicts] == [None, ("A: a", "B: a"), ("A: a", "C: a")]


def test_a_diverged_trial_is_matched_and_counts_as_worst(tmp_path: Path) -> None:
    comparison = compare(*two_sides(tmp_path, [GOOD, math.nan], [BAD, BAD]))
    row = find_table(comparison, "Probability").frame.iloc[0]
    assert (row["wins"], row["losses"], row["n"]) == (1, 1, 2)


def test_methods_of_one_folder_are_sides_under_their_own_names(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "A", {"a": [GOOD] * 3, "b": [BAD, BAD, None]})
    comparison = compare(folder, methods=["b", "a"])
    assert comparison.sides == ("b", "a")
    assert comparison.matched == 2
    assert [verdict.pair for verdict in comparison.verdicts] == [("b", "a")]
    assert find_table(comparison, "b against a").frame["only_b"].tolist() == [2, 2]
    assert ("options", "loss", ("b", "a")) in [(d.kind, d.what, d.values) for d in comparison.differences]


def test_a_method_of_one_folder_meets_a_method_of_another(tmp_path: Path) -> None:
    a = make_folder(tmp_path / "A", {"a": [GOOD] * 3})
    b = make_folder(tmp_path / "B", {"b": [BAD] * 3})
    comparison = compare(a, b, methods=["a", "b"])
    assert comparison.sides == ("A: a", "B: b")
    assert comparison.matched == 3


def test_folders_of_one_name_are_told_apart_by_their_parents(tmp_path: Path) -> None:
    a, b = make_folder(tmp_path / "x" / "r", {"a": [GOOD]}), make_folder(tmp_path / "y" / "r", {"a": [BAD]})
    assert compare(a, b / "results.sqlite").sides == ("x/r", "y/r")


# errors


def test_what_cannot_be_compared_is_said_in_plain_words(tmp_path: Path) -> None:
    a = make_folder(tmp_path / "A", {"train": [GOOD], "b": [BAD]})
    apart = make_folder(tmp_path / "B", {"c": [GOOD]}, seeds=(7,))
    planned = make_folder(tmp_path / "P", {})
    for arguments, methods, message in (
        ([a, a], None, "given twice"),
        ([a, tmp_path / "." / "A"], None, "given twice"),
        ([a], ["b", "b"], "given twice"),
        ([a], None, "nothing to be compared with"),
        ([a], ["trian", "b"], r"no method 'trian'\. Did you mean 'train'\?"),
        ([a, apart], ["b"], "2 results folders, but 1 methods"),
        ([a, apart], None, r"(?s)no trial of one has a partner.*no method in common, of 2 and 1.*no seed in common"),
        ([a, planned], None, "nothing is planned here yet"),
        ([a, tmp_path / "nowhere"], None, "nowhere"),
    ):
        with pytest.raises(GanbenchError, match=message):
            compare(*arguments, methods=methods)


def test_a_folder_of_another_schema_is_named(tmp_path: Path) -> None:
    a, b = two_sides(tmp_path, [GOOD], [GOOD])
    with closing(sqlite3.connect(b / "results.sqlite")) as link, link:
        link.execute("UPDATE meta SET value = '99' WHERE name = 'schema'")
    with pytest.raises(GanbenchError, match=r"B/results.sqlite: its schema version is 99"):
        compare(a, b)


def test_suites_without_a_success_rule_in_common_are_refused_with_both_lists(tmp_path: Path) -> None:
    a = make_folder(tmp_path / "A", {"a": [GOOD]})
    b = make_folder(tmp_path / "B", {"a": [GOOD]}, suite=SUITE + RULE.replace("10", "15"))
    with pytest.raises(GanbenchError, match=r"no success rule in common(.|\n)*A: final fid at 10 on ring(.|\n)*at 15"):
        compare(a, b)


def test_suites_without_success_rules_are_compared_by_their_scores(tmp_path: Path) -> None:
    comparison = compare(*two_sides(tmp_path, [1, 2, 3, 4, 5, 6], [2, 3, 4, 5, 6, 7], suite=SUITE))
    scores = find_table(comparison, "Paired scores")
    assert scores.frame["p"].tolist() == [pytest.approx(2 / 2**6), ""]
    assert [verdict.pair for verdict in comparison.verdicts] == [("A: a", "B: a")]


def test_altered_cells_end_in_no_traceback(tmp_path: Path) -> None:
    a, b = two_sides(tmp_path, [GOOD], [GOOD])
    for column, table, text in (
        ("content", "trials", "[1]"),
        ("content", "trials", '{"dataset": 3, "seed": 1'),
        ("facts", "batches", '{"sources": 3}'),
        ("facts", "batches", '{"sources": {"losses/a": [1]}, "versions": 7, "run": [2]}'),
    ):
        with closing(sqlite3.connect(b / "results.sqlite")) as link, link:
            (before,) = link.execute(f"SELECT {column} FROM {table}").fetchone()
            link.execute(f"UPDATE {table} SET {column} = ?", (text,))
        if text.endswith("[2]}"):
            assert compare(a, b).matched == 1, "odd facts are shown as they are"
        else:
            with pytest.raises(GanbenchError, match="holds what ganbench never writes"):
                compare(a, b)
        with closing(sqlite3.connect(b / "results.sqlite")) as link, link:
            link.execute(f"UPDATE {table} SET {column} = ?", (before,))


# the numbers


def test_the_tables_hold_the_numbers_of_the_statistics(tmp_path: Path) -> None:
    """A = 1..5 against 2, 2, 5, 1, 9 (probability .7), and a side with two dead of eight."""
    comparison = compare(*two_sides(tmp_path, [1, 2, 3, 4, 5], [2, 2, 5, 1, 9]))
    row = find_table(comparison, "Probability").frame.iloc[0]
    assert row["probability"] == pytest.approx(0.7)
    assert (row["probability_low"], row["probability_high"]) == wilson(3.5, 5)
    assert row["evidence"] == "no evidence"
    means = find_table(comparison, "Interquartile").frame.set_index("method")["mean"]
    assert means.to_dict() == {"A: a": 3, "B: a": pytest.approx(3)}
    assert means["B: a"] == interquartile_mean([2, 2, 5, 1, 9])
    needed = find_table(comparison, "Equivalence").frame.iloc[0]
    assert needed["pairs_needed"] == mcnemar_pairs(0.1, 0.0)
    assert not needed["equivalent"]


def test_evidence_names_the_side_that_is_better(tmp_path: Path) -> None:
    comparison = compare(*two_sides(tmp_path, [BAD] * 20, [GOOD] * 20))
    assert find_table(comparison, "Probability").frame["evidence"].tolist() == ["B: meaningful"]


def test_costs_run_until_the_first_snapshot_that_meets_the_rule(tmp_path: Path) -> None:
    """A meets it at 50 of 100 steps, B at 100 on one of two architectures."""
    a = make_folder(tmp_path / "A", {"a": [GOOD, GOOD]}, early=GOOD)
    b = make_folder(tmp_path / "B", {"a": [GOOD, BAD]})
    profile = find_table(compare(a, b), "Cost profiles").frame.set_index("method")
    assert profile.loc["A: a", ["within_1", "ever", "score"]].tolist() == [1, 1, 1]
    assert profile.loc["B: a", ["within_1", "within_2", "ever"]].tolist() == [0, 0.5, 0.5]
    assert profile.loc["B: a", "score"] == pytest.approx((4 - 2) / 3 / 2)


# the output


@pytest.mark.parametrize("format", ["md", "csv", "json", "latex"])
def test_the_command_writes_every_format(tmp_path: Path, format: str) -> None:
    two_sides(tmp_path, [GOOD] * 6, [BAD] * 6)
    ended = terminal.ganbench("compare", "A", "B", "--format", format, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.index("What differs between the sides") < ended.stdout.index("succeeds more often")
    if format == "json":
        assert json.loads(ended.stdout)[2]["rows"][0]["matched"] == 6
    written = terminal.ganbench("compare", "A", "B", "--format", format, "--out", "t", cwd=tmp_path)
    assert len(written.stdout.splitlines()) == len([*(tmp_path / "t").iterdir()]) > 8


def test_the_command_compares_methods_and_ends_with_2_where_it_cannot(tmp_path: Path) -> None:
    make_folder(tmp_path / "A", {"a": [GOOD] * 6, "b": [BAD] * 6})
    ended = terminal.ganbench("compare", "A", "--methods", "a", "b", cwd=tmp_path)
    assert "| a | ring | a | 6 | 6 |" in ended.stdout
    alone = terminal.ganbench("compare", "A", cwd=tmp_path)
    assert (alone.returncode, alone.stdout) == (2, "")
    assert "ganbench compare RESULTS --methods A B" in alone.stderr


def test_names_from_results_are_text_in_every_format(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>\x1b[31m"
    a, b = (make_folder(tmp_path / name, {evil: [GOOD]}) for name in ("A", "B"))
    comparison = compare(a, b)
    for text in (render(comparison.tables, "md"), comparison._repr_html_()):
        assert "<script" not in text
        assert "\x1b" not in text


def test_on_a_terminal_the_verdict_comes_before_the_differences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_sides(tmp_path, [GOOD] * 6, [BAD] * 6)
    monkeypatch.setattr("ganbench.cli.comparison.wants_summary", lambda format: format is None)
    shown = terminal.ganbench("compare", "A", "B", cwd=tmp_path).stdout
    places = [shown.index(text) for text in ("A against B: 6 matched cells", "succeeds more often", "What differs")]
    assert places == sorted(places)
    assert "## Outcomes" not in shown
    assert "## Outcomes" in terminal.ganbench("compare", "A", "B", "--full", cwd=tmp_path).stdout


def test_a_side_that_was_extended_after_results_could_be_seen_says_so(tmp_path: Path) -> None:
    a, b = two_sides(tmp_path, [GOOD, BAD], [BAD, GOOD])
    make_folder(a, {"a": [GOOD, BAD, GOOD]})
    notes = find_table(compare(a, b), "Matched cells").notes
    assert any(note.startswith("A: Extended after 2 of 2 trials had results") for note in notes)
    assert not any(note.startswith("B: ") for note in notes)
