"""Results side by side: what is matched, what differs, what is refused, and the numbers of the matched cells."""

from __future__ import annotations

import json
import math
import sqlite3
from pathlib import Path
from typing import Any

import ganbench
import pytest
from ganbench.api.trials import Part
from ganbench.errors import GanbenchError
from ganbench.report import Comparison, Table, compare, render
from ganbench.statistics import interquartile_mean, mcnemar_pairs, success_table, wilson
from pandas.testing import assert_frame_equal

from tests.support import terminal
from tests.support.tiny_suite import suite as tiny_suite
from tests.support.two_sides import RULE, SUITE, make_folder

INF = math.inf
GOOD, BAD = 5.0, 50.0


def two_sides(place: Path, a: Any, b: Any, **options: Any) -> tuple[Path, Path]:
    """Return two folders of the same suite; `a` and `b` are the final FIDs of their method "a"."""
    return make_folder(place / "A", {"a": a}, **options), make_folder(place / "B", {"a": b}, **options)


def find(comparison: Comparison, beginning: str) -> Table:
    (table,) = (table for table in comparison.tables if table.title.startswith(beginning))
    return table


def kinds(comparison: Comparison) -> list[str]:
    return [each.kind for each in comparison.differences]


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
    cells = find(comparison, "Matched cells")
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
    assert "1 cells match" in notes or "1 cell matches" in notes


def test_of_three_sides_the_first_is_compared_with_every_other_in_one_family(tmp_path: Path) -> None:
    a, b = two_sides(tmp_path, [GOOD] * 6, [BAD] * 6)
    c = make_folder(tmp_path / "C", {"a": [BAD] * 5 + [GOOD]})
    comparison = compare(a, b, c)
    tested = [table.frame for table in comparison.tables if " against " in table.title]
    assert [frame.loc[frame["primary"], "p_holm"].iloc[0] for frame in tested] == pytest.approx([2 / 32, 2 / 32])
    ranks = find(comparison, "Rank stability").frame.set_index("method")
    assert ranks["rank"].to_dict() == {"A: a": 1, "B: a": 3, "C: a": 2}
    assert ranks.loc["A: a", "first"] == 1
    assert [verdict.pair for verdict in comparison.verdicts] == [None, ("A: a", "B: a"), ("A: a", "C: a")]


def test_a_diverged_trial_is_matched_and_counts_as_worst(tmp_path: Path) -> None:
    comparison = compare(*two_sides(tmp_path, [GOOD, math.nan], [BAD, BAD]))
    row = find(comparison, "Probability").frame.iloc[0]
    assert (row["wins"], row["losses"], row["n"]) == (1, 1, 2)


def test_methods_of_one_folder_are_sides_under_their_own_names(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "A", {"a": [GOOD] * 3, "b": [BAD, BAD, None]})
    comparison = compare(folder, methods=["b", "a"])
    assert comparison.sides == ("b", "a")
    assert comparison.matched == 2
    assert [verdict.pair for verdict in comparison.verdicts] == [("b", "a")]
    assert find(comparison, "b against a").frame["only_b"].tolist() == [2, 2]
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


# what differs


def test_two_versions_of_a_plugin_file_differ_in_code_first_of_all(tmp_path: Path) -> None:
    """Two real runs: the file, the code of its loss and its changed default are found, and the scores are compared."""
    plugin = (
        "from ganbench import Objective, Offer, hookimpl\n\n\ndef build(margin: float = {0}):\n"
        "    return Objective(lambda real, fake: (fake - {0} * real).mean(), lambda real, fake: -fake.mean())\n\n\n"
        '@hookimpl\ndef ganbench_losses():\n    yield Offer("mine", build, "A loss.")\n'
    )
    suite = tiny_suite(methods=None, method=[{"name": "m", "loss": "mine"}], success=None)
    folders = []
    for version in (1.0, 2.0):
        place = tmp_path / str(version)
        place.mkdir()
        (place / "mine.py").write_text(plugin.format(version))
        ganbench.run(suite, results=place / "r", files=(str(place / "mine.py"),), jobs=0)
        folders.append(place / "r")
    comparison = compare(*folders)
    first = comparison.differences[0]
    assert (first.kind, first.what) == ("code", "the code of loss 'mine'")
    assert all("mine.py (sha256 " in value for value in first.values)
    assert kinds(comparison).count("code") == 1
    assert comparison.tables[0].frame["kind"].iloc[0] == "code"
    assert comparison.matched == 3
    assert find(comparison, "Paired scores on ring: modes").frame["n"].tolist() == [3, 3]
    assert find(comparison, "Probability").frame["a"].iloc[0] == "1.0/r: m"


