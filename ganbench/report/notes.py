"""The notes that many tables share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from ganbench.results.history import read_shard
from ganbench.statistics.outcome_table import stored_suite

if TYPE_CHECKING:
    from ganbench.results.frames import Frames


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


def shard_note(frames: Frames) -> str:
    """Return a note on the trials that are not here because a shard was trained; empty where nothing is missing.

    Where configurations are still to be chosen, it says what comes after the merge.
    """
    shard, statuses = read_shard(frames.runs), frames.all_trials["status"]
    missing = int((statuses == "missing").sum())
    if not shard or not missing:
        return ""
    suite = stored_suite(frames)
    undecided = suite is not None and suite.tunes and not frames.choices
    then = "; each shard then goes on in a copy of the merged folder, which chooses the configurations" * undecided
    return (
        f"Shard {shard}: {missing} of the {len(statuses)} planned trials are not in this folder, so nothing here is a "
        f"result of the whole suite. `ganbench merge` joins the folders of all shards{then}."
    )
