"""The page in a real Chromium: it draws itself alone and offline, is usable by everybody, and lets a reader choose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ganbench.page import make_page, read_source, write_page
from ganbench.report.thumbnails import draw_thumbnail

from tests.support.browser import NARROW, WIDE, needs_browser, open_browser, open_page, points
from tests.support.pages import EVIL, EVIL_NAME, make_results, read_data

pytestmark = [pytest.mark.browser, needs_browser]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    return write_page([make_results(folder / "study")], folder / "report.html")


def chart_with(file: Path, *frames: str) -> str:
    """Return the name of the first chart that has these frames."""
    charts = read_data(file.read_text())[0]["charts"]
    return next(name for name, chart in charts.items() if set(frames) <= set(chart["frames"]))


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_the_page_draws_every_chart_without_a_complaint_or_a_request(browser: Any, file: Path, size: Any) -> None:
    with open_page(browser, file, size) as (page, complaints):
        charts = page.locator(".chart")
        assert charts.count() == len(read_data(file.read_text())[0]["charts"]) > 8
        for place in range(charts.count()):
            box = charts.nth(place).locator("svg, canvas").bounding_box()
            assert box["width"] > 150
            assert box["height"] > 40
            assert page.locator(f"#{charts.nth(place).get_attribute('id')} [class*=mark-] path").count() > 0, (
                "not empty"
            )
        assert complaints == []
        assert page.evaluate("document.documentElement.scrollWidth") == size[0], "nobody scrolls sideways"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_axe_finds_no_serious_violation(browser: Any, file: Path, scheme: str, size: Any) -> None:
    from axe_playwright_python.sync_playwright import Axe

    with open_page(browser, file, size, scheme) as (page, _):
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        violations = Axe().run(page).response["violations"]
    grave = [each for each in violations if each["impact"] in ("serious", "critical")]
    assert [(each["id"], each["nodes"][0]["html"][:200]) for each in grave] == []


def test_axe_would_find_a_violation(browser: Any, file: Path) -> None:
    from axe_playwright_python.sync_playwright import Axe

    with open_page(browser, file) as (page, _):
        page.evaluate("document.querySelector('h1').style.color = '#eee'")
        assert "color-contrast" in [each["id"] for each in Axe().run(page).response["violations"]]


def test_choosing_a_method_leaves_its_points_alone(browser: Any, file: Path) -> None:
    scores, pairs = chart_with(file, "rows", "summary"), chart_with(file, "rows", "diagonal")
    with open_page(browser, file) as (page, complaints):
        whole = points(page, scores)
        assert whole == 32
        page.locator("select[name=method]").select_option(label="good")
        page.wait_for_function(f"document.querySelectorAll('#{scores} .mark-symbol path').length === 16")
        assert points(page, pairs) == 16
        page.get_by_role("button", name="Show all").click()
        page.wait_for_function(f"document.querySelectorAll('#{scores} .mark-symbol path').length === 32")
        assert complaints == []


def test_choosing_a_level_leaves_its_architectures_and_counts_their_rates_again(browser: Any, file: Path) -> None:
    scores, curve = chart_with(file, "rows", "summary"), chart_with(file, "curve", "values")
    with open_page(browser, file) as (page, complaints):
        before = page.locator(f"#{curve} .mark-line path").first.get_attribute("d")
        assert not page.get_by_text("counted here").first.is_visible()
        page.locator("select[name=level]").select_option(label="generator_depth: 3")
        page.wait_for_function(f"document.querySelectorAll('#{scores} .mark-symbol path').length === 12")
        assert page.locator(f"#{curve} .mark-line path").first.get_attribute("d") != before
        assert page.get_by_text("counted here").first.is_visible(), "it says that the bands are left out"
        assert page.get_by_text("This chart shows all architectures together.").first.is_visible()
        assert complaints == []


def test_a_click_on_a_point_shows_the_trial_and_its_course(browser: Any, file: Path) -> None:
    scores, courses = chart_with(file, "rows", "summary"), chart_with(file, "quartiles")
    with open_page(browser, file) as (page, complaints):
        assert page.locator(f"#{courses} .mark-symbol path").count() == 0
        page.locator(f"#{scores} .mark-symbol path").nth(3).click(force=True)
        panel = page.locator(".trial").first
        panel.wait_for(state="visible")
        chosen = page.locator("select[name=trial]").evaluate("list => list.options[list.selectedIndex].text")
        key = chosen.split()[0]
        assert f"Trial {key}" in panel.inner_text()
        assert f"ganbench samples study --of {key}" in panel.inner_text()
        page.wait_for_function(f"document.querySelectorAll('#{courses} .mark-symbol path').length === 4")
        page.locator("select.series").select_option(label="loss.critic")
        page.wait_for_function(f"document.querySelectorAll('#{courses} .mark-symbol path').length === 40")
        page.locator("select.axis").select_option("seconds")
        page.wait_for_function(f"document.querySelector('#{courses}').textContent.includes('seconds of training')")
        assert complaints == []


def test_a_trial_that_brings_its_samples_shows_them_above_and_beside_its_course(browser: Any, tmp_path: Path) -> None:
    points = np.zeros((1, 2), np.float32)
    source = read_source(make_results(tmp_path / "study"))
    pictures = {source.frames.trials["key"][3]: draw_thumbnail(points, points)}
    file = tmp_path / "report.html"
    file.write_text(make_page([replace(source, thumbnails=pictures)]))
    with open_page(browser, file) as (page, complaints):
        for place, count in ((4, 0), (3, 2), (2, 0)):
            page.locator("select[name=trial]").select_option(str(place))
            shown = page.locator(".trial img")
            assert shown.count() == count
            for each in range(count):
                assert shown.nth(each).evaluate("image => image.decode().then(() => image.naturalWidth)") > 50
                assert "1 samples of its model" in shown.nth(each).get_attribute("alt")
        assert complaints == []


def test_everything_can_be_chosen_by_keyboard(browser: Any, file: Path) -> None:
    courses = chart_with(file, "quartiles")
    with open_page(browser, file) as (page, _):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.locator("button.pick").first.focus()
        page.keyboard.press("Enter")
        assert page.locator(".trial").first.is_visible()
        assert "failed" in page.locator(".trial").first.inner_text()
        page.locator("select[name=trial]").focus()
        page.keyboard.press("ArrowDown")
        page.wait_for_function(f"document.querySelectorAll('#{courses} .mark-symbol path').length > 0")


def test_a_dark_page_draws_its_charts_in_light_ink(browser: Any, file: Path) -> None:
    def ink(page: Any) -> str:
        return page.locator(".chart text").first.evaluate("text => getComputedStyle(text).fill")

    with open_page(browser, file) as (page, complaints):
        light = ink(page)
        page.emulate_media(color_scheme="dark")
        page.wait_for_function("document.querySelector('.chart text').getAttribute('fill') !== null")
        page.wait_for_timeout(1500)
        assert sum(map(int, ink(page)[4:-1].split(","))) > sum(map(int, light[4:-1].split(","))) + 150
        assert complaints == []


def test_a_printed_page_has_its_tables_open_and_no_controls(browser: Any, file: Path) -> None:
    with open_page(browser, file) as (page, _):
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.emulate_media(media="print")
        assert page.locator("details:not([open])").count() == 0
        assert not page.locator("form.choices").first.is_visible()
        assert page.locator(".chart svg").first.is_visible()


def test_hostile_results_show_as_text(browser: Any, tmp_path: Path) -> None:
    results = make_results(
        tmp_path / "<img src=x onerror=alert(2)>",
        methods=("a", EVIL_NAME),
        dataset=f"d{EVIL_NAME}",
        question=EVIL,
        error=EVIL,
        name=EVIL + "#",
    )
    file = write_page([results], tmp_path / "report.html")
    with open_page(browser, file) as (page, complaints):
        assert page.locator("img:not([src^='data:image/png;base64,'])").count() == 0, "only pictures of our own"
        assert page.locator("img[onerror]").count() == 0
        assert page.locator("script").count() == 3
        assert "onerror=alert(1)>{{ 7*7 }}<!--<script>" in page.locator("section").first.inner_text()
        page.locator("select[name=method]").select_option(index=2)
        page.locator("button.pick").first.click()
        chart = chart_with(file, "rows", "summary")
        page.locator(f"#{chart} .mark-symbol path").first.hover(force=True)
        page.wait_for_timeout(300)
        assert page.locator("#vg-tooltip-element img, .chart img, .chart script, .chart foreignObject").count() == 0
        assert complaints == []


def test_a_script_that_is_not_ours_does_not_run(browser: Any, file: Path, tmp_path: Path) -> None:
    planted = tmp_path / "planted.html"
    more = "<script>document.title='pwned'</script><img src='http://evil.example/x'><b onclick='x()'>"
    planted.write_text(more.join(file.read_text().rsplit("</body>", 1)))
    with open_page(browser, planted) as (page, complaints):
        assert page.title() != "pwned"
        refused = [each for each in complaints if "Content Security Policy" in each]
        assert any("script-src" in each for each in refused)
        assert any("img-src" in each for each in refused), "not even offline is it asked for"


def test_pages_of_several_suites_choose_apart(browser: Any, tmp_path: Path) -> None:
    sources = [read_source(make_results(tmp_path / name, architectures=3)) for name in ("one", "two")]
    file = tmp_path / "report.html"
    file.write_text(make_page(sources))
    charts = [
        next(name for name, chart in suite["charts"].items() if "summary" in chart["frames"])
        for suite in read_data(file.read_text())
    ]
    with open_page(browser, file) as (page, complaints):
        page.locator("#s1 select[name=method]").select_option(label="bad")
        page.wait_for_function(f"document.querySelectorAll('#{charts[1]} .mark-symbol path').length === 6")
        assert points(page, charts[0]) == 12
        assert complaints == []
