"""The unit of every interval and test: the architecture; with one architecture, the seed."""

from __future__ import annotations

import pandas as pd


def find_units(trials: pd.DataFrame) -> pd.Series[str]:
    """Return the name of each trial's unit: its architecture; its seed where the dataset has only one architecture.

    `trials` [n] has the columns dataset, architecture and seed.
    """
    counts = trials["dataset"].map(trials.groupby("dataset")["architecture"].nunique()).astype("float64")
    return trials["architecture"].where(counts > 1, trials["seed"].astype("str"))
