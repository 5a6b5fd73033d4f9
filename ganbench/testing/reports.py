"""The rules for reports, which write tables of numbers and of text that strangers wrote."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from ganbench.api.offers import Report
from ganbench.report.table import Table
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
"""What strangers may call a method, or raise as an error."""
INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u2028\u202e\ud800]")


def table(**columns: list[Any]) -> Table:
    """Make a table with these columns."""
    return Table(title="T", frame=pd.DataFrame(columns), notes=("A note.",))


def every_cell() -> Table:
    """Make a table with every kind of cell: text, flags, whole numbers, intervals, counts, NaN and infinities."""
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


def hostile() -> Table:
    """Make a table whose every text is hostile."""
    frame = pd.DataFrame(dict.fromkeys(HOSTILE, HOSTILE))
    return Table(title="".join(HOSTILE), frame=frame, notes=HOSTILE, headings={HOSTILE[2]: HOSTILE[3]})


EMPTY = (table(), table(n=[]), Table(title="", frame=pd.DataFrame()))


@dataclass(frozen=True)
class ReportCase:
    """A report under test."""

    subject: Subject

    @cached_property
    def report(self) -> Report:
        """What it builds."""
        built: Report = self.subject.build()
        return built

    def render(self, given: Table) -> str | bytes:
        """Give a table as it is written."""
        return self.report.render(given)


def cases(subject: Subject) -> list[ReportCase]:
    """Give the one case of a report."""
    return [ReportCase(subject)]


@rule()
def gives_a_report(case: ReportCase) -> None:
    """Gives a Report, whose suffix can end a file's name."""
    report = case.report
    require(isinstance(report, Report), f"build gives {report!r}. It must give a Report.")
    sane = re.fullmatch(r"(\.[a-z0-9]{1,10}){1,2}", report.suffix)
    require(sane is not None, f"its suffix is {report.suffix!r}: a dot, then small letters and digits, as in '.tex'.")


@rule()
def writes_every_kind_of_cell(case: ReportCase) -> None:
    """Writes text, flags, numbers, intervals, counts, NaN and infinities, as text or bytes."""
    for given in (every_cell(), *(table(x=[one]) for one in ("a", True, 1, 0.5, math.nan, math.inf, -math.inf, None))):
        written = case.render(given)
        require(isinstance(written, str | bytes), f"`render` gives {type(written).__name__}: give text or bytes.")
        require(len(written) > 0, "`render` gives nothing of a table that has a cell.")


@rule()
def writes_empty_tables(case: ReportCase) -> None:
    """Writes tables without rows, and without columns."""
    for given in EMPTY:
        written = case.render(given)
        require(isinstance(written, str | bytes), f"`render` of an empty table gives {type(written).__name__}.")


@rule()
def writes_what_the_table_says(case: ReportCase) -> None:
    """Writes tables that differ in a number, a text, a heading, a title or a note differently."""
    given: dict[str, list[Any]] = {"n": [12], "who": ["a"]}
    one = case.render(table(**given))
    frame = pd.DataFrame(given)
    others = {
        "a number": table(**{**given, "n": [13]}),
        "a text": table(**{**given, "who": ["b"]}),
        "a heading": Table(title="T", frame=frame, notes=("A note.",), headings={"n": "of"}),
        "the title": Table(title="U", frame=frame, notes=("A note.",)),
        "a note": Table(title="T", frame=frame, notes=("Another.",)),
    }
    for what, other in others.items():
        require(case.render(other) != one, f"two tables that differ in {what} are written alike: it is left out.")


@rule()
def writes_a_table_twice_alike(case: ReportCase) -> None:
    """Writes a table twice to the same letter, and leaves it as it was."""
    for make in (every_cell, hostile):
        given = make()
        first = case.render(given)
        require(case.render(given) == first, "the same table is written differently the second time (the time? a set?)")
        require(given.frame.equals(make().frame), "`render` changes the table's frame: work on a copy.")


@rule()
def lets_nothing_invisible_through(case: ReportCase) -> None:
    """Lets no control or bidirectional character of a stranger through to text."""
    written = case.render(hostile())
    if isinstance(written, str):
        found = INVISIBLE.search(written)
        require(found is None, f"the character {found and found[0]!r} of a stranger's text reaches the output: escape.")


RULES = (
    gives_a_report,
    writes_every_kind_of_cell,
    writes_empty_tables,
    writes_what_the_table_says,
    writes_a_table_twice_alike,
    lets_nothing_invisible_through,
)
