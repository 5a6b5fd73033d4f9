"""Frames as compact JSON: columns, not rows; five significant digits; a repeated text once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from ganbench.escaping import escape_unprintable

DIGITS = 5
"""Significant digits of a number on the page."""

LONGEST = 160
"""Characters of a third party's name that the page shows, at most."""


def show_text(text: object) -> str:
    """Return a third party's text as the page shows it: printable, and not too long."""
    shown = escape_unprintable(str(text))
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "\u2026"


def round_number(value: Any, digits: int = DIGITS) -> float | int | None:
    """Return a number with so many significant digits, a whole one as an integer; None for NaN and infinity."""
    number = float(value)
    if not math.isfinite(number):
        return None
    rounded = float(f"{number:.{digits}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 2**53 else rounded


def pack_frame(frame: pd.DataFrame) -> dict[str, Any]:
    """Return a frame by column: a list of numbers, or of texts; texts that repeat as {"names": [...], "codes": [...]}.

    NaN and infinities are None, as JSON has neither. Texts are shown as `show_text` returns them.
    """
    return {str(name): pack_column(frame[name]) for name in frame.columns}


def pack_column(column: pd.Series[Any]) -> Any:
    """Return one column of `pack_frame`."""
    if pd.api.types.is_bool_dtype(column):
        return column.astype(int).tolist()
    if pd.api.types.is_integer_dtype(column):
        return column.tolist()
    if pd.api.types.is_float_dtype(column):
        return [round_number(value) for value in column.to_numpy()]
    codes, names = pd.factorize(column)
    if (codes < 0).any() or len(names) > len(column) / 2:
        return [None if value is None or value != value else show_text(value) for value in column]
    return {"names": [show_text(name) for name in names], "codes": codes.tolist()}


def choose_evenly(count: int, most: int) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Return at most `most` of the places 0 to count - 1, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, max(count - 1, 0), min(count, most)).round().astype(np.intp))
