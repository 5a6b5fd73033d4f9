"""Tables as text: Markdown, CSV and JSON. Third-party text (names, labels, errors) is escaped for each format."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any

from ganbench.errors import unknown_name
from ganbench.escaping import escape_unprintable
from ganbench.table import FLAGS, Table, format_value, is_missing

ACTIVE = str.maketrans(
    {character: "\\" + character for character in "\\`*_[]|~$"} | {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
)
"""Characters with a meaning in Markdown, or in HTML within it, and their escapes."""


LINKS = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<=@)(?=\S)|(?<=#)(?=\d)|(?<=gh-)(?=\d)", re.IGNORECASE)
"""Places within what GitHub and others make a link without any markup: addresses, e-mail, @user, #1, GH-1."""

APART = "&#8203;"
"""A space of no width: with it in such a place, nothing is a link."""

FORMULA = ("=", "+", "-", "@", "\N{MINUS SIGN}")
"""Beginnings of a formula in a spreadsheet; forms of other widths count too (NFKC)."""


def render(tables: Sequence[Table], format: str) -> str:
    """Return tables as one text in the format "md", "csv" or "json"; raise GanbenchError for any other."""
    if format not in FORMATS:
        raise unknown_name("format", format, FORMATS)
    return FORMATS[format](tables)


def write_markdown(tables: Sequence[Table]) -> str:
    """Return a section for each table: heading, table, notes. Intervals and totals stand beside their number."""
    return "\n".join(write_markdown_section(table) for table in tables)


def write_markdown_section(table: Table) -> str:
    """Return one table as a section of Markdown."""
    headings = [escape(table.heading(column)) for column in table.columns]
    lines = [
        f"## {escape(table.title)}",
        "",
        *(f"| {' | '.join(row)} |" for row in (headings, ["---"] * len(headings), *table.cells(markdown_value))),
    ]
    return "\n".join([*lines, "", *(f"- {escape(note)}" for note in table.notes), ""])


def markdown_value(value: Any) -> str:
    """Return a value as Markdown: text escaped, numbers with four digits."""
    return escape(value) if isinstance(value, str) else format_value(value)


def escape(text: str) -> str:
    """Return text escaped for Markdown: one line, no markup, no HTML, no link, no control or invisible character."""
    return LINKS.sub(APART, escape_unprintable(text).translate(ACTIVE))


def write_csv(tables: Sequence[Table]) -> str:
    """Return each table under its title, with its notes below and an empty line after; numbers in full."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for table in tables:
        writer.writerow([guard_formula(table.title)])
        writer.writerow([guard_formula(table.heading(column)) for column in table.frame.columns])
        writer.writerows([[csv_cell(value) for value in row] for row in table.frame.itertuples(index=False, name=None)])
        writer.writerows([guard_formula(note)] for note in table.notes)
        writer.writerow([])
    return text.getvalue()


def csv_cell(value: Any) -> str:
    """Return a cell of CSV: numbers in full, nothing for NaN, text that no spreadsheet takes for a formula."""
    if isinstance(value, str):
        return guard_formula(value)
    return "" if is_missing(value) else str(to_python(value))


def guard_formula(text: str) -> str:
    """Return text that no spreadsheet takes for a formula: with a quotation mark before = + - @ of any width."""
    shown = escape_unprintable(text)
    return f"'{shown}" if unicodedata.normalize("NFKC", shown.lstrip()[:1]).startswith(FORMULA) else shown


def write_json(tables: Sequence[Table]) -> str:
    """Return a list of tables as JSON; NaN is null, infinities are "inf" and "-inf". Safe within an HTML page."""
    plain_tables = [
        {
            "title": table.title,
            "columns": [{"name": name, "heading": table.heading(name)} for name in table.frame.columns],
            "intervals": {name: list(ends) for name, ends in table.intervals.items()},
            "counts": {name: list(ends) for name, ends in table.counts.items()},
            "rows": [{name: json_cell(value) for name, value in row.items()} for row in table.frame.to_dict("records")],
            "notes": list(table.notes),
        }
        for table in tables
    ]
    return json.dumps(plain_tables, indent=1, allow_nan=False).replace("<", "\\u003c") + "\n"


def json_cell(value: Any) -> Any:
    """Return a value that JSON can represent: None for NaN, text for an infinity."""
    if not isinstance(value, str) and is_missing(value):
        return None
    plain = to_python(value)
    return str(plain) if isinstance(plain, float) and math.isinf(plain) else plain


def to_python(value: Any) -> str | bool | int | float:
    """Return a value, numpy's too, in Python's own type."""
    if isinstance(value, str):
        return value
    if isinstance(value, FLAGS):
        return bool(value)
    return int(value) if isinstance(value, Integral) else float(value)


FORMATS: dict[str, Callable[[Sequence[Table]], str]] = {
    "md": write_markdown,
    "csv": write_csv,
    "json": write_json,
}
