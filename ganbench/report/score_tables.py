"""Where the scores lie: one table for each dataset, opened by what samplers score that no method trained."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd

from ganbench.report.table import Table, size_note, stale_note
from ganbench.statistics.score_summary import summary_table

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

SHORT = 8
"""Digits of a measurement's hash that a reader sees."""


def score_tables(frames: Frames) -> Iterator[Table]:
    """Where the scores lie, one table for each dataset."""
    summary = summary_table(frames)
    for dataset, frame in summary.groupby("dataset", sort=False) if len(summary) else ():
        shown, calibrated = with_baselines(frame, frames.calibration)
        trials = frames.trials[frames.trials["dataset"] == dataset]
        yield Table(
            title=f"Scores on {dataset}",
            frame=shown.drop(columns=["dataset", "stale"]),
            notes=(
                *calibration_notes(calibrated),
                "final, best: medians over all n trials; diverged, failed and timed-out trials count as the worst (inf "
                "where lower is better, -inf where higher is). q25, q75: quartiles of final. of completed: the median of "
                "the finite trials alone. Of a neutral value nothing is best or worst.",
                "In brackets: the median's 95% interval (Woodruff); none under six units.",
                "best: each trial's best snapshot, chosen on one set of samples and reported on a fresh one.",
                stale_note(frame) + size_note(trials),
            ),
            headings={"finite": "finite of n", "completed_median": "of completed", "samples_measured": "samples"},
            intervals={"final": ("final_low", "final_high"), "best": ("best_low", "best_high")},
        )


def with_baselines(summary: pd.DataFrame, calibration: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Open each metric's rows with its calibration, where it was measured in the same way; also give how many rows.

    Cells are of mixed types: what no untrained sampler has (n, quartiles) is None.
    """
    rows: list[dict[str, Any]] = []
    calibrated = 0
    for (dataset, metric, measurement), group in summary.groupby(["dataset", "metric", "measurement"], sort=False):
        same = (calibration["dataset"] == dataset) & (calibration["name"] == metric)
        untrained = calibration[same & (calibration["measurement"] == measurement)]
        calibrated += len(untrained)
        trained: list[dict[Any, Any]] = group.to_dict("records")
        for row in [*map(calibration_row, untrained.to_dict("records")), *trained]:
            rows.append({**row, "measurement": str(measurement)[:SHORT]})
    return pd.DataFrame(rows, columns=list(summary.columns), dtype=object), calibrated


def calibration_row(row: dict[Any, Any]) -> dict[str, Any]:
    """What the table of scores says of an untrained sampler: who it is in place of a method, its value as final."""
    return {
        "dataset": row["dataset"],
        "method": f"{'untrained' if row['trivial'] else 'ceiling'}: {row['sampler']}",
        "metric": row["name"],
        "samples_measured": row["samples"],
        "direction": row["direction"],
        "final": row["value"],
    }


def calibration_notes(rows: int) -> tuple[str, ...]:
    """What the opening rows are."""
    if not rows:
        return ("No untrained sampler was scored in the same way, as metrics on networks have none.",)
    return (
        "The opening rows were trained by no method, and are scored by the same metric on as many samples. ceiling: "
        "the data itself (training rows of a set, fresh draws of a law). untrained: samplers that know a few statistics"
        " or rows of the data; a score that one of them reaches shows no learning.",
    )
