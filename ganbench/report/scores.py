"""Where the scores lie: one table for each dataset."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ganbench.report.table import Table, size_note, stale_note
from ganbench.summary import summary_table

if TYPE_CHECKING:
    from ganbench.frames import Frames


def score_tables(frames: Frames) -> Iterator[Table]:
    """Where the scores lie, one table for each dataset."""
    summary = summary_table(frames)
    for dataset, frame in summary.groupby("dataset", sort=False) if len(summary) else ():
        shown = frame.drop(columns=["dataset", "stale"]).assign(measurement=frame["measurement"].str[:8])
        trials = frames.trials[frames.trials["dataset"] == dataset]
        yield Table(
            title=f"Scores on {dataset}",
            frame=shown.reset_index(drop=True),
            notes=(
                "final, best: medians over all n trials; diverged, failed and timed-out trials count as the worst (inf "
                "where lower is better, -inf where higher is). q25, q75: quartiles of final. survivors: the median of "
                "the finite trials alone. Of a neutral value nothing is best or worst.",
                "In brackets: the median's 95% interval (Woodruff); none under six units.",
                "best is chosen on the samples that it is reported on, so it flatters.",
                stale_note(frame) + size_note(trials),
            ),
            headings={"finite": "finite of n", "survivors": "survivors only", "samples_measured": "samples"},
            intervals={"final": ("final_low", "final_high"), "best": ("best_low", "best_high")},
        )
