"""The page shows what was chosen, the expected best and the landscapes; hostile names are only text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ganbench.page import read_source, write_page
from ganbench.page.blocks import Chart, PageTable, Section, Words
from ganbench.page.palette import Palette
from ganbench.page.suite_sections import failures_section, question_section
from ganbench.page.tuning_section import tuning_section
from ganbench.statistics.tunings import read_tunings

from tests.support.browser import NARROW, WIDE, needs_browser, open_browser, open_page
from tests.support.pages import EVIL_NAME, make_results, read_data
from tests.support.tuned_results import DEAD, make_sweep, make_tuned, write_suite

GRID = '{ "optimizer.lr" = [0.0001, 0.001], "optimizer.beta1" = [0, 0.5, 0.9] }'
THREE = '{ "optimizer.lr" = [0.0001, 0.001], "loss" = ["x", "y"], "optimizer.beta1" = [0, 0.5] }'
GRID_FIDS = [[DEAD if i == 3 else float(i + 1), float(i + 2)] for i in range(6)]


def make_section(folder: Path) -> Section:
    source = read_source(folder)
    return tuning_section(source, Palette(source.methods))


def charts_of(section: Section) -> dict[str, Chart]:
    return {block.title: block for block in section.blocks if isinstance(block, Chart)}


def tables_of(section: Section) -> dict[str, PageTable]:
    return {block.title: block for block in section.blocks if isinstance(block, PageTable)}


def test_the_tables_and_charts_are_those_of_the_report(tmp_path: Path) -> None:
    (tuning,) = read_tunings(make_tuned(tmp_path))
    section = make_section(tmp_path)
    assert list(tables_of(section)) == [
        *("Tuning on ring", "Expected best of k configurations on ring", "Configurations on ring")
    ]
    charts = charts_of(section)
    assert list(charts) == ["ring: expected best of k configurations", "ring: landscape of a", "ring: landscape of b"]
    expected = charts["ring: expected best of k configurations"]
    b = tuning.best_of[tuning.best_of["method"] == "b"]["expected"].tolist()
    within, beyond = (expected.frames[name] for name in ("within", "beyond"))
    assert within.loc[within["method"] == "b", "expected"].tolist() == b[:2]
    assert beyond.loc[beyond["method"] == "b", "expected"].tolist() == b[1:], "it begins where the other one ends"
    assert expected.methods == [0, 1]


def test_a_plain_sweep_has_its_methods_in_a_legend_of_its_own(tmp_path: Path) -> None:
    make_sweep(tmp_path)
    charts = charts_of(make_section(tmp_path))
    expected = charts["ring: expected best of k configurations"]
    assert set(expected.frames["within"]["swept"]) == {"b"}, "a is infinite up to half of its configurations"
    assert set(expected.frames["beyond"]["swept"]) == {"a", "b"}
    assert not expected.methods
    assert expected.spec["layer"][1]["encoding"]["color"]["legend"]["orient"] == "bottom"


def test_one_option_has_every_trial_and_the_dead_beyond_the_worst(tmp_path: Path) -> None:
    make_tuned(tmp_path)
    frames = charts_of(make_section(tmp_path))["ring: landscape of a"].frames
    assert frames["rows"]["y"].tolist() == [4, 6, 1, 3, 8, 9, 9]
    assert frames["dead"]["x"].tolist() == [0.01]
    assert frames["dead"]["y"].iloc[0] > 9
    assert frames["means"]["y"].tolist() == [5, 2, 8, 9]
    assert frames["chosen"].to_dict("records") == [{"x": 0.001, "y": 2}]


def test_a_grid_has_a_cell_for_each_configuration(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"a": GRID_FIDS}, write_suite({"a": GRID}, tuning=""))
    chart = charts_of(make_section(tmp_path))["ring: landscape of a"]
    cells = chart.frames["cells"]
    assert cells["score"].tolist() == [1.5, 2.5, 3.5, 5.5, 6.5]
    assert chart.frames["dead"][["down", "across"]].to_numpy().tolist() == [["0.001", "0"]]
    assert chart.frames["chosen"]["score"].tolist() == [1.5]
    assert chart.spec["layer"][0]["encoding"]["color"]["scale"] == {"scheme": "cividis", "reverse": True}
    assert cells["dark"].tolist() == [False, False, False, True, True], "worse cells are darker"


def test_several_options_are_lines_that_end_at_the_score(tmp_path: Path) -> None:
    fids = [[DEAD if i == 3 else float(i + 1), float(i + 1)] for i in range(8)]
    make_sweep(tmp_path, {"a": fids}, write_suite({"a": THREE}, tuning=""))
    frames = charts_of(make_section(tmp_path))["ring: landscape of a"].frames
    ends = frames["lines"][frames["lines"]["axis"] == "final FID"].set_index("configuration")["y"]
    assert ends[7] == 1
    assert ends[4] == pytest.approx(4 / 7)
    assert set(frames["chosen"]["configuration"]) == {0}
    assert set(frames["dead"]["configuration"]) == {3}
    assert list(dict.fromkeys(frames["ends"]["axis"])) == ["lr", "loss", "beta1", "final FID"]
    assert frames["ends"].groupby("axis")["text"].agg(list)["loss"] == ["x", "y"]


def test_without_anything_varied_there_is_no_such_section(tmp_path: Path) -> None:
    assert make_section(make_results(tmp_path / "study", signals=0)).blocks == []


def test_the_trials_of_tuning_are_counted_in_words(tmp_path: Path) -> None:
    make_tuned(tmp_path)
    source = read_source(tmp_path)
    first = question_section(source).blocks[0]
    assert isinstance(first, Words)
    assert "6 trials" in first.paragraphs[1]
    assert "tuned on 16 other trials" in first.paragraphs[1]
    words = [block for block in failures_section(source).blocks if isinstance(block, Words)]
    assert any("tuning: 16 trials, 1 diverged" in line for block in words for line in block.paragraphs)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as opened:
        yield opened


@pytest.mark.browser
@needs_browser
@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_a_browser_draws_every_chart_of_tuning(browser: Any, size: Any, tmp_path: Path) -> None:
    make_tuned(tmp_path / "tuned")
    make_sweep(tmp_path / "grid", {"a": GRID_FIDS}, write_suite({"a": GRID}, tuning=""))
    fids = [[DEAD if i == 3 else float(i + 1), float(i + 1)] for i in range(8)]
    make_sweep(tmp_path / "three", {"a": fids}, write_suite({"a": THREE}, tuning=""))
    file = write_page([tmp_path / name for name in ("tuned", "grid", "three")], tmp_path / "report.html")
    with open_page(browser, file, size) as (page, complaints):
        counts = []
        for place in range(3):
            charts = page.locator(f"#s{place}-tuning .chart")
            counts.append(charts.count())
            for each in range(charts.count()):
                name = charts.nth(each).get_attribute("id")
                assert page.locator(f"#{name} [class*=mark-] path").count() > 0, "not empty"
        assert counts == [3, 2, 2]
        assert complaints == []
        assert page.evaluate("document.documentElement.scrollWidth") == size[0]


@pytest.mark.browser
@needs_browser
def test_choosing_a_method_leaves_its_expected_best(browser: Any, tmp_path: Path) -> None:
    make_tuned(tmp_path / "tuned")
    file = write_page([tmp_path / "tuned"], tmp_path / "report.html")
    name = next(name for name, chart in read_data(file.read_text())[0]["charts"].items() if "beyond" in chart["frames"])
    with open_page(browser, file) as (page, complaints):
        lines = f"document.querySelectorAll('#{name} .mark-line path').length"
        assert page.evaluate(lines) == 3
        page.locator("select[name=method]").select_option(label="a")
        page.wait_for_function(f"{lines} === 1")
        assert complaints == []


@pytest.mark.browser
@needs_browser
def test_hostile_names_of_methods_options_and_values_show_as_text(browser: Any, tmp_path: Path) -> None:
    name = EVIL_NAME.replace("'", "").replace("$", "")
    vary = f'{{ {json.dumps("loss")} = [{json.dumps(EVIL_NAME)}, "b", "c"], {json.dumps("a<img src=x>.b")} = [1, 2] }}'
    text = write_suite({name: vary}, dataset="d<b>")
    fids = [[1, 2], [2, DEAD], [3, 4], [5, 6], [7, 8], [9, 9]]
    make_tuned(tmp_path / "evil", {name: fids}, {name: [3, 4, 5]}, {name: 0}, text, dataset="d<b>")
    file = write_page([tmp_path / "evil"], tmp_path / "report.html")
    with open_page(browser, file) as (page, complaints):
        assert page.locator("img:not([src^='data:image/png;base64,'])").count() == 0
        assert page.locator("script").count() == 3
        assert page.locator(".chart img, .chart script, .chart foreignObject").count() == 0
        assert complaints == []
