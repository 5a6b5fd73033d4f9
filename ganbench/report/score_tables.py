"""Tables of scores, one for each dataset; each metric begins with the scores of the data itself and of baselines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd

from ganbench.api.metrics import metric_title
from ganbench.report.extractors import features_notes
from ganbench.report.notes import size_note, stale_note
from ganbench.statistics.score_summary import summary_table
from ganbench.table import Table, name_undefined

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

SHORT = 8
"""Digits of a measurement's hash that a reader sees."""

SCORES = ("final", "best", "completed_median")
"""Columns in which NaN is an undefined score."""


def score_tables(frames: Frames) -> Iterator[Table]:
    """Yield a table of the scores on each dataset: medians and quartiles for each method and metric."""
    summary = summary_table(frames)
    for dataset, frame in summary.groupby("dataset", sort=False) if len(summary) else ():
        scores, baselines = with_baselines(frame, frames.calibration)
        trials = frames.trials[frames.trials["dataset"] == dataset]
        yield Table(
            title=f"Scores on {dataset}",
            frame=scores.drop(columns=["dataset", "stale"]),
            notes=(
                *calibration_notes(baselines),
                "final, best: medians over all n trials. Trials that diverged, failed, timed out or have an undefined "
                "score count as the worst (inf where lower is better, -inf where higher is). q25, q75: quartiles of "
                "final. of completed: the median of the finite scores alone.",
                "undefined, as a count: trials that completed but whose final score is not a finite number. undefined, "
                "in place of a score: there is no such number. A neutral value has no best and no worst, so its median "
                "is undefined if any trial has no score.",
                "In brackets: the 95% interval of the median (Woodruff); none for fewer than six units.",
                "best: each trial's best snapshot, chosen on one set of samples and scored again on a fresh one.",
                *features_notes(frames, str(dataset), frame["measurement"]),
                stale_note(frame) + size_note(trials),
            ),
            headings={"finite": "finite of n", "completed_median": "of completed", "samples_measured": "samples"},
            intervals={"final": ("final_low", "final_high"), "best": ("best_low", "best_high")},
            words={"metric": metric_title, **dict.fromkeys(SCORES, name_undefined)},
        )


def with_baselines(summary: pd.DataFrame, calibration: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Return the summary with the baselines' rows before those of each metric, and the number of these rows.

    They are the rows that were measured in the same way. Cells are of mixed types: what a baseline does not have (n,
    best, quartiles) is None.
    """
    rows: list[dict[str, Any]] = []
    empty = dict.fromkeys(summary.columns)
    count = 0
    for (dataset, metric, measurement), group in summary.groupby(["dataset", "metric", "measurement"], sort=False):
        same = (calibration["dataset"] == dataset) & (calibration["name"] == metric)
        baselines = calibration[same & (calibration["measurement"] == measurement)]
        count += len(baselines)
        trained: list[dict[Any, Any]] = group.to_dict("records")
        for row in [*map(calibration_row, baselines.to_dict("records")), *trained]:
            rows.append({**empty, **row, "measurement": str(measurement)[:SHORT]})
    return pd.DataFrame(rows, columns=list(summary.columns), dtype=object), count


def calibration_row(row: dict[Any, Any]) -> dict[str, Any]:
    """Return the row of a baseline, or of the data itself: its name in place of a method, its score as final."""
    return {
        "dataset": row["dataset"],
        "method": f"baseline: {row['sampler']}" if row["trivial"] else row["sampler"],
        "metric": row["name"],
        "samples_measured": row["samples"],
        "direction": row["direction"],
        "final": row["value"],
    }


def calibration_notes(rows: int) -> tuple[str, ...]:
    """Return the notes that explain the rows of real data and of baselines, of which there are `rows`."""
    if not rows:
        return ("No baseline was scored in the same way; metrics that are computed from networks have none.",)
    return (
        "The first rows of a metric are not trained methods; the same metric scores them on as many samples. "
        "real data, perfect sampler: the data itself (training samples of a set, fresh draws from a distribution). "
        "baseline: an untrained sampler that knows a few statistics or samples of the data; a score that a baseline "
        "reaches shows no learning.",
    )
