"""The notes that many tables share."""

from __future__ import annotations

import pandas as pd


def size_note(trials: pd.DataFrame) -> str:
    """Return a note on the numbers of architectures and seeds, and on the unit of every test."""
    architectures, seeds = trials["architecture"].nunique(), trials["seed"].nunique()
    size = f"n = {architectures} architecture{'s' * (architectures != 1)} x {seeds} seed{'s' * (seeds != 1)}"
    if architectures == 1:
        return f"The seed is the unit, because there is only one architecture; this says nothing about others; {size}."
    return f"The architecture is the unit; {size}."


def pair_note(trials: pd.DataFrame, dataset: str, pair: tuple[str, str], n: int) -> str:
    """Return a note on how many of the planned pairs of two methods are complete; empty where all `n` are.

    `trials` are all trials, those that are missing too.
    """
    both = trials[(trials["dataset"] == dataset) & trials["method"].isin(pair)]
    planned = int((both.groupby(["architecture", "seed"])["method"].nunique() == 2).sum())
    if n == 0:
        return "No pair is complete yet (n = 0)."
    return "" if n >= planned else f"{n} of {planned} planned pairs are complete."


def stale_note(trials: pd.DataFrame) -> str:
    """Return a note on the number of counted trials that are stale, empty where none is."""
    stale = int(trials["stale"].sum())
    return f"{stale} of these trials are stale. " if stale else ""
