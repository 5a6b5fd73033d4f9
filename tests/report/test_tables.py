"""The tables of a suite, and tables as Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from ganbench.api.metrics import metric_title
from ganbench.errors import GanbenchError
from ganbench.report import FORMATS, Table, make_tables, make_verdicts, render
from ganbench.results.frames import Frames

from tests.support.trials_by_hand import Success, record, results, scores, trial

NAN, INF = math.nan, math.inf
EVIL = "<img src=x>|`a`\n[x](javascript:1)\x1b[31m\u202e*b*&$"


def frames_of(folder: Path, finals: dict[str, list[float]], seeds: int = 1) -> Frames:
    """Return the results of methods with these final FIDs, one for each architecture."""
    records = [
        record(trial(method, architecture, seed), [fid])
        for method, values in finals.items()
        for architecture, fid in enumerate(values)
        for seed in range(seeds)
    ]
    return results(folder, records)


def find_table(tables: list[Table], beginning: str) -> Table:
    (table,) = (table for table in tables if table.title.startswith(beginning))
    return table


def test_the_tables_of_a_suite_and_their_order(tmp_path: Path) -> None:
    tables = make_tables(frames_of(tmp_path, {"a": [1, 50], "b": [50, 50]}), [Success()])
    assert [table.title for table in tables] == [
        "Outcomes",
        "Success rates on ring: final FID below threshold",
        "a against b on ring: final FID below threshold",
        "Scores on ring",
        "Paired scores on ring: FID",
        "Budget and cost per trial",
        "Cost per success",
    ]


def test_a_comparison_shows_p_at_the_primary_threshold_alone(tmp_path: Path) -> None:
    frames = frames_of(tmp_path, {"a": [1] * 6, "b": [50] * 6})
    rule = Success(thresholds=(60, 10, 0), primary=10)
    table = find_table(make_tables(frames, [rule]), "a against b")
    assert table.frame["p"].tolist() == ["", pytest.approx(2 / 2**6), ""]
    assert "p: McNemar's exact test, two-sided, at the primary threshold 10" in " ".join(table.notes)
    assert "The architecture is the unit; n = 6 architectures x 1 seed." in " ".join(table.notes)


def test_a_test_without_discordant_pairs_is_undefined(tmp_path: Path) -> None:
    table = find_table(make_tables(frames_of(tmp_path, {"a": [50], "b": [50]}), [Success()]), "a against b")
    assert table.frame["p"].tolist() == ["undefined"]
    assert "McNemar's exact test is undefined: no discordant pair at 10." in table.notes


def test_the_comparisons_of_a_suite_are_one_family(tmp_path: Path) -> None:
    frames = frames_of(tmp_path, {"a": [1] * 6, "b": [50] * 6, "c": [50] * 6})
    tables = make_tables(frames, [Success(compare=(("a", "b"), ("a", "c"), ("b", "c")))])
    adjusted = [
        find_table(tables, pair).frame["p_holm"].tolist() for pair in ("a against b", "a against c", "b against c")
    ]
    assert adjusted == [[pytest.approx(3 * 2 / 2**6)], [pytest.approx(3 * 2 / 2**6)], ["undefined"]]


def test_several_seeds_are_tested_over_architectures_and_a_note_names_the_test(tmp_path: Path) -> None:
    frames = frames_of(tmp_path, {"a": [1, 1, 1], "b": [50, 50, 50]}, seeds=4)
    table = find_table(make_tables(frames, [Success()]), "a against b")
    assert table.frame["p"].tolist() == [pytest.approx(2 / 2**3)]
    assert "sign-flip test over architectures" in " ".join(table.notes)
    assert "effective sample size" in " ".join(table.notes)


def test_a_comparison_has_the_difference_of_rates_with_its_interval_and_source(tmp_path: Path) -> None:
    table = find_table(make_tables(frames_of(tmp_path, {"a": [1] * 6, "b": [50] * 6}), [Success()]), "a against b")
    assert table.frame["difference"].tolist() == [1.0]
    assert table.intervals["difference"] == ("difference_low", "difference_high")
    assert "difference: success rate of a minus that of b" in " ".join(table.notes)
    assert "Newcombe (1998, method 10)" in " ".join(table.notes)


def test_each_rate_has_the_band_of_the_whole_curve_beside_it(tmp_path: Path) -> None:
    table = find_table(make_tables(frames_of(tmp_path, {"a": [1] * 6}), [Success(compare=())]), "Success rates")
    assert table.frame[["band_low", "band_high"]].values.tolist() == [[pytest.approx(1 - 0.51926, abs=1e-5), 1.0]]
    assert "Kolmogorov" in " ".join(table.notes)


def test_the_between_seed_share_has_a_table_if_there_are_several_seeds(tmp_path: Path) -> None:
    table = find_table(make_tables(frames_of(tmp_path, {"a": [1, 2, 3]}, seeds=2)), "Between-seed share of variance")
    assert table.frame["between_seed_share"].tolist() == [0.0]
    assert table.heading("between_seed_share") == "between-seed share"


def test_a_note_limits_the_results_of_a_single_architecture(tmp_path: Path) -> None:
    table = find_table(make_tables(frames_of(tmp_path, {"a": [1], "b": [50]}, seeds=3), [Success()]), "a against b")
    assert "The seed is the unit, because there is only one architecture" in table.notes[0]


def test_a_method_that_was_not_planned_is_not_compared(tmp_path: Path) -> None:
    titles = [table.title for table in make_tables(frames_of(tmp_path, {"a": [1]}), [Success()])]
    assert any(title.startswith("Success rates") for title in titles)
    assert not any("against" in title for title in titles)


def test_missing_and_stale_trials_are_counted_in_a_note(tmp_path: Path) -> None:
    plan = [trial(seed=0, code="new"), trial(seed=1, code="new")]
    tables = make_tables(results(tmp_path, [record(trial(seed=0, code="old"), [1])], plan=plan), [Success()])
    assert tables[0].frame[["planned", "missing", "stale"]].values.tolist() == [[2, 1, 1]]
    assert "1 of these trials are stale." in " ".join(find_table(tables, "Success rates").notes)


def test_tables_can_be_made_before_anything_has_trained(tmp_path: Path) -> None:
    tables = make_tables(results(tmp_path, [], plan=[trial("a"), trial("b")]), [Success()])
    for format in FORMATS:
        assert "a against b" in render(tables, format)


def test_a_suite_where_everything_failed_still_has_its_tables(tmp_path: Path) -> None:
    records = [record(trial(method), status="failed", error="boom") for method in "ab"]
    tables = make_tables(results(tmp_path, records), [Success()])
    assert find_table(tables, "Failures").frame["n"].tolist() == [1, 1]
    assert find_table(tables, "a against b").frame["neither"].tolist() == [1]


def score_cells(frames: Frames) -> list[dict[str, str]]:
    """Return the rows of the table of scores as a reader sees them, by heading."""
    header, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section(render(make_tables(frames), "md"), "Scores on ring")
        if line.startswith("|")
    ]
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_undefined_scores_have_a_column_of_their_own_and_a_note(tmp_path: Path) -> None:
    """Of six trials one scores, two complete without a finite score, and one each diverges, fails and times out."""
    statuses = [{}, {}, {}, {"diverged_at": 3}, {"status": "failed"}, {"status": "timed-out"}]
    fids = [[5.0], [NAN], [INF], [NAN], [], []]
    outcomes = enumerate(zip(fids, statuses, strict=True))
    frames = results(tmp_path, [record(trial("a", i), fid, **status) for i, (fid, status) in outcomes])
    (row,) = score_cells(frames)
    names = ("n", "finite of n", "diverged", "undefined", "failed", "timed out")
    assert [row[name] for name in names] == ["6", "1", "1", "2", "1", "1"]
    assert (row["final"], row["of completed"]) == ("inf [5, inf]", "5")
    notes = " ".join(find_table(make_tables(frames), "Scores on ring").notes)
    assert "diverged, failed, timed out or have an undefined score count as the worst" in notes
    assert "undefined, as a count: trials that completed but whose final score is not a finite number" in notes


def test_an_undefined_score_is_not_an_empty_cell(tmp_path: Path) -> None:
    """A neutral value has no best, and no median if a trial has no value; nothing finite has no median either."""
    records = [record(trial("a"), scores=tuple(scores("psi", [NAN], direction="neutral"))), record(trial("b"), [NAN])]
    frames = results(tmp_path, records)
    by_metric = {row["metric"]: row for row in score_cells(frames)}
    assert [by_metric["psi"][name] for name in ("final", "best", "of completed")] == ["undefined"] * 3
    assert [by_metric["FID"][name] for name in ("final", "best", "of completed")] == ["inf", "inf", "undefined"]
    assert by_metric["psi"]["q25"] == "", "other empty cells stay empty"
    (table,) = (
        table for table in json.loads(render(make_tables(frames), "json")) if table["title"] == "Scores on ring"
    )
    assert [row["completed_median"] for row in table["rows"]] == [None, None]


def test_baselines_and_the_data_are_labelled_and_their_missing_cells_stay_empty(tmp_path: Path) -> None:
    frames = frames_of(tmp_path, {"a": [1, 50]})
    calibration = [
        {"sampler": sampler, "trivial": trivial, "value": value}
        for sampler, trivial, value in (("real data", False, 2.5), ("Gaussian fit", True, 30.0), ("noise", True, NAN))
    ]
    measured = {"dataset": "ring", "name": "fid", "direction": "lower", "measurement": "m" * 64, "samples": 500}
    rows = score_cells(replace(frames, calibration=pd.DataFrame([{**measured, **row} for row in calibration])))
    assert [(row["method"], row["final"]) for row in rows] == [
        ("real data", "2.5"),
        ("baseline: Gaussian fit", "30"),
        ("baseline: noise", "undefined"),
        ("a", "25.5"),
    ]
    assert {row[name] for row in rows[:3] for name in ("n", "best", "of completed", "q25")} == {""}


def test_readers_see_metrics_in_capitals_and_programs_the_names_of_the_suite(tmp_path: Path) -> None:
    tables = make_tables(frames_of(tmp_path, {"a": [1, 50], "b": [50, 50]}, seeds=2), [Success(condition="fid > 0")])
    for title in ("Scores on ring", "Between-seed share of variance"):
        table = find_table(tables, title)
        for text in (render([table], "md"), table._repr_html_()):
            assert "FID" in text
            assert "fid" not in text
        assert {row["metric"] for row in json.loads(render([table], "json"))[0]["rows"]} == {"fid"}
        assert "fid" in render([table], "csv")
    assert any(table.title == "Success rates on ring: final FID below threshold and FID > 0" for table in tables)


def test_two_ways_of_measuring_make_two_tables(tmp_path: Path) -> None:
    records = [
        record(trial(m), scores=(*scores("fid", [1.0], measurement="x"), *scores("fid", [2.0], measurement="y")))
        for m in "ab"
    ]
    tables = make_tables(results(tmp_path, records), [Success()])
    assert sum(table.title.startswith("a against b") for table in tables) == 2


def table_of(**columns: list[object]) -> Table:
    return Table(title="T", frame=pd.DataFrame(columns), notes=("One note.",))


def test_markdown_puts_intervals_beside_their_number() -> None:
    table = Table(
        title="T",
        frame=pd.DataFrame({"n": [200, 3], "rate": [0.21, NAN], "low": [0.1593, NAN], "high": [0.2716, NAN]}),
        notes=("One note.",),
        headings={"rate": "success"},
        intervals={"rate": ("low", "high")},
    )
    expected = """## T

