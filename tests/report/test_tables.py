from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import pandas as pd
import pytest
from ganbench.errors import GanbenchError
from ganbench.report import FORMATS, Table, make_tables, render
from ganbench.results.frames import Frames

from tests.support.trials_by_hand import Success, record, results, scores, trial

NAN, INF = math.nan, math.inf
EVIL = "<img src=x>|`a`\n[x](javascript:1)\x1b[31m\u202e*b*&$"


def frames_of(folder: Path, finals: dict[str, list[float]], seeds: int = 1) -> Frames:
    """Results of methods with these final FIDs, one for each architecture."""
    made = [
        record(trial(method, architecture, seed), [fid])
        for method, values in finals.items()
        for architecture, fid in enumerate(values)
        for seed in range(seeds)
    ]
    return results(folder, made)


def titled(tables: list[Table], beginning: str) -> Table:
    (found,) = (table for table in tables if table.title.startswith(beginning))
    return found


def test_the_tables_of_a_suite_and_their_order(tmp_path: Path) -> None:
    tables = make_tables(frames_of(tmp_path, {"a": [1, 50], "b": [50, 50]}), [Success()])
    assert [table.title for table in tables] == [
        "What became of the trials",
        "Success rates on ring: final fid below threshold",
        "a against b on ring: final fid below threshold",
        "Scores on ring",
        "Paired scores on ring: fid",
        "Budget and cost of a trial",
        "Cost of a success",
    ]


def test_a_comparison_shows_p_at_the_primary_threshold_alone(tmp_path: Path) -> None:
    frames = frames_of(tmp_path, {"a": [1] * 6, "b": [50] * 6})
    rule = Success(thresholds=(60, 10, 0), primary=10)
    table = titled(make_tables(frames, [rule]), "a against b")
    assert table.frame["p"].tolist() == ["", pytest.approx(2 / 2**6), ""]
    assert "p: McNemar's exact test, two-sided, at the primary threshold 10" in " ".join(table.notes)
    assert "The architecture is the unit; n = 6 architectures x 1 seed." in " ".join(table.notes)


def test_an_undefined_test_says_so(tmp_path: Path) -> None:
    table = titled(make_tables(frames_of(tmp_path, {"a": [50], "b": [50]}), [Success()]), "a against b")
    assert table.frame["p"].tolist() == ["undefined"]
    assert "McNemar's exact test is undefined: no discordant pair at 10." in table.notes


def test_the_comparisons_of_a_suite_are_one_family(tmp_path: Path) -> None:
    frames = frames_of(tmp_path, {"a": [1] * 6, "b": [50] * 6, "c": [50] * 6})
    tables = make_tables(frames, [Success(compare=(("a", "b"), ("a", "c"), ("b", "c")))])
    found = [titled(tables, pair).frame["p_holm"].tolist() for pair in ("a against b", "a against c", "b against c")]
    assert found == [[pytest.approx(3 * 2 / 2**6)], [pytest.approx(3 * 2 / 2**6)], ["undefined"]]


def test_several_seeds_are_tested_over_architectures_and_say_so(tmp_path: Path) -> None:
    frames = frames_of(tmp_path, {"a": [1, 1, 1], "b": [50, 50, 50]}, seeds=4)
    table = titled(make_tables(frames, [Success()]), "a against b")
    assert table.frame["p"].tolist() == [pytest.approx(2 / 2**3)]
    assert "sign-flip test over architectures" in " ".join(table.notes)
    assert "effective sample size" in " ".join(table.notes)


def test_the_difference_of_rates_stands_in_a_comparison_with_its_interval_and_source(tmp_path: Path) -> None:
    table = titled(make_tables(frames_of(tmp_path, {"a": [1] * 6, "b": [50] * 6}), [Success()]), "a against b")
    assert table.frame["difference"].tolist() == [1.0]
    assert table.intervals["difference"] == ("difference_low", "difference_high")
    assert "difference: success of a less that of b" in " ".join(table.notes)
    assert "Newcombe (1998, method 10)" in " ".join(table.notes)


def test_the_band_of_a_whole_curve_stands_beside_each_rate(tmp_path: Path) -> None:
    table = titled(make_tables(frames_of(tmp_path, {"a": [1] * 6}), [Success(compare=())]), "Success rates")
    assert table.frame[["band_low", "band_high"]].values.tolist() == [[pytest.approx(1 - 0.51926, abs=1e-5), 1.0]]
    assert "Kolmogorov" in " ".join(table.notes)


