"""Contract rules for reports, which write tables of numbers and of text by third parties."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from ganbench.api.offers import Report
from ganbench.table import Table
from ganbench.testing.rule import Subject, require, rule

HOSTILE = (
    "",
    " ",
    "\\ { } $ & # ^ _ ~ %",
    "<script>alert(1)</script>",
    "=1+1",
    "| `a` [x](javascript:1) *b*",
    "\x00\x1b[31m\x7f\r\n\t",
    "\u202e\u200b\u2028\ud800",
    "\u4e2d\u6587 \u00e9 e\u0301 \U0001f600",
    "[0.5ex] \\input{/etc/passwd} \\\\",
)
"""Texts that a third party may use as a method's name or an error's message."""
INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u2028\u202e\ud800]")


def make_table(**columns: list[Any]) -> Table:
    """Return a table with these columns and one note."""
    return Table(title="T", frame=pd.DataFrame(columns), notes=("A note.",))


def make_table_of_every_cell() -> Table:
    """Return a table with every kind of cell: text, flags, whole numbers, intervals, counts, NaN and infinities."""
    frame = pd.DataFrame(
        {
            "method": ["a", "b", "c"],
            "primary": [False, True, False],
            "n": [1, 2, 10**12],
            "rate": [0.25, math.nan, -math.inf],
            "low": [0.1, math.nan, -math.inf],
            "high": [math.inf, math.nan, 1e-300],
            "diverged_at": [1, 0, math.nan],
            "of": [3, 3, 0],
            "step": [math.nan, 50.5, math.nan],
            "p": ["", "undefined", 1e-44],
        }
    )
    intervals, counts = {"rate": ("low", "high")}, {"diverged_at": ("of", "step")}
    return Table(title="T", frame=frame, headings={"rate": "success"}, intervals=intervals, counts=counts)


def make_hostile_table() -> Table:
    """Return a table in which every text is hostile."""
    columns = pd.Index(HOSTILE, dtype=object)  # as objects: where pyarrow is installed, text must be valid Unicode
    frame = pd.DataFrame([[text] * len(HOSTILE) for text in HOSTILE], columns=columns, dtype=object)
    return Table(title="".join(HOSTILE), frame=frame, notes=HOSTILE, headings={HOSTILE[2]: HOSTILE[3]})


EMPTY = (make_table(), make_table(n=[]), Table(title="", frame=pd.DataFrame()))


@dataclass(frozen=True)
class ReportCase:
    """A report under test."""

    subject: Subject

    @cached_property
    def report(self) -> Report:
        """The report that the offer builds."""
        built: Report = self.subject.build()
        return built

    def render(self, table: Table) -> str | bytes:
        """Return a table as the report writes it."""
        return self.report.render(table)


def cases(subject: Subject) -> list[ReportCase]:
    """Return the one case of a report."""
    return [ReportCase(subject)]


@rule()
def is_a_report(case: ReportCase) -> None:
    """Is a Report with a suffix that can end a file name."""
    report = case.report
    require(isinstance(report, Report), f"build returns {report!r}. It must return a Report.")
    match = re.fullmatch(r"(\.[a-z0-9]{1,10}){1,2}", report.suffix)
    require(
        match is not None, f"its suffix is {report.suffix!r}: use a dot, then small letters and digits, as in '.tex'."
    )


@rule()
def writes_every_kind_of_cell(case: ReportCase) -> None:
    """Writes text, flags, numbers, intervals, counts, NaN and infinities, as text or bytes."""
    values = ("a", True, 1, 0.5, math.nan, math.inf, -math.inf, None)
    for table in (make_table_of_every_cell(), *(make_table(x=[value]) for value in values)):
        output = case.render(table)
        require(
            isinstance(output, str | bytes), f"`render` returns {type(output).__name__}: return text (str) or bytes."
        )
        require(len(output) > 0, "`render` returns nothing for a table that has a cell: write its cells.")


@rule()
def writes_empty_tables(case: ReportCase) -> None:
    """Writes tables without rows and tables without columns."""
    for table in EMPTY:
        output = case.render(table)
        require(
            isinstance(output, str | bytes),
            f"`render` returns {type(output).__name__} for an empty table: return text (str) or bytes.",
        )


@rule()
def writes_what_the_table_says(case: ReportCase) -> None:
    """Writes two tables differently if they differ in a number, a text, a heading, the title or a note."""
    columns: dict[str, list[Any]] = {"n": [12], "who": ["a"]}
    output = case.render(make_table(**columns))
    frame = pd.DataFrame(columns)
    variants = {
        "a number": make_table(**{**columns, "n": [13]}),
        "a text": make_table(**{**columns, "who": ["b"]}),
        "a heading": Table(title="T", frame=frame, notes=("A note.",), headings={"n": "of"}),
        "the title": Table(title="U", frame=frame, notes=("A note.",)),
        "a note": Table(title="T", frame=frame, notes=("Another.",)),
    }
    for difference, table in variants.items():
        require(
            case.render(table) != output, f"two tables that differ in {difference} are written equally: write it too."
        )


@rule()
def writes_the_same_table_alike(case: ReportCase) -> None:
    """Writes the same table to the same text twice, and does not change it."""
    for make in (make_table_of_every_cell, make_hostile_table):
        table = make()
        first = case.render(table)
        require(
            case.render(table) == first,
            "the same table is written differently the second time: write no time, and no set without sorting it.",
        )
        require(table.frame.equals(make().frame), "`render` changes the table's frame: work on a copy.")


@rule()
def escapes_invisible_characters(case: ReportCase) -> None:
    """Writes no control or bidirectional character of a third party's text."""
    output = case.render(make_hostile_table())
    if isinstance(output, str):
        match = INVISIBLE.search(output)
        require(
            match is None,
            f"the character {match and match[0]!r} of a third party's text reaches the output: escape or remove it.",
        )


RULES = (
    is_a_report,
    writes_every_kind_of_cell,
    writes_empty_tables,
    writes_what_the_table_says,
    writes_the_same_table_alike,
    escapes_invisible_characters,
)
