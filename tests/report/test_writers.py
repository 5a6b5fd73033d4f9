"""Third parties' text in Markdown and CSV: no link and no formula."""

from __future__ import annotations

import csv
import html
import io
import re
import unicodedata

import pandas as pd
import pytest
from ganbench.report import Table, render
from ganbench.report.writers import escape

LINKS = [
    "http://evil.com",
    "HTTPS://evil.com",
    "ftp://x",
    "www.evil.com",
    "mailto:a@b.com",
    "a.b@evil.com",
    "@user",
    "#1",
]


@pytest.mark.parametrize("text", [*LINKS, "#1", "org/repo#12", "GH-7", "xmpp:a@b.com"])
def test_no_part_of_third_party_text_becomes_a_link_in_markdown(text: str) -> None:
    """GitHub's rules: github.github.com/gfm, section 6.9, and its references to issues and people."""
    table = Table(title=text, frame=pd.DataFrame({text: [text]}), notes=(text,))
    written = html.unescape(render([table], "md")).replace("\\", "")
    assert written.count("\u200b") >= 4
    assert not re.search(r"://|www\.|@\w|#\d|GH-\d", written, re.IGNORECASE)
    assert written.replace("\u200b", "").count(text) == 4


def test_text_without_a_link_is_written_as_it_is() -> None:
    assert escape("wgan-gp at 3 of 4, 0.5: a # b @ c") == "wgan-gp at 3 of 4, 0.5: a # b @ c"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            " =1",
            "\t=1",
            "\r\n=1",
            "\N{FULLWIDTH EQUALS SIGN}cmd",
            " \N{FULLWIDTH PLUS SIGN}1",
        ),
        *("\N{FULLWIDTH HYPHEN-MINUS}1", "\N{FULLWIDTH COMMERCIAL AT}x", "\N{SMALL PLUS SIGN}1", "\N{MINUS SIGN}1"),
    ],
)
def test_csv_text_is_never_a_formula(text: str) -> None:
    written = render([Table(title=text, frame=pd.DataFrame({text: [text]}), notes=(text,))], "csv")
    for row in csv.reader(io.StringIO(written)):
        for cell in row:
            assert not unicodedata.normalize("NFKC", cell).lstrip().startswith(("=", "+", "-", "@", "\N{MINUS SIGN}"))