| n | success |
| --- | --- |
| 200 | 0.21 [0.1593, 0.2716] |
| 3 |  |

- One note.
"""
    assert render([table], "md") == expected


def test_the_words_of_a_column_are_for_readers_alone() -> None:
    table = Table(title="T", frame=pd.DataFrame({"metric": ["is", "modes"]}), words={"metric": metric_title})
    assert table.cells(str) == [["IS"], ["modes"]]
    assert list(csv.reader(io.StringIO(render([table], "csv"))))[2:4] == [["is"], ["modes"]]


def test_numbers_are_written_for_readers() -> None:
    table = table_of(x=[1.1e-44, 16000.0, INF, -INF, NAN, 2 / 3], flag=[True, False, True, False, True, False])
    cells = [line.split("|")[1:3] for line in render([table], "md").splitlines()[4:10]]
    assert [[cell.strip() for cell in row] for row in cells] == [
        ["1.1e-44", "yes"],
        ["16000", ""],
        ["inf", "yes"],
        ["-inf", ""],
        ["", "yes"],
        ["0.6667", ""],
    ]


def test_third_party_text_is_plain_text_in_markdown(tmp_path: Path) -> None:
    records = [record(trial(EVIL), [1], status="failed", error=EVIL), record(trial("b"), [1])]
    text = render(make_tables(results(tmp_path, records), [Success(compare=((EVIL, "b"),))]), "md")
    assert "<" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "&lt;img src=x&gt;\\|\\`a\\`\\\\n\\[x\\](javascript:1)\\\\x1b\\[31m\\\\u202e\\*b\\*&amp;\\$" in text
    widths = {len(line.replace("\\|", "").split("|")) for line in section(text, "Failures") if line.startswith("|")}
    assert len(widths) == 1, "no cell starts a new column"


def section(text: str, title: str) -> list[str]:
    return text.split(f"## {title}\n")[1].split("\n## ")[0].splitlines()


def test_csv_numbers_stay_numbers_in_full() -> None:
    written = render([table_of(x=[-0.1, 1 / 3, NAN, -INF], p=["undefined", "", 1e-44, 2])], "csv")
    assert list(csv.reader(io.StringIO(written))) == [
        ["T"],
        ["x", "p"],
        ["-0.1", "undefined"],
        ["0.3333333333333333", ""],
        ["", "1e-44"],
        ["-inf", "2"],
        ["One note."],
        [],
    ]


def test_json_holds_the_values_of_the_frame() -> None:
    text = render([table_of(x=[1.5, NAN, INF, -INF], n=[1, 2, 3, 4], who=["</script>", "b", "c", "d"])], "json")
    (table,) = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert table["title"] == "T"
    assert table["columns"][0] == {"name": "x", "heading": "x"}
    assert [row["x"] for row in table["rows"]] == [1.5, None, "inf", "-inf"]
    assert table["rows"][0] == {"x": 1.5, "n": 1, "who": "</script>"}
    assert "</script>" not in text, "JSON is safe within an HTML page"


def test_an_unknown_format_is_refused_with_the_known_names() -> None:
    with pytest.raises(GanbenchError, match=r"no format 'jsn'. Did you mean 'json'\? Known: csv, json, md"):
        render([], "jsn")


def test_a_compared_method_without_a_trial_in_the_plan_is_named(tmp_path: Path) -> None:
    rule = Success(compare=(("a", "b"), ("a", "gone")))
    tables = make_tables(frames_of(tmp_path, {"a": [1], "b": [50]}), [rule])
    note = "Not compared, because the plan has no trial of it on ring: gone."
    assert note in find_table(tables, "Success rates").notes
    assert any(
        note in verdict.sentences for verdict in make_verdicts(frames_of(tmp_path / "v", {"a": [1], "b": [2]}), [rule])
    )
