"""Several results as one: the trials of each side under its own labels, so that one table can hold them all."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from ganbench.results.contents import Contents
from ganbench.results.frames import CALIBRATED, Frames

if TYPE_CHECKING:
    import pandas as pd


def join_frames(sides: Sequence[tuple[Frames, pd.DataFrame]]) -> Frames:
    """Return the frames of several sides as one; its suite is that of the first side.

    Each side is its frames, and the rows of their `trials` that count, with the labels that they get. A key begins with
    the number of its side, because two sides may have the same trial.
    """
    import pandas as pd

    parts: dict[str, list[pd.DataFrame]] = {"trials": [], "scores": [], "signals": [], "profiles": []}
    for number, (frames, trials) in enumerate(sides):
        for name in parts:
            rows = trials if name == "trials" else getattr(frames, name)
            own = rows[rows["key"].isin(trials["key"])]
            parts[name].append(own.assign(key=f"{number}:" + own["key"].astype("str")))
    joined = {name: pd.concat(frames, ignore_index=True) for name, frames in parts.items()}
    calibration = pd.concat([frames.calibration for frames, _ in sides], ignore_index=True)
    same = ["dataset", *(name for name in CALIBRATED if name != "value")]
    return Frames(
        trials=joined["trials"],
        scores=joined["scores"],
        signals=joined["signals"],
        profiles=joined["profiles"],
        suite=sides[0][0].suite,
        calibration=calibration.drop_duplicates(same, ignore_index=True),
        read_contents=partial(join_contents, sides),
    )


def join_contents(sides: Sequence[tuple[Frames, pd.DataFrame]]) -> Contents:
    """Return what the joined trials consist of; an architecture or a method that several sides have is the first's."""
    import pandas as pd

    architectures, methods = [], []
    for frames, trials in sides:
        architectures.append(frames.architectures.merge(trials[["dataset", "architecture"]].drop_duplicates()))
        own = frames.trials.drop_duplicates("key").set_index("key")["method"]
        labels = pd.DataFrame({"method": trials["key"].map(own), "label": trials["method"]}).drop_duplicates()
        named = frames.methods.merge(labels, on="method")
        methods.append(named.assign(method=named["label"]).drop(columns="label"))
    return Contents(
        pd.concat(architectures).drop_duplicates(["dataset", "architecture"], ignore_index=True),
        pd.concat(methods).drop_duplicates("method", ignore_index=True),
    )
