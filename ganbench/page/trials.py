"""The trials that a page shows one by one: their numbers, names and outcomes."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from ganbench.api.records import TRAINED
from ganbench.evaluation.outcomes import OUTCOMES
from ganbench.page.packing import choose_evenly, show_text
from ganbench.page.source import Source
from ganbench.statistics.outcome_table import trial_outcomes

MOST_TRIALS = 1200
"""Trials that a page shows one by one, at most; of more, whole pairs of architecture and seed are chosen evenly."""


@lru_cache(maxsize=16)
def list_trials(source: Source) -> pd.DataFrame:
    """Return the trials that the page shows one by one, a row per trial, in the order of the plan.

    Columns: key, folder and short (the folder and the key that commands take), dataset, method, architecture, words,
    seed, status, outcome (the status in words, with the step at which a trial diverged). The index is the trial's
    number on the page. Every method has the same architectures and seeds, so that pairs stay whole.
    """
    trials = source.frames.trials
    trials = trials[trials["status"] != "missing"].drop_duplicates("key")
    if len(trials) > MOST_TRIALS:
        units = pd.factorize(pd.MultiIndex.from_frame(trials[["architecture", "seed"]]))[0]
        count = int(units.max()) + 1
        kept = choose_evenly(count, max(1, MOST_TRIALS * count // len(trials)))
        trials = trials[np.isin(units, kept)].head(MOST_TRIALS)
    named = trials[["key", "dataset", "method", "architecture", "seed", "status"]].reset_index(drop=True)
    located = [source.locate(key) for key in named["key"]]
    return named.assign(
        folder=[show_text(folder) for folder, _ in located],
        short=[short for _, short in located],
        words=describe_architectures(source, named["architecture"]),
        outcome=describe_outcomes(source, named),
    )


def describe_architectures(source: Source, names: pd.Series[str]) -> pd.Series[str]:
    """Return each architecture in words."""
    words = source.frames.architectures.drop_duplicates("architecture").set_index("architecture")["words"]
    return names.map(words).fillna(names)


def describe_outcomes(source: Source, trials: pd.DataFrame) -> list[str]:
    """Return how each trial ended, in words: its status, and the outcomes with the steps at which they began."""
    outcomes = trial_outcomes(source.frames).reindex(trials["key"])
    steps: dict[str, Any] = {name: outcomes[name].to_numpy() for name in OUTCOMES}
    diverged = outcomes["diverged"].eq(True).to_numpy()
    described: list[str] = []
    for place, status in enumerate(trials["status"]):
        ended = "diverged" if diverged[place] and status in TRAINED else status.replace("-", " ")
        began = [f"{name} at step {at[place]:g}" for name, at in steps.items() if np.isfinite(at[place])]
        described.append(", ".join([ended, *began]))
    return described


def number_trials(source: Source, keys: pd.Series[str]) -> pd.Series[int]:
    """Return the numbers on the page of the trials with these keys, -1 for those that it does not show."""
    numbers = pd.Series(range(len(list_trials(source))), index=list_trials(source)["key"])
    return keys.map(numbers).fillna(-1).astype("int64")


def sampling_note(source: Source) -> list[str]:
    """Return a note on the trials that the page leaves out, empty where it shows every recorded one."""
    recorded = source.frames.trials.loc[source.frames.trials["status"] != "missing", "key"].nunique()
    shown = len(list_trials(source))
    if shown == recorded:
        return []
    return [
        f"Points and courses of single trials: {shown} of {recorded}, chosen evenly over architectures and seeds. "
        "Every number, band and interval is of all trials."
    ]
