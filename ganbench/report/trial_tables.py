"""The table of single trials: what each is, how it ended, and how to follow it further."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from ganbench.api.metrics import metric_title
from ganbench.statistics.single_trials import select_trials, trial_table
from ganbench.table import Table

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

SHORTEST_KEY = 8
"""Digits of a key that are shown, at least."""


def make_trials_table(
    frames: Frames,
    results: str = "RESULTS",
    only: Sequence[str] = (),
    *,
    diverged: bool = False,
    failed: bool = False,
    sort: str = "",
) -> Table:
    """Return a table with a row per trial; the selection is that of `select_trials`.

    Keys are as short as they can be told apart. Columns without any value are left out. Of one single trial the whole
    error is a note. `results` is the folder that the notes name.
    """
    rows = select_trials(trial_table(frames), frames, only, diverged=diverged, failed=failed, sort=sort)
    keys, metrics = shorten_keys(frames.trials["key"]), rows["metric"].unique()
    scores = ["final", "best"] if len(metrics) == 1 else ["metric", "final", "best"]
    frame = pd.DataFrame(
        {
            "key": rows["key"].map(keys),
            **({"dataset": rows["dataset"]} if frames.trials["dataset"].nunique() > 1 else {}),
            **{name: rows[name] for name in ("method", "words", "seed", "status", "outcomes", *scores)},
            **({"error": rows["error"]} if rows["error"].any() else {}),
        }
    ).reset_index(drop=True)
    folder, shown = shlex.quote(results), frame["key"].iloc[0] if len(frame) == 1 else "KEY"
    notes = [f"{len(frame)} of {len(frames.trials)} trials. A key is enough for every command that takes one."]
    if rows["status"].isin(["completed", "diverged"]).any():
        notes.append(
            f"Train one again and compare: ganbench rerun {folder} {shown}. Its samples: ganbench samples {folder} "
            f"--of {shown}."
        )
    if rows["error"].any():
        whole = "" if len(frame) == 1 else f" The whole error: ganbench trials {folder} --only key=KEY."
        notes.append(f"Train what failed again: ganbench run SUITE --retry failed,timed-out --only key={shown}.{whole}")
    if len(frame) == 1:
        errors = frames.trials.loc[frames.trials["key"] == rows["key"].iloc[0], "error"]
        notes += [f"error: {line}" for line in errors.iloc[0].splitlines() if line.strip()]
    return Table(
        title="Trials",
        frame=frame,
        notes=tuple(notes),
        headings={"words": "architecture"}
        | {at: f"{at} {metric_title(metrics[0])}".strip() for at in ("final", "best") if len(metrics) == 1},
        words={"metric": metric_title},
    )


def shorten_keys(keys: pd.Series[str]) -> dict[str, str]:
    """Return the start of each key that no other key has, all of one length, at least `SHORTEST_KEY` digits."""
    unique = keys.drop_duplicates().astype("str")
    length = next(n for n in range(SHORTEST_KEY, 65) if unique.str[:n].is_unique)
    return {key: key[:length] for key in unique}
