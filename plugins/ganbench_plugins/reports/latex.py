"""LaTeX: a table environment with booktabs' rules for each table, all of it ASCII, so that any engine reads it."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator
from typing import Any

from ganbench import Offer, Report, Table, hookimpl

ACTIVE = {character: f"\\{character}" for character in "{}$&#_%"} | {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    "-": "-{}",  # else -- is a dash
    "'": "'{}",  # else '' is a quotation mark
    "?": "?{}",
    "!": "!{}",
    '"': r"\char34{}",
}
"""What TeX would act on, or make a ligature of, and how to say it."""

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
"""Combining characters, and the commands that put them on a letter."""


def text(stranger: str) -> str:
    """Write text so that LaTeX shows it and does nothing else; what ASCII cannot say, as its code point."""
    return "".join(character(c) for c in stranger)


def character(c: str) -> str:
    """Write one character."""
    if c.isascii() and c.isprintable():
        return ACTIVE.get(c, c)
    letter, mark = unicodedata.normalize("NFD", c)[:1], unicodedata.normalize("NFD", c)[1:]
    if letter.isascii() and letter.isalpha() and mark in ACCENTS:
        return rf"\{ACCENTS[mark]}{{{letter}}}"
    return f"[U+{ord(c):04X}]"


def value(given: Any) -> str:
    """Write a value: text escaped, four digits of a number as mathematics, nothing for NaN."""
    if isinstance(given, str):
        return text(given)
    if given is None or given != given:
        return ""
    if given is True or given is False or type(given).__name__.startswith("bool"):  # numpy's too
        return "yes" if given else ""
    if math.isinf(given):
        return r"$\infty$" if given > 0 else r"$-\infty$"
    digits = str(int(given)) if given == int(given) else f"{given:.4g}"
    mantissa, _, exponent = digits.partition("e")
    if exponent:
        return rf"${mantissa} \cdot 10^{{{int(exponent)}}}$"
    return f"${digits}$" if given < 0 else digits


def render(table: Table) -> str:
    """Write a table as a fragment for \\input; the primary threshold's row is bold. Needs booktabs alone."""
    bold = [bool(flag) for flag in table.frame["primary"]] if "primary" in table.columns else []
    kept = [i for i, column in enumerate(table.columns) if column != "primary"]
    head = [text(table.heading(table.columns[i])) for i in kept]
    rows = [[row[i] for i in kept] for row in table.cells(value)]
    notes = [*map(text, table.notes), *(["In bold: the primary threshold."] if any(bold) else [])]
    alignment = "".join("l" if all(isinstance(v, str) for v in table.frame.iloc[:, i]) else "r" for i in places(table))
    lines = [
        "% needs \\usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{text(table.title)}}}",
        rf"\begin{{tabular}}{{{alignment or 'l'}}}",
        r"\toprule",
        *line(head),
        r"\midrule",
        *(one for i, row in enumerate(rows) for one in line(strong(row) if bold and bold[i] else row)),
        r"\bottomrule",
        r"\end{tabular}",
        *(rf"\par\smallskip{{\footnotesize {note}\par}}" for note in notes),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def places(table: Table) -> Iterator[int]:
    """Give where in the frame the columns stand that are written."""
    names = list(table.frame.columns)
    return (names.index(column) for column in table.columns if column != "primary")


def line(cells: list[str]) -> Iterator[str]:
    """Give a row's line, if it has cells: its first is shielded, for a bracket or star after a rule is an argument."""
    if cells:
        yield " & ".join(["{}" + cells[0], *cells[1:]]) + r" \\"


def strong(cells: list[str]) -> list[str]:
    """Give cells in bold, their numbers too."""
    return [rf"{{\bfseries\boldmath {cell}}}" if cell else "" for cell in cells]


@hookimpl
def ganbench_reports() -> Iterator[Offer]:
    """Yield LaTeX."""
    yield Offer(
        "latex",
        lambda: Report(suffix=".tex", render=render),
        "A table environment for each table, ruled by booktabs, for LaTeX.",
        reference="Fear 2020, Publication quality tables in LaTeX (the booktabs package)",
    )
