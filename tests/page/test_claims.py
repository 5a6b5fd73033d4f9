"""The page shows a suite's claims with their verdicts, and its figures; a suite without them has neither section."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ganbench.page import make_page
from ganbench.page.claim_section import claims_section
from ganbench.page.figure_section import figures_section
from ganbench.page.source import Source
from ganbench.results.frames import Frames
from ganbench.suite.loading import restore

from tests.support.browser import needs_browser, open_browser, open_page
from tests.support.trials_by_hand import SUITE, record, results, scores, trial

CLAIMS = """
[[claim]]
text = "a <b>has</b> the lower FID"
test = "less"
method = "a"
value = "fid"
than = { method = "b" }

[[figure]]
name = "courses"
values = ["fid"]
"""


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Frames:
    records = [
        record(trial(method, seed=seed), scores=tuple(scores("fid", [9.0, value])))
        for method, value in (("a", 5.0), ("b", 2.0))
        for seed in range(8)
    ]
    return results(tmp_path_factory.mktemp("claims"), records)


def make_source(frames: Frames, text: str) -> Source:
    return Source(replace(frames, suite=text), restore(text), "results", "results")


def test_a_contradicted_claim_is_loud_and_its_text_is_only_text(frames: Frames) -> None:
    section = claims_section(make_source(frames, SUITE + CLAIMS))
    words, table = section.blocks
    assert words.paragraphs[0] == "Of 1 claim: 0 reproduced, 1 contradicted, 0 undecided."  # type: ignore[union-attr]
    assert words.paragraphs[1] == "CONTRADICTED: a <b>has</b> the lower FID"  # type: ignore[union-attr]
    assert {"CONTRADICTED", "0 of 8"} <= set(table.rows[0])  # type: ignore[union-attr]


@pytest.mark.browser
@needs_browser
def test_a_long_claim_stays_in_its_column(frames: Frames, tmp_path: Path) -> None:
    long = "With the penalty the score is better, on more than nine of ten of all the architectures that were drawn"
    source = make_source(frames, (SUITE + CLAIMS).replace("a <b>has</b> the lower FID", long))
    file = tmp_path / "page.html"
    file.write_text(make_page([source]))
    wide = "Array.from(document.querySelectorAll('th, td')).filter((cell) => cell.scrollWidth > cell.clientWidth + 1)"
    with open_browser() as browser, open_page(browser, file) as (page, _):
        assert page.get_by_role("rowheader", name=long).count() == 1
        assert page.evaluate(f"{wide}.map((cell) => cell.textContent)") == []


def test_a_figure_is_a_picture_with_words(frames: Frames) -> None:
    (picture,) = figures_section(make_source(frames, SUITE + CLAIMS)).blocks
    assert picture.content.startswith(b"\x89PNG")  # type: ignore[union-attr]
    assert picture.alt  # type: ignore[union-attr]


def test_a_suite_without_claims_and_figures_has_no_such_sections(frames: Frames) -> None:
    source = make_source(frames, SUITE)
    assert not claims_section(source).blocks
    assert not figures_section(source).blocks


def test_the_tables_the_terminal_and_the_export_have_the_claims(frames: Frames, tmp_path: Path) -> None:
    from ganbench.report import make_tables
    from ganbench.report.terminal import print_claims
    from rich.console import Console

    whole = replace(frames, suite=SUITE + CLAIMS)
    assert make_tables(whole)[0].title == "Claims"
    with (tmp_path / "terminal").open("w") as file:
        print_claims(Console(file=file, width=100), whole)
    assert "CONTRADICTED  a <b>has</b> the lower FID" in (tmp_path / "terminal").read_text()
