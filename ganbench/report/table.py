"""A table for people, before it is written in any format, and the notes that many tables share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ganbench.escaping import html_table

FLAGS = (bool, np.bool_)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A frame to be read by people: raw numbers in `frame`, nothing formatted or escaped yet.

    `headings` names columns for the reader. `intervals` names, for a column, the two that hold its ends; `counts`, for
    a column of counts, the two that say of how many and at which step. `notes` are sentences.
    """

    title: str
    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    headings: Mapping[str, str] = field(default_factory=dict)
    intervals: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    counts: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """The columns that have a heading: all but those that stand beside another's number."""
        beside = {end for pairs in (self.intervals, self.counts) for pair in pairs.values() for end in pair}
        return [column for column in self.frame.columns if column not in beside]

    def heading(self, column: str) -> str:
        """Give what the reader sees above a column."""
        return self.headings.get(column, column.replace("_", " "))

    def cells(self, write: Callable[[Any], str]) -> list[list[str]]:
        """Give the rows under `columns`, values as `write` writes them: "0.2 [0.1, 0.3]", "3 of 48 (at 120)"."""
        return [[self._cell(row, column, write) for column in self.columns] for row in self.frame.to_dict("records")]

    def _cell(self, row: dict[Any, Any], column: str, write: Callable[[Any], str]) -> str:
        text = write(row[column])
        if column in self.counts and text:
            of, step = (row[end] for end in self.counts[column])
            text += f" of {write(of)}" + ("" if is_missing(step) else f" (at {write(step)})")
        if column in self.intervals:
            low, high = (row[end] for end in self.intervals[column])
            text += "" if is_missing(low) or is_missing(high) else f" [{write(low)}, {write(high)}]"
        return text

    def _repr_html_(self) -> str:
        """Show the table in a notebook: plain HTML, the notes below."""
        head = [self.heading(column) for column in self.columns]
        return html_table(self.title, head, self.cells(format_value), self.notes)


def size_note(trials: pd.DataFrame) -> str:
    """Over how many architectures and seeds, and what the unit of every test is."""
    architectures, seeds = trials["architecture"].nunique(), trials["seed"].nunique()
    size = f"n = {architectures} architecture{'s' * (architectures != 1)} x {seeds} seed{'s' * (seeds != 1)}"
    if architectures == 1:
        return f"The seed is the unit, as there is one architecture: nothing here speaks for others; {size}."
    return f"The architecture is the unit; {size}."


def stale_note(standing: pd.DataFrame) -> str:
    """How many of the counted trials are stale, if any."""
    stale = int(standing["stale"].sum())
    return f"{stale} of these trials are stale. " if stale else ""


def format_value(value: Any) -> str:
    """Write a value for a reader: text as it is, four digits of a number, nothing for NaN."""
    if isinstance(value, str):
        return value
    if is_missing(value):
        return ""
    if isinstance(value, FLAGS):
        return "yes" if value else ""
    return str(int(value)) if math.isfinite(value) and value == int(value) else f"{value:.4g}"


def is_missing(value: Any) -> bool:
    """Say whether a value is NaN or None."""
    return value is None or bool(value != value)