def test_the_luck_of_the_seed_has_a_table_where_there_are_seeds(tmp_path: Path) -> None:
    table = titled(make_tables(frames_of(tmp_path, {"a": [1, 2, 3]}, seeds=2)), "Luck of the seed")
    assert table.frame["between_seed_share"].tolist() == [0.0]


def test_one_architecture_is_named_as_the_limit_that_it_is(tmp_path: Path) -> None:
    table = titled(make_tables(frames_of(tmp_path, {"a": [1], "b": [50]}, seeds=3), [Success()]), "a against b")
    assert "The seed is the unit, as there is one architecture" in table.notes[0]


def test_a_method_that_was_not_planned_is_not_compared(tmp_path: Path) -> None:
    titles = [table.title for table in make_tables(frames_of(tmp_path, {"a": [1]}), [Success()])]
    assert any(title.startswith("Success rates") for title in titles)
    assert not any("against" in title for title in titles)


def test_missing_and_stale_trials_are_told(tmp_path: Path) -> None:
    plan = [trial(seed=0, code="new"), trial(seed=1, code="new")]
    tables = make_tables(results(tmp_path, [record(trial(seed=0, code="old"), [1])], plan=plan), [Success()])
    assert tables[0].frame[["planned", "missing", "stale"]].values.tolist() == [[2, 1, 1]]
    assert "1 of these trials are stale." in " ".join(titled(tables, "Success rates").notes)


def test_tables_can_be_made_before_anything_has_trained(tmp_path: Path) -> None:
    tables = make_tables(results(tmp_path, [], plan=[trial("a"), trial("b")]), [Success()])
    for format in FORMATS:
        assert "a against b" in render(tables, format)


def test_a_suite_where_everything_failed_still_has_its_tables(tmp_path: Path) -> None:
    made = [record(trial(method), status="failed", error="boom") for method in "ab"]
    tables = make_tables(results(tmp_path, made), [Success()])
    assert titled(tables, "Failures").frame["n"].tolist() == [1, 1]
    assert titled(tables, "a against b").frame["neither"].tolist() == [1]


def test_two_ways_of_measuring_make_two_tables(tmp_path: Path) -> None:
    made = [
        record(trial(m), scores=(*scores("fid", [1.0], measurement="x"), *scores("fid", [2.0], measurement="y")))
        for m in "ab"
    ]
    tables = make_tables(results(tmp_path, made), [Success()])
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


def test_what_strangers_wrote_is_plain_text_in_markdown(tmp_path: Path) -> None:
    made = [record(trial(EVIL), [1], status="failed", error=EVIL), record(trial("b"), [1])]
    text = render(make_tables(results(tmp_path, made), [Success(compare=((EVIL, "b"),))]), "md")
    assert "<" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "&lt;img src=x&gt;\\|\\`a\\`\\\\n\\[x\\](javascript:1)\\\\x1b\\[31m\\\\u202e\\*b\\*&amp;\\$" in text
    widths = {len(line.replace("\\|", "").split("|")) for line in section(text, "Failures") if line.startswith("|")}
    assert len(widths) == 1, "no cell opens a column of its own"


def section(text: str, title: str) -> list[str]:
    return text.split(f"## {title}\n")[1].split("\n## ")[0].splitlines()


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r\n=1"])
def test_csv_text_is_never_a_formula(text: str) -> None:
    written = render([Table(title=text, frame=pd.DataFrame({text: [text]}), notes=(text,))], "csv")
    for row in csv.reader(io.StringIO(written)):
        for cell in row:
            assert not cell.lstrip().startswith(("=", "+", "-", "@"))


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


def test_json_says_what_the_frame_says() -> None:
    text = render([table_of(x=[1.5, NAN, INF, -INF], n=[1, 2, 3, 4], who=["</script>", "b", "c", "d"])], "json")
    (table,) = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert table["title"] == "T"
    assert table["columns"][0] == {"name": "x", "heading": "x"}
    assert [row["x"] for row in table["rows"]] == [1.5, None, "inf", "-inf"]
    assert table["rows"][0] == {"x": 1.5, "n": 1, "who": "</script>"}
    assert "</script>" not in text, "it may stand within an HTML page"


def test_an_unknown_format_is_named_with_the_known() -> None:
    with pytest.raises(GanbenchError, match=r"no format 'jsn'. Did you mean 'json'\? Known: csv, json, md"):
        render([], "jsn")