def test_the_same_suite_run_twice_differs_in_nothing_and_its_scores_are_equal(tmp_path: Path) -> None:
    suite = tiny_suite(seeds=2, methods=["ns-gan"], success=None, architectures=None)
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        ganbench.run(suite, results=folder, jobs=0)
    comparison = compare(*folders)
    assert not set(kinds(comparison)) - {"days"}
    assert "On 2 of the 2 cells all sides have exactly the same scores." in find(comparison, "Matched cells").notes
    assert "the same trainings, repeated" in " ".join(comparison.tables[0].notes)


def test_options_versions_machine_and_budget_are_listed_after_the_code(tmp_path: Path) -> None:
    old = {"losses/a": "1" * 64, "numerics": "1"}
    a = make_folder(tmp_path / "A", {"a": [GOOD]}, sources=old, facts={"versions": {"torch": "2.13"}, "cores": 2})
    changed = {"critic_steps": 5, "constraints": (Part("gradient-penalty", weight=10.0),)}
    b = make_folder(
        tmp_path / "B",
        {"a": [GOOD]},
        sources={**old, "losses/a": "2" * 64},
        recipe=changed,
        facts={"versions": {"torch": "2.14"}, "cores": 8},
    )
    differences = [(each.kind, each.what, each.values) for each in compare(a, b).differences]
    assert differences == [
        ("code", "the code of loss 'a'", ("111111111111", "222222222222")),
        ("options", "a: constraints", ("not given", "gradient-penalty")),
        ("options", "a: critic_steps", ("1", "5")),
        ("options", "a: gradient-penalty.weight", ("not given", "10")),
        ("versions", "torch", ("2.13", "2.14")),
        ("machine", "cores", ("2", "8")),
    ]


def test_a_budget_alone_may_differ_because_it_is_the_question(tmp_path: Path) -> None:
    a = make_folder(tmp_path / "A", {"a": [BAD] * 2})
    longer = (SUITE + RULE).replace("generator_steps = 100", "generator_steps = 900")
    b = make_folder(tmp_path / "B", {"a": [GOOD] * 2}, suite=longer)
    differences = compare(a, b).differences
    assert [(each.kind, each.values) for each in differences] == [
        ("budget", ("100 generator_steps", "900 generator_steps"))
    ]
    c = make_folder(tmp_path / "C", {"a": [GOOD] * 2}, suite=longer, recipe={"critic_steps": 5})
    with pytest.raises(GanbenchError, match=r"unlike budgets(.|\n)*a: critic_steps: 1 in A, 5 in C(.|\n)*\[budget\]"):
        compare(a, c)


def test_records_of_an_early_version_without_sources_are_compared_by_their_fingerprint(tmp_path: Path) -> None:
    a, b = two_sides(tmp_path, [GOOD], [GOOD])
    with sqlite3.connect(b / "results.sqlite") as link:
        link.execute("UPDATE records SET code = 'other'")
        link.execute("UPDATE plan SET code = 'other'")
    first = compare(a, b).differences[0]
    assert (first.kind, first.values) == ("code", ("c0", "other"))


# what is refused


def test_unlike_measurements_are_refused_with_the_way_out(tmp_path: Path) -> None:
    a = make_folder(tmp_path / "A", {"a": [GOOD]})
    fewer = SUITE + RULE + "[measurement]\nsamples = 100\n"
    b = make_folder(tmp_path / "B", {"a": [GOOD]}, measurement="n" * 64, suite=fewer)
    with pytest.raises(GanbenchError, match="unlike protocols") as error:
        compare(a, b)
    text = str(error.value)
    assert "protocol: measurement of fid on ring: mmmmmmmmmmmm in A, nnnnnnnnnnnn in B" in text
    assert "protocol: [measurement] samples: 2000 in A, 100 in B" in text
    assert "ganbench evaluate RESULTS --metric NAME" in text


@pytest.mark.parametrize("data", [Part("ring", options={"modes": 9}), Part("ring", version=2), Part("grid")])
def test_other_data_under_the_same_label_is_refused(tmp_path: Path, data: Part) -> None:
    a, b = make_folder(tmp_path / "A", {"a": [GOOD]}), make_folder(tmp_path / "B", {"a": [GOOD]}, data=data)
    with pytest.raises(GanbenchError, match=r"protocol: dataset ring: ring version 1 in A, .* in B"):
        compare(a, b)


