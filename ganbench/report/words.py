"""Numbers as a reader's words: scores, rates, differences of rates, p-values and lists."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ganbench.statistics.intervals import Interval

DIGITS = 3
"""The significant digits of a score."""

MOST_NAMED = 8
"""The most items, such as methods, that a sentence lists."""

SMALLEST_P = 1e-4
"""A p-value below this is said to be below it."""


def show_number(value: float, digits: int = DIGITS) -> str:
    """Return a number with so many significant digits, "undefined" for NaN: 12.345 is "12.3", 1234.5 is "1230"."""
    if math.isnan(value):
        return "undefined"
    return f"{float(f'{value:.{digits}g}'):g}"


def show_ends(interval: Interval, digits: int = DIGITS) -> str:
    """Return an interval in brackets, with a space before; nothing where there is none."""
    return "" if math.isnan(interval.low) else f" [{', '.join(show_number(end, digits) for end in interval)}]"


def show_percent(interval: Interval) -> str:
    """Return the interval of a rate in percent, as in "[53, 78] %"; "" where there is none."""
    return "" if math.isnan(interval.low) else f"[{100 * interval.low:.0f}, {100 * interval.high:.0f}] %"


def show_points(value: float) -> str:
    """Return a difference of rates in percentage points with its sign, as in "+63"; 0 has none."""
    text = f"{100 * value:+.0f}"
    return "0" if text in ("+0", "-0") else text


def show_p(p: float) -> str:
    """Return a p-value as in "p = 0.012" or "p < 0.0001"."""
    return f"p < {SMALLEST_P:.4f}" if p < SMALLEST_P else f"p = {float(f'{p:.2g}'):g}"


def plural(count: int, noun: str) -> str:
    """Return a count with its noun, as in "1 pair" or "3 pairs"."""
    return f"{count} {noun}{'s' * (count != 1)}"


def join_words(words: Sequence[str]) -> str:
    """Return a list in words, as in "a, b and c"."""
    return " and ".join([*([", ".join(words[:-1])] if len(words) > 1 else []), *words[-1:]])


def shorten_list(words: Sequence[str]) -> list[str]:
    """Return the first words of a list, and how many more there are."""
    more = len(words) - MOST_NAMED
    return [*words[:MOST_NAMED], *[f"{more} more"] * (more > 0)]
