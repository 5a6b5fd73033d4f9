"""A table for readers, before it is written in any format."""

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
    """A frame with what a reader needs beside it: raw values in `frame`, nothing formatted or escaped yet.

    `headings` maps a column to the reader's name for it, and `words` to a function that turns a value of its cells into
    what a reader sees (`metric_title`); CSV and JSON hold the raw value. `intervals` maps a column to the two that hold
    its ends; `counts` a column of counts to the two that hold the total and the generator step. `notes` are sentences.
    `label` is the name by which a paper refers to the table. `wraps` maps a column of text to how many digits it may be
    wide in print before its cells are broken into lines.
    """

    title: str
    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    headings: Mapping[str, str] = field(default_factory=dict)
    intervals: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    counts: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    words: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    label: str = ""
    wraps: Mapping[str, int] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """The columns that have a heading: all except those shown within the cells of another column."""
        within = {end for pairs in (self.intervals, self.counts) for pair in pairs.values() for end in pair}
        return [column for column in self.frame.columns if column not in within]

    def heading(self, column: str) -> str:
        """Return the text above a column: its entry in `headings`, else its name with spaces for underscores."""
        return self.headings.get(column, column.replace("_", " "))

    def cells(self, write: Callable[[Any], str]) -> list[list[str]]:
        """Return the rows under `columns`, with `write` for the values: "0.2 [0.1, 0.3]", "3 of 48 (at 120)"."""
        return [[self._cell(row, column, write) for column in self.columns] for row in self.frame.to_dict("records")]

    def _cell(self, row: dict[Any, Any], column: str, write: Callable[[Any], str]) -> str:
        value = row[column]
        text = write(self.words[column](value) if column in self.words else value)
        if column in self.counts and text:
            total, step = (row[end] for end in self.counts[column])
            text += f" of {write(total)}" + ("" if is_missing(step) else f" (at {write(step)})")
        if column in self.intervals:
            low, high = (row[end] for end in self.intervals[column])
            text += "" if is_missing(low) or is_missing(high) else f" [{write(low)}, {write(high)}]"
        return text

    def _repr_html_(self) -> str:
        """Return the table as plain HTML, its notes below, for a notebook."""
        head = [self.heading(column) for column in self.columns]
        return html_table(self.title, head, self.cells(format_value), self.notes)


def name_undefined(value: Any) -> Any:
    """Return "undefined" for NaN, and any other value, None too, unchanged: an undefined score has no empty cell."""
    return "undefined" if value is not None and is_missing(value) else value


def format_value(value: Any) -> str:
    """Return a value as a reader's text: text as it is, four digits of a number, nothing for NaN."""
    if isinstance(value, str):
        return value
    if is_missing(value):
        return ""
    if isinstance(value, FLAGS):
        return "yes" if value else ""
    return str(int(value)) if math.isfinite(value) and value == int(value) else f"{value:.4g}"


def is_missing(value: Any) -> bool:
    """Return whether a value is NaN or None."""
    return value is None or bool(value != value)
