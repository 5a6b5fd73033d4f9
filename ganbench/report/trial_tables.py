"""The table of single trials: what each is, how it ended, and how to follow it further."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ganbench.api.metrics import metric_title
from ganbench.api.records import TRAINED, UNTRAINED
from ganbench.results.files import plugin_path, suite_path
from ganbench.results.history import list_plugins
from ganbench.statistics.imported_trials import are_imported
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
    shown = frame["key"].iloc[0] if len(frame) == 1 else "KEY"
    notes = [f"{len(frame)} of {len(frames.trials)} trials. A key is enough for every command that takes one."]
    if imported := bool(len(rows)) and bool(are_imported(frames.trials[frames.trials["key"].isin(rows["key"])]).all()):
        notes.append("Trained elsewhere and imported: none can be trained again or drawn.")
    elif rows["status"].isin(["completed", "diverged"]).any():
        notes.append(
            f"Train one again and compare: {retrain_command(frames, results, shown)}. Its samples: "
            f"{samples_command(frames, results, shown)}."
        )
    if rows["error"].any() and not imported:
        whole = "" if len(frame) == 1 else f" The whole error: ganbench trials {shlex.quote(results)} --only key=KEY."
        notes.append(f"Train what failed again: {retrain_command(frames, results, shown, UNTRAINED[0])}.{whole}")
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


def retrain_command(frames: Frames, results: str, key: str, status: str = TRAINED[0]) -> str:
    """Return the command that trains a trial of the folder `results` again, with the plugin files of its newest run.

    One that was trained, to its end or until it diverged, is compared with its record; of one that failed or timed out,
    the new record replaces the old one. The suite is the folder's own copy.
    """
    folder = shlex.quote(results)
    if status in TRAINED:
        return f"ganbench rerun {folder} {key}{plugin_options(frames, results)}"
    suite = shlex.quote(str(suite_path(Path(results))))
    return (
        f"ganbench run {suite} --results {folder} --retry {','.join(UNTRAINED)} --only key={key}"
        f"{plugin_options(frames, results)}"
    )


def samples_command(frames: Frames, results: str, key: str) -> str:
    """Return the command that draws the samples of a trial of the folder `results`."""
    return f"ganbench samples {shlex.quote(results)} --of {key}{plugin_options(frames, results)}"


def plugin_options(frames: Frames, results: str) -> str:
    """Return the options for a command to load the plugin files of the newest run, from the copies in the folder."""
    files = [plugin for plugin in list_plugins(frames.runs[-1].facts if frames.runs else {}) if plugin.sha256]
    paths = [str(plugin_path(Path(results), plugin.name, plugin.sha256)) for plugin in files]
    return "".join(f" --plugin {shlex.quote(path)}" for path in paths)


def shorten_keys(keys: pd.Series[str]) -> dict[str, str]:
    """Return the start of each key that no other key has, all of one length, at least `SHORTEST_KEY` digits."""
    unique = keys.drop_duplicates().astype("str")
    length = next(n for n in range(SHORTEST_KEY, 65) if unique.str[:n].is_unique)
    return {key: key[:length] for key in unique}
