"""The page of a comparison in a real Chromium."""

from __future__ import annotations

from pathlib import Path

import pytest
from ganbench.page import write_page
from ganbench.report import compare

from tests.support.browser import NARROW, needs_browser, open_browser, open_page
from tests.support.pages import EVIL, EVIL_NAME, make_results

pytestmark = [pytest.mark.browser, needs_browser]


def test_a_hostile_comparison_draws_itself_without_a_complaint_and_is_accessible(tmp_path: Path) -> None:
    """A trial that is chosen names the command for the folder of its own side."""
    from axe_playwright_python.sync_playwright import Axe

    sides = [make_results(tmp_path / name, (EVIL_NAME, "bad"), 3, EVIL_NAME, EVIL, EVIL) for name in ("one", "two")]
    file = write_page(compare(*sides), tmp_path / "page.html")
    with open_browser() as browser, open_page(browser, file, NARROW) as (page, complaints):
        assert page.locator(".chart svg, .chart canvas").count() > 6
        page.locator("select[name=trial]").select_option(index=14)
        assert "ganbench samples two --of" in page.locator("body").inner_text()
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        violations = Axe().run(page).response["violations"]
        assert page.evaluate("document.documentElement.scrollWidth") == NARROW[0], "nobody scrolls sideways"
        assert complaints == []
    grave = [each for each in violations if each["impact"] in ("serious", "critical")]
    assert [(each["id"], each["nodes"][0]["html"][:200]) for each in grave] == []
