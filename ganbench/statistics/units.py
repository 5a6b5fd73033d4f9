"""The unit of every interval and test: the architecture; with one architecture, the seed."""

from __future__ import annotations

import pandas as pd


def find_units(trials: pd.DataFrame) -> pd.Series[str]:
    """Return the name of each trial's unit: its architecture; its seed where the dataset has only one architecture.

    `trials` [n] has the columns dataset, architecture and seed.
    """
    several = trials.groupby("dataset", sort=False)["architecture"].transform("nunique") > 1
    return trials["architecture"].where(several, trials["seed"].astype("str"))
