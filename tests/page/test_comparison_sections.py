"""A comparison as one page: what differs comes first, and every command names the folder of its own side."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ganbench.page import compared_source, make_page
from ganbench.page.assembly import load_bundle
from ganbench.report import compare

from tests.support.pages import EVIL, EVIL_NAME, expand, make_results, read_data
from tests.support.terminal import ganbench
from tests.support.two_sides import GOOD, SUITE, two_sides


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    place = tmp_path_factory.mktemp("results")
    monday = make_results(place / "monday", architectures=4)
    friday = make_results(place / "friday", architectures=3, error="Traceback: no memory")
    return monday, friday


@pytest.fixture(scope="module")
def page(sides: tuple[Path, Path]) -> str:
    return make_page([compared_source(compare(*sides))])


def test_what_differs_comes_first_then_the_verdict_and_every_section_of_a_report(page: str) -> None:
    names = re.findall(r'<section id="s0-(\w+)"', page)
    assert names[:4] == ["differences", "verdict", "success", "scores"]
    assert {"survival", "courses", "pairs", "factors", "costs", "numbers", "failures", "protocol"} <= {*names}
    assert "<h1>monday against friday</h1>" in page
    assert "Probability of outperforming" in page, "a number that only a comparison has"


def test_the_sides_are_methods_with_points_that_know_their_folder_and_key(page: str, sides: tuple[Path, Path]) -> None:
    (data,) = read_data(page)
    assert data["methods"] == ["monday: good", "monday: bad", "friday: good", "friday: bad"]
    trials = expand(data["trials"])
    assert len(trials["short"]) == 2 * 2 * 3 * 2
    assert {*zip((method.partition(":")[0] for method in trials["method"]), trials["folder"], strict=True)} == {
        ("monday", "monday"),
        ("friday", "friday"),
    }
    assert all(re.fullmatch("[0-9a-f]{12}", short) for short in trials["short"])
    assert data["factors"].keys() >= {"critic_activation"}
    pairs = next(chart for chart in data["charts"].values() if "score_b" in chart["frames"].get("rows", {}))
    assert len(expand(pairs["frames"]["rows"])["t"]) == 6


def test_a_failure_is_trained_again_in_the_folder_of_its_side(page: str) -> None:
    diverged = {*re.findall(r"ganbench rerun (\w+) ([0-9a-f]{12})", page)}
    failed = {*re.findall(r"--results (\w+) --retry \S+ --only key=([0-9a-f]{12})", page)}
    for found in (diverged, failed):
        assert sorted(folder for folder, _ in found) == ["friday", "monday"], "one of each side"


def test_every_table_is_there_once_and_the_protocol_has_both_suites(page: str) -> None:
    captions = re.findall(r"<caption>(.*?)</caption>", page)
    assert len(captions) == len({*captions})
    assert "monday: the suite" in page
    assert "friday: the suite" in page


def test_text_of_a_hostile_folder_is_only_text(tmp_path: Path) -> None:
    a = make_results(tmp_path / "a <b>", (EVIL_NAME, "bad"), 2, EVIL_NAME, EVIL, EVIL)
    b = make_results(tmp_path / "<script>x", (EVIL_NAME, "bad"), 2, EVIL_NAME, EVIL, EVIL)
    own = make_page([compared_source(compare(a, b))]).replace(load_bundle(), "")
    assert "<script>alert" not in own
    assert "<img src=x" not in own
    assert "<script>x" not in own


def test_the_command_writes_the_page_and_says_where(tmp_path: Path) -> None:
    two_sides(tmp_path, [GOOD] * 3, [GOOD] * 3)
    answer = ganbench("compare", "A", "B", "--report", "page.html", cwd=tmp_path)
    assert (answer.returncode, answer.stdout) == (0, "page.html\n"), answer.stderr
    page = (tmp_path / "page.html").read_text()
    assert "Nothing that was recorded of the trials in matched cells differs." in page
    refused = ganbench("compare", "A", "B", "--report", ".", cwd=tmp_path)
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr


def test_a_suite_without_success_rules_has_a_page(tmp_path: Path) -> None:
    page = make_page([compared_source(compare(*two_sides(tmp_path, [GOOD] * 3, [9.0] * 3, suite=SUITE)))])
    assert "A: a against B: a" in page
