"""A page in a real browser, offline: Playwright drives Debian's chromium, found on the path."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MISSING = (
    "no chromium on the path, so no browser saw the page. Install it (Debian: apt-get install chromium), then "
    "pytest -n 0 -m browser."
)
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason=MISSING)

WIDE, NARROW = (1440, 900), (390, 844)
DRAWN = "document.documentElement.dataset.drawn === 'yes'"


@contextmanager
def open_browser() -> Iterator[Any]:
    """Start a headless browser, and end it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def open_page(
    browser: Any, file: Path, size: tuple[int, int] = WIDE, scheme: str = "light"
) -> Iterator[tuple[Any, list[str]]]:
    """Open a file offline, wait until its charts are drawn; yields the page, and what it complained of or asked for."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, offline=True, reduced_motion="reduce"
    )
    context.set_default_timeout(10_000)
    page, complaints = context.new_page(), list[str]()
    page.on("console", lambda message: complaints.append(f"console {message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on(
        "request",
        lambda request: None if request.url == file.as_uri() or request.url.startswith("data:")
        else complaints.append(f"request: {request.url}"),
    )  # fmt: skip
    page.goto(file.as_uri())
    page.wait_for_function(DRAWN, timeout=60_000)
    yield page, complaints
    context.close()


def points(page: Any, chart: str) -> int:
    """Return the number of points and symbols that a chart shows."""
    return int(page.locator(f"#{chart} .mark-symbol path").count())
