"""Tables as text: Markdown, CSV and JSON. What strangers wrote (names, labels, errors) is escaped for each target."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any

from ganbench.errors import unknown
from ganbench.escaping import visible
from ganbench.report.table import FLAGS, Table, format_value, is_missing

ACTIVE = str.maketrans(
    {character: "\\" + character for character in "\\`*_[]|~$"} | {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
)
"""What Markdown, or HTML within it, would act on."""


def render(tables: Sequence[Table], format: str) -> str:
    """Write tables as "md", "csv" or "json"."""
    if format not in FORMATS:
        raise unknown("format", format, FORMATS)
    return FORMATS[format](tables)


def write_markdown(tables: Sequence[Table]) -> str:
    """Write a section for each table: heading, table, notes. Intervals and totals stand beside their number."""
    return "\n".join(write_markdown_section(table) for table in tables)


def write_markdown_section(table: Table) -> str:
    """Write one table as Markdown."""
    headings = [escape(table.heading(column)) for column in table.columns]
    lines = [
        f"## {escape(table.title)}",
        "",
        *(f"| {' | '.join(row)} |" for row in (headings, ["---"] * len(headings), *table.cells(markdown_value))),
    ]
    return "\n".join([*lines, "", *(f"- {escape(note)}" for note in table.notes), ""])


def markdown_value(value: Any) -> str:
    """Write a value for a reader of Markdown."""
    return escape(value) if isinstance(value, str) else format_value(value)


def escape(text: str) -> str:
    """Make text plain in Markdown: one line, no markup, no HTML, no control or invisible character."""
    return visible(text).translate(ACTIVE)


def write_csv(tables: Sequence[Table]) -> str:
    """Write each table under its title, with its notes below and an empty line after; numbers in full."""
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
    """Write a cell: numbers in full, nothing for NaN, text that no spreadsheet takes for a formula."""
    if isinstance(value, str):
        return guard_formula(value)
    return "" if is_missing(value) else str(to_python(value))


def guard_formula(text: str) -> str:
    """Keep a spreadsheet from taking text for a formula: a quotation mark before = + - @."""
    shown = visible(text)
    return f"'{shown}" if shown.lstrip().startswith(("=", "+", "-", "@")) else shown


def write_json(tables: Sequence[Table]) -> str:
    """Write a list of tables; NaN is null, infinities are "inf" and "-inf". Safe within an HTML page."""
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
    """Give a value that JSON can say."""
    if not isinstance(value, str) and is_missing(value):
        return None
    known = to_python(value)
    return str(known) if isinstance(known, float) and math.isinf(known) else known


def to_python(value: Any) -> str | bool | int | float:
    """Give Python's own type for numpy's."""
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
