"""How many values the tables and figures show: a reader waits for seconds, whatever a results folder holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ganbench.evaluation.outcomes import SPREAD

if TYPE_CHECKING:
    from ganbench.results.frames import Frames
    from ganbench.suite.success import SuccessRule

MOST_VALUES, MOST_MEASUREMENTS = 200, 20
"""Values of metrics that are shown, and measurements of each, at most; those that a success rule names come first."""


def limit_values(frames: Frames, rules: Sequence[SuccessRule]) -> tuple[Frames, int]:
    """Return the results with the scores that are shown, and the number of (value, measurement) that are left out."""
    pairs = frames.scores[["name", "measurement"]].drop_duplicates()
    conditions = [rule.condition for rule in rules if rule.condition]
    asked = {SPREAD, *(rule.metric for rule in rules)}
    asked |= {name for name in pairs["name"].unique() if any(name in condition for condition in conditions)}
    shown = pairs[pairs.groupby("name", sort=False).cumcount() < MOST_MEASUREMENTS]
    shown = shown.loc[(~shown["name"].isin(asked)).sort_values(kind="stable").index[:MOST_VALUES]]
    if len(shown) == len(pairs):
        return frames, 0
    kept = frames.scores.reset_index().merge(shown, on=["name", "measurement"]).set_index("index").sort_index()
    return replace(frames, scores=kept.rename_axis(None)), len(pairs) - len(shown)
