"""The summary on a terminal: it fits the width, and third-party text is text."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from ganbench import suite
from ganbench.report import terminal
from ganbench.report.summary_tables import make_summaries
from ganbench.results.frames import Frames
from ganbench.suite import list_suites
from ganbench.suite.success import SuccessRule
from rich.cells import cell_len
from rich.console import Console

from tests.support.shapes_of_suites import shaped_results
from tests.support.trials_by_hand import Success, record, results, trial

SHIPPED = ("smoke", "toy", "dirac", "random_arch", "random_arch_four")
EVIL = "[red]a[/red] :smile: [link=http://x]\x1b]0;t\x07\u202e\n\x9b31m"


def draw(frames: Frames, rules: tuple[SuccessRule, ...], width: int = 80) -> str:
    """Return what a terminal of this width gets, with its codes."""
    console = Console(width=width, force_terminal=True, file=io.StringIO(), color_system="standard", _environ={})
    terminal.print_verdicts(console, frames, rules, "Why?")
    terminal.print_summaries(console, frames, rules)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def plain(text: str) -> str:
    """Return a text without the codes of colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", SHIPPED)
def test_the_summary_of_a_shipped_suite_fits_the_terminal_and_no_cell_wraps(
    tmp_path: Path, name: str, width: int
) -> None:
    shipped = suite.load(list_suites()[name])
    frames = shaped_results(tmp_path, shipped)
    lines = plain(draw(frames, shipped.success, width)).splitlines()
    assert max(map(cell_len, lines)) <= width
    assert not any("\N{HORIZONTAL ELLIPSIS}" in line for line in lines)
    for summary in make_summaries(frames, shipped.success):
        for row in summary.rows:
            cells = [column.cells.get(row, "") for column in summary.columns if not column.optional]
            found = [line for line in lines if line.startswith(f" {row} ") and all(cell in line for cell in cells)]
            assert found, f"{row}: {cells}"


def test_rates_and_scores_have_few_digits_and_calibration_is_two_rows(tmp_path: Path) -> None:
    shipped = suite.load(list_suites()["random_arch"])
    text = plain(draw(shaped_results(tmp_path, shipped), shipped.success, 120))
    (table,) = re.findall(r" +success +FID .*?\n\n", text, re.DOTALL)
    header, _, upper, trivial, *methods = [line for line in table.splitlines() if line.strip()]
    assert header.split() == ["success", "FID", "diverged", "failed", "best", "FID", "IS", "KID", "precision", "recall"]
    assert upper.startswith(" upper bound ")
    assert trivial.startswith(" best untrained ")
    assert re.search(r" ns-gan +\d+/48 \[\d+, \d+\] % ", methods[0])
    assert max(len(digits.replace(".", "").lstrip("0")) for digits in re.findall(r"\d+\.\d+", table)) <= 3


def test_a_narrower_terminal_leaves_out_optional_columns_and_names_them(tmp_path: Path) -> None:
    shipped = suite.load(list_suites()["random_arch"])
    text = plain(draw(shaped_results(tmp_path, shipped), shipped.success, 80))
    assert re.search(r"no room here: .*recall", text)


def test_a_long_name_goes_on_in_the_next_line_and_no_score_is_cut(tmp_path: Path) -> None:
    long = "a method with a name that nobody wants to read twice in a table of results that is eighty columns wide"[:99]
    frames = results(tmp_path, [record(trial(method, i), [1.0 + i]) for method in (long, "b") for i in range(8)])
    lines = plain(draw(frames, (Success(compare=()),), 60)).splitlines()
    assert max(map(cell_len, lines)) <= 60
    assert any("8/8 [68, 100] %" in line and "4.5 [" in line for line in lines)
    assert not any("\N{HORIZONTAL ELLIPSIS}" in line for line in lines)


def test_hostile_names_show_as_text_and_no_control_character_reaches_the_terminal(tmp_path: Path) -> None:
    frames = results(tmp_path, [record(trial(method, i), [1.0]) for method in (EVIL, "b") for i in range(2)])
    text = draw(frames, (Success(compare=((EVIL, "b"),)),), 200)
    shown = plain(text)
    assert "[red]a[/red] :smile: [link=http://x]\\x1b]0;t\\x07\\u202e\\n\\x9b31m" in shown
    assert all(character.isprintable() or character == "\n" for character in shown)
    assert "\x1b]" not in text


def test_of_many_comparisons_the_summary_shows_the_verdict_on_the_whole(tmp_path: Path) -> None:
    shipped = suite.load(list_suites()["dirac"])
    text = plain(draw(shaped_results(tmp_path, shipped), shipped.success))
    assert "of the 26 comparisons" in text
    assert "Each comparison in words: --full." in text
    assert " against " not in text


def test_a_suite_without_success_rules_has_a_table_for_each_dataset(tmp_path: Path) -> None:
    frames = shaped_results(tmp_path, suite.load(list_suites()["toy"]))
    assert [summary.title.split(":")[0] for summary in make_summaries(frames, ())] == ["ring", "grid", "swiss-roll"]
    headings = [column.heading for column in next(make_summaries(frames, ())).columns]
    assert headings[0] == "high-quality", "the first by name"
    assert "success" not in headings


def test_best_untrained_is_the_best_by_each_value(tmp_path: Path) -> None:
    shipped = suite.load(list_suites()["random_arch"])
    frames = shaped_results(tmp_path, shipped)
    values = {
        ("Gaussian fit", "fid"): 30.0,
        ("uniform", "fid"): 80.0,
        ("Gaussian fit", "is"): 1.5,
        ("uniform", "is"): 3.0,
    }
    rows = frames.calibration
    scores = [values.get((row["sampler"], row["name"]), row["value"]) for row in rows.to_dict("records")]
    (summary,) = make_summaries(replace(frames, calibration=rows.assign(value=scores)), shipped.success)
    cells = {
        column.heading: column.cells["best untrained"] for column in summary.columns if "best untrained" in column.cells
    }
    assert (cells["FID"], cells["IS"]) == ("30", "3")
