"""LaTeX: one table environment per table, with booktabs' rules, in pure ASCII for any LaTeX engine."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator
from typing import Any

from ganbench import Offer, Report, Table, hookimpl

ESCAPES = {character: f"\\{character}" for character in "{}$&#_%"} | {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    "-": "-{}",  # otherwise -- becomes a dash
    "'": "'{}",  # otherwise '' becomes a quotation mark
    "?": "?{}",
    "!": "!{}",
    '"': r"\char34{}",
}
"""Characters that are commands or parts of ligatures in TeX, and how to write them."""

ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0327": "c",
}
"""Combining characters, and the LaTeX commands that put them on a letter."""


SYMBOLS = {
    "\N{MINUS SIGN}": "$-$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{INFINITY}": r"$\infty$",
    "\N{HORIZONTAL ELLIPSIS}": r"\ldots{}",
}
"""Characters that mathematics or a command can show."""

DIGIT = 5.0
"""Points of a digit at 10 pt. The widest letter is about twice as wide."""


def escape(text: str) -> str:
    """Return text as LaTeX that shows it and executes nothing; what ASCII cannot express becomes its code point."""
    return "".join(escape_character(c) for c in text)


def escape_character(c: str) -> str:
    if c.isascii() and c.isprintable():
        return ESCAPES.get(c, c)
    if c in SYMBOLS:
        return SYMBOLS[c]
    letter, mark = unicodedata.normalize("NFD", c)[:1], unicodedata.normalize("NFD", c)[1:]
    if letter.isascii() and letter.isalpha() and mark in ACCENTS:
        return rf"\{ACCENTS[mark]}{{{letter}}}"
    return f"[U+{ord(c):04X}]"


def format_value(value: Any) -> str:
    """Return a value as LaTeX: text escaped, a number with four digits, nothing for None and NaN."""
    if isinstance(value, str):
        return escape(value)
    if value is None or value != value:
        return ""
    if value is True or value is False or type(value).__name__.startswith("bool"):  # numpy's too
        return "yes" if value else ""
    if math.isinf(value):
        return r"$\infty$" if value > 0 else r"$-\infty$"
    digits = str(int(value)) if value == int(value) else f"{value:.4g}"
    mantissa, _, exponent = digits.partition("e")
    if exponent:
        return rf"${mantissa} \cdot 10^{{{int(exponent)}}}$"
    return f"${digits}$" if value < 0 else digits


def render(table: Table) -> str:
    """Return a table as a fragment for \\input; the row of the primary threshold is bold. Needs only booktabs."""
    paragraphs = {name: digits for name, digits in table.wraps.items() if is_wider(table, name, digits)}
    bold = [bool(flag) for flag in table.frame["primary"]] if "primary" in table.columns else []
    shown = [i for i, column in enumerate(table.columns) if column != "primary"]
    head = [escape(table.heading(table.columns[i])) for i in shown]
    broken = {i for i, column in enumerate(table.columns) if column in paragraphs}
    raw = table.cells(lambda value: value if isinstance(value, str) else format_value(value))
    rows = [
        [break_cell(source[i]) if i in broken else row[i] for i in shown]
        for row, source in zip(table.cells(format_value), raw, strict=True)
    ]
    notes = [*map(escape, table.notes), *(["In bold: the primary threshold."] if any(bold) else [])]
    alignment = "".join(
        rf"p{{{DIGIT * paragraphs[table.frame.columns[i]]:g}pt}}"
        if table.frame.columns[i] in paragraphs
        else "l"
        if all(isinstance(v, str) for v in table.frame.iloc[:, i])
        else "r"
        for i in column_positions(table)
    )
    lines = [
        "% needs \\usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(table.title)}}}",
        *([rf"\label{{tab:{table.label}}}"] if table.label else []),
        rf"\begin{{tabular}}{{{alignment or 'l'}}}",
        r"\toprule",
        *format_row(head),
        r"\midrule",
        *(one for i, row in enumerate(rows) for one in format_row(make_bold(row) if bold and bold[i] else row)),
        r"\bottomrule",
        r"\end{tabular}",
        *(rf"\par\smallskip{{\footnotesize\raggedright {note}\par}}" for note in notes),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def is_wider(table: Table, column: str, digits: int) -> bool:
    """Return whether a text of a column may be wider in print than so many digits."""
    texts = [str(value) for value in table.frame[column]] if column in table.frame else []
    return any(sum(2 if c.isupper() or c in "mw@%" else 1 for c in show(text)) > digits for text in texts)


def show(text: str) -> str:
    """Return the characters that a text has in print, roughly: a code point where ASCII cannot express it."""
    return "".join(c if c.isascii() or not escape_character(c).startswith("[") else "[U+FFFFF]" for c in text)


def break_cell(text: str) -> str:
    """Return a text as the paragraph of a cell, which may break at any character, sooner after a mark than a letter."""
    pieces = (escape_character(c) + (r"\penalty0 " if not c.isalnum() else r"\penalty50 ") for c in text)
    return rf"{{\raggedright {''.join(pieces)}\par}}"


def column_positions(table: Table) -> Iterator[int]:
    """Return the positions in the frame of the columns that are written."""
    names = list(table.frame.columns)
    return (names.index(column) for column in table.columns if column != "primary")


def format_row(cells: list[str]) -> Iterator[str]:
    """Yield the line of a row that has cells.

    An empty group shields the first cell: a bracket or star after a rule would be read as its argument.
    """
    if cells:
        yield " & ".join(["{}" + cells[0], *cells[1:]]) + r" \\"


def make_bold(cells: list[str]) -> list[str]:
    """Return the cells in bold, numbers included."""
    return [rf"{{\bfseries\boldmath {cell}}}" if cell else "" for cell in cells]


@hookimpl
def ganbench_reports() -> Iterator[Offer]:
    yield Offer(
        "latex",
        lambda: Report(suffix=".tex", render=render, styles=("paper",)),
        "One LaTeX table environment per table, with the rules of booktabs.",
        reference="Fear 2020, Publication quality tables in LaTeX (the booktabs package)",
    )