def test_other_content_of_the_data_is_refused(tmp_path: Path) -> None:
    a, b = (make_folder(tmp_path / x, {"a": [GOOD]}, sources={"data": x * 64, "numerics": "1"}) for x in "AB")
    with pytest.raises(GanbenchError, match="protocol: content of ring: A{12} in A, B{12} in B"):
        compare(a, b)


def test_a_best_score_is_not_compared_with_one_that_was_measured_at_the_end_only(tmp_path: Path) -> None:
    best = SUITE + RULE.replace("[[success]]", '[[success]]\nat = "best"')
    a = make_folder(tmp_path / "A", {"a": [GOOD]}, suite=best)
    b = make_folder(tmp_path / "B", {"a": [GOOD]}, suite=best, early=None)
    with pytest.raises(GanbenchError, match="fid on ring is measured: at several snapshots in A, at the end only in B"):
        compare(a, b)


def test_a_side_on_which_every_trial_failed_is_no_unlike_protocol(tmp_path: Path) -> None:
    a, b = two_sides(tmp_path, [GOOD] * 6, [BAD] * 6)
    with sqlite3.connect(b / "results.sqlite") as link:
        link.execute("UPDATE records SET status = 'failed', error = 'no memory'")
        link.execute("DELETE FROM scores")
    comparison = compare(a, b)
    assert find(comparison, "Probability").frame["wins"].tolist() == [6]
    assert find(comparison, "Failures").frame["method"].tolist() == ["B: a"]


def test_the_first_sides_reading_is_used_and_the_others_are_listed(tmp_path: Path) -> None:
    a = make_folder(tmp_path / "A", {"a": [GOOD]})
    other = SUITE + RULE.replace("[20, 10]", "[30, 10]") + "[outcomes]\nexploded = 5.0\n"
    comparison = compare(a, make_folder(tmp_path / "B", {"a": [GOOD]}, suite=other))
    assert [(each.kind, each.what, each.values) for each in comparison.differences] == [
        ("reading", "[outcomes] exploded", ("not given", "5")),
        ("reading", "thresholds of final fid at 10 on ring", ("20, 10", "30, 10")),
    ]
    assert comparison.rules[0].thresholds == (10,)


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
    with sqlite3.connect(b / "results.sqlite") as link:
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
    scores = find(comparison, "Paired scores")
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
        with sqlite3.connect(b / "results.sqlite") as link:
            (before,) = link.execute(f"SELECT {column} FROM {table}").fetchone()
            link.execute(f"UPDATE {table} SET {column} = ?", (text,))
        if text.endswith("[2]}"):
            assert compare(a, b).matched == 1, "odd facts are shown as they are"
        else:
            with pytest.raises(GanbenchError, match="holds what ganbench never writes"):
                compare(a, b)
        with sqlite3.connect(b / "results.sqlite") as link:
            link.execute(f"UPDATE {table} SET {column} = ?", (before,))


# the numbers


def test_the_tables_hold_the_numbers_of_the_statistics(tmp_path: Path) -> None:
    """A = 1..5 against 2, 2, 5, 1, 9 (probability .7), and a side with two dead of eight."""
    comparison = compare(*two_sides(tmp_path, [1, 2, 3, 4, 5], [2, 2, 5, 1, 9]))
    row = find(comparison, "Probability").frame.iloc[0]
    assert row["probability"] == pytest.approx(0.7)
    assert (row["probability_low"], row["probability_high"]) == wilson(3.5, 5)
    assert row["evidence"] == "no evidence"
    means = find(comparison, "Interquartile").frame.set_index("method")["mean"]
    assert means.to_dict() == {"A: a": 3, "B: a": pytest.approx(3)}
    assert means["B: a"] == interquartile_mean([2, 2, 5, 1, 9])
    needed = find(comparison, "Equivalence").frame.iloc[0]
    assert needed["pairs_needed"] == mcnemar_pairs(0.1, 0.0)
    assert not needed["equivalent"]


def test_evidence_names_the_side_that_is_better(tmp_path: Path) -> None:
    comparison = compare(*two_sides(tmp_path, [BAD] * 20, [GOOD] * 20))
    assert find(comparison, "Probability").frame["evidence"].tolist() == ["B: meaningful"]


def test_costs_run_until_the_first_snapshot_that_meets_the_rule(tmp_path: Path) -> None:
    """A meets it at 50 of 100 steps, B at 100 on one of two architectures."""
    a = make_folder(tmp_path / "A", {"a": [GOOD, GOOD]}, early=GOOD)
    b = make_folder(tmp_path / "B", {"a": [GOOD, BAD]})
    profile = find(compare(a, b), "Cost profiles").frame.set_index("method")
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
