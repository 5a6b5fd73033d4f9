"""What scores are measured against: the data itself, as an upper bound, and the best untrained baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ganbench.results.frames import Frames


class ReferenceScore(NamedTuple):
    """The score of a sampler that no method trained: its name and its value."""

    sampler: str
    value: float


class ReferenceScores(NamedTuple):
    """The score of the data itself and that of the best untrained baseline, by one measurement; None without one."""

    upper_bound: ReferenceScore | None = None
    trivial: ReferenceScore | None = None


def reference_scores(frames: Frames, dataset: str, metric: str, measurement: str | None) -> ReferenceScores:
    """Return what a metric's scores on a dataset are measured against: the best of real data, the best baseline.

    A neutral value has no best, and so no reference scores.
    """
    rows = frames.calibration
    rows = rows[(rows["dataset"] == dataset) & (rows["name"] == metric) & (rows["measurement"] == measurement)]
    rows = rows[(rows["direction"] != "neutral") & rows["value"].notna()]
    ranked = rows.sort_values("value", ascending=not (rows["direction"] == "higher").any(), kind="stable")
    best: list[ReferenceScore | None] = [None, None]
    for i, part in enumerate((ranked[~ranked["trivial"].astype("bool")], ranked[ranked["trivial"].astype("bool")])):
        if len(part):
            best[i] = ReferenceScore(str(part["sampler"].iloc[0]), float(part["value"].iloc[0]))
    return ReferenceScores(*best)
