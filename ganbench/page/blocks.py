"""What a section of the page is made of: charts, tables, texts, pictures and lists of trials."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from ganbench.escaping import escape_unprintable
from ganbench.table import format_value

if TYPE_CHECKING:
    from ganbench.table import Table

MOST_ROWS = 300
"""Rows of one table on the page, at most."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Chart:
    """A chart: a Vega-Lite `spec` whose named data are `frames`; `alt` says in words what it shows.

    A frame with a column `t` has a row per trial: it follows all choices of a reader. One with a column `method`
    follows the choice of methods. `methods`: those of the legend, by place. `courses`: what the chart of courses can
    draw. `recount`: the direction of the scores whose rates are counted again for the architectures that are chosen.
    """

    title: str
    alt: str
    spec: Mapping[str, Any]
    frames: Mapping[str, pd.DataFrame]
    notes: Sequence[str] = ()
    methods: Sequence[int] = ()
    courses: Mapping[str, Any] | None = None
    recount: str = ""
    kind: str = field(default="chart", init=False)

    @property
    def of_levels(self) -> str:
        """What the chart shows where a reader chooses some architectures; nothing where it shows these alone."""
        if self.recount:
            return "Of the chosen architectures alone, counted here; the bands are of all architectures and left out."
        if self.courses is not None:
            return "Single trials are those of the chosen architectures; quartiles are of all."
        if any("t" in frame for frame in self.frames.values()):
            return ""
        return "This chart shows all architectures together."


@dataclass(frozen=True, kw_only=True, eq=False)
class PageTable:
    """A table as the page shows it: texts, with at most `MOST_ROWS` rows; `folded` behind its title."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str]
    folded: bool = True
    kind: str = field(default="table", init=False)


@dataclass(frozen=True, kw_only=True)
class Words:
    """Paragraphs of plain text; `strong`: as the answer that a reader came for; `code`: as it was typed."""

    title: str = ""
    paragraphs: Sequence[str]
    strong: bool = False
    code: bool = False
    kind: str = field(default="words", init=False)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A PNG with its title and what it shows in words."""

    title: str
    alt: str
    content: bytes
    kind: str = field(default="picture", init=False)

    @property
    def uri(self) -> str:
        """The picture as a data URI."""
        return f"data:image/png;base64,{base64.b64encode(self.content).decode()}"


@dataclass(frozen=True, kw_only=True)
class TrialList:
    """Trials that a reader can choose: `rows` are (number or -1, key, cells)."""

    title: str
    head: Sequence[str]
    rows: Sequence[tuple[int, str, Sequence[str]]]
    notes: Sequence[str] = ()
    kind: str = field(default="trials", init=False)


Block = Chart | PageTable | Words | Picture | TrialList


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the page under a heading; `how` says in one sentence how to read it."""

    name: str
    title: str
    how: str
    blocks: Sequence[Block]


def fold_table(table: Table, *, folded: bool = True) -> PageTable:
    """Return a table of a report for the page; of a long one the first rows, and a note on the rest."""
    shown = table if len(table.frame) <= MOST_ROWS else table_start(table)
    left_out = len(table.frame) - len(shown.frame)
    more = [f"{left_out} more rows are left out here; `ganbench table` has all."] if left_out else []
    return PageTable(
        title=table.title,
        head=[table.heading(column) for column in table.columns],
        rows=[[escape_unprintable(cell) for cell in row] for row in shown.cells(show_value)],
        notes=[*table.notes, *more],
        folded=folded,
    )


def show_value(value: Any) -> str:
    """Return a value as text: as every table does, but a number of more than seven digits by powers of ten."""
    text = format_value(value)
    return f"{float(value):.3g}" if len(text) > 7 and text.isdigit() and not isinstance(value, str) else text


def table_start(table: Table) -> Table:
    """Return a table with its first rows alone."""
    from dataclasses import replace

    return replace(table, frame=table.frame.head(MOST_ROWS))
