"""A table for people, before it is written in any format, and the notes that many tables share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd


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
