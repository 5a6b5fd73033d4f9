"""Scores of the early stages of networks that grow: of other sizes, so no final score, no series, no success."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING

import pandas as pd

from ganbench.api.records import TRAINED

if TYPE_CHECKING:
    from ganbench.results.frames import Frames


@lru_cache(maxsize=8)
def find_early_measurements(frames: Frames) -> frozenset[tuple[str, str]]:
    """Return the (value, measurement) pairs that belong to early stages only.

    Such a measurement is followed by another one of the same value in some trial, and is the last in no trained trial.
    """
    counts = Counter(name for name, _ in frames.measured)
    trained = frames.numbers(frames.trials.loc[frames.trials["status"].isin(TRAINED), "key"])
    early = set()
    for several in (name for name, count in counts.items() if count > 1):
        rows = pd.concat([rows.assign(measurement=way) for way, rows in frames.ways[several].items()])
        last = rows[rows["number"] >= 0].groupby(["measurement", "number"])["step"].max()
        followed = last < last.groupby("number").transform("max")
        final = ~followed & followed.index.get_level_values("number").isin(trained)
        left = followed.groupby("measurement").any() & ~final.groupby("measurement").any()
        early |= {(several, str(measurement)) for measurement in left[left].index}
    return frozenset(early)
