"""Several results as one: the trials of each side under its own labels, so that one table can hold them all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ganbench.results.frames import CALIBRATED, Frames

if TYPE_CHECKING:
    import pandas as pd


def join_frames(sides: Sequence[tuple[Frames, pd.DataFrame]]) -> Frames:
    """Return the frames of several sides as one; its suite is that of the first side.

    Each side is its frames, and the rows of their `trials` that count, with the labels that they get. A key begins with
    the number of its side, because two sides may have the same trial.
    """
    import pandas as pd

    parts: dict[str, list[pd.DataFrame]] = {"trials": [], "scores": [], "signals": []}
    for number, (frames, trials) in enumerate(sides):
        for name, rows in (("trials", trials), ("scores", frames.scores), ("signals", frames.signals)):
            own = rows[rows["key"].isin(trials["key"])]
            parts[name].append(own.assign(key=f"{number}:" + own["key"].astype("str")))
    joined = {name: pd.concat(frames, ignore_index=True) for name, frames in parts.items()}
    calibration = pd.concat([frames.calibration for frames, _ in sides], ignore_index=True)
    same = ["dataset", *(name for name in CALIBRATED if name != "value")]
    return Frames(
        trials=joined["trials"],
        scores=joined["scores"],
        signals=joined["signals"],
        suite=sides[0][0].suite,
        calibration=calibration.drop_duplicates(same, ignore_index=True),
    )
