"""The notes that many tables share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pandas as pd

from ganbench.results.history import read_shard
from ganbench.statistics.imported_trials import are_imported, knows_best
from ganbench.statistics.outcome_table import stored_suite

if TYPE_CHECKING:
    from ganbench.results.frames import Frames


def size_note(trials: pd.DataFrame) -> str:
    """Return a note on the numbers of architectures and seeds, and on the unit of every test."""
    architectures, seeds = trials["architecture"].nunique(), trials["seed"].nunique()
    size = f"n = {architectures} architecture{'s' * (architectures != 1)} x {seeds} seed{'s' * (seeds != 1)}"
    imported = int(are_imported(trials).sum())
    every = "" if imported == len(trials) else f"{imported} of {len(trials)} trials "
    size += f"; {every}trained elsewhere and imported" if imported else ""
    if architectures == 1:
        return f"The seed is the unit, because there is only one architecture; this says nothing about others; {size}."
    return f"The architecture is the unit; {size}."


def import_notes(frames: Frames) -> Iterator[str]:
    """Yield notes on the trials that were trained elsewhere: where they come from, and what is not known of them."""
    trials = frames.all_trials
    trials = trials[are_imported(trials)]
    if not len(trials):
        return
    suite = stored_suite(frames)
    files = [
        f"{table.file} (sha256 {table.sha256[:12]}..., {table.date}, ganbench {table.version})"
        for table in (suite.imported if suite is not None and frames.runs else ())  # of joined sides it is the first's
    ]
    where = f" from {', '.join(files)}" if files else ""
    count = f"{len(trials)} of {len(frames.all_trials)}"
    yield f"Trained elsewhere: {count} trials were not trained by ganbench, but imported{where}."
    yield (
        "Not known of imported trials: whether methods had equal data and equal initial weights, so pairs are cells of "
        "equal names and no more; whether scores of one name were measured alike (samples 0: not known); what a trial "
        "cost, beyond its generator steps. No untrained baseline was scored beside them."
    )
    if not knows_best(frames):
        yield "best: not known, because no best snapshot was scored again on fresh samples."
    completed = trials[trials["status"] == "completed"]
    ends = completed.groupby("dataset")["generator_steps"].agg(["min", "max"])
    for dataset, least, most in ends[ends["min"] < ends["max"]].itertuples(name=None):
        yield (
            f"Completed trials on {dataset} end at generator steps {least} to {most}; the final score of each is that "
            "of its own last step."
        )


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
