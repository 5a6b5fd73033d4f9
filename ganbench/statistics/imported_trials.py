"""Which trials were trained elsewhere, and what that leaves unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganbench.api.trials import IMPORTED

if TYPE_CHECKING:
    from ganbench.results.frames import Frames


def are_imported(trials: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which of these rows of `Frames.trials` [n] are runs that were trained elsewhere."""
    modes = trials["mode"] if "mode" in trials.columns else pd.Series("", index=trials.index)
    return np.asarray(modes == IMPORTED)


def knows_best(frames: Frames) -> bool:
    """Return whether best scores are known: not where trials were imported, and none has a score of fresh samples."""
    return bool(frames.scores["fresh"].any()) or not are_imported(frames.trials).any()
