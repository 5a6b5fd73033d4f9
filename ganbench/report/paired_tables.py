"""Tables of paired score differences, of the between-seed share of variance, and of the cost per success."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from ganbench.api.metrics import metric_title
from ganbench.report.notes import pair_note
from ganbench.statistics.costs import success_cost_table
from ganbench.statistics.final_scores import directed_measurements
from ganbench.statistics.score_summary import seed_share_table
from ganbench.statistics.success_rates import median_differences
from ganbench.suite.success import SuccessRule
from ganbench.table import Table

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

COST_HEADINGS = {"flops": "FLOPs"}


def paired_score_tables(frames: Frames, rules: Sequence[SuccessRule]) -> Iterator[Table]:
    """Yield a table for each metric of the rules: score differences of compared methods on pairs of trials."""
    comparisons: dict[tuple[str, str, str], list[pd.DataFrame]] = {}
    for rule in rules:
        trials = frames.trials[frames.trials["dataset"] == rule.dataset]
        methods = set(trials["method"].unique())
        for measurement in directed_measurements(frames, str(rule.metric), trials["key"]):
            parts = comparisons.setdefault((rule.dataset, str(rule.metric), measurement), [])
            for pair in rule.compare:
                if methods.issuperset(pair):
                    frame = median_differences(frames, rule, pair, measurement)
                    parts.append(pd.DataFrame({"a": pair[0], "b": pair[1]}, index=frame.index).join(frame))
    for (dataset, metric, measurement), parts in comparisons.items():
        if parts:
            table = pd.concat(parts, ignore_index=True).drop_duplicates(["a", "b", "at"], ignore_index=True)
            complete = [
                f"{row['a']} against {row['b']}: {note}"
                for row in table.drop_duplicates(["a", "b"]).to_dict("records")
                if (note := pair_note(frames.trials, dataset, (row["a"], row["b"]), row["n"]))
            ]
            title = f"Paired scores on {dataset}: {metric_title(metric)}"
            yield paired_score_table(title, table, measurement, complete)


def paired_score_table(title: str, frame: pd.DataFrame, measurement: str, complete: Sequence[str]) -> Table:
    """Return the table of paired differences, with notes that explain them; `complete` are those on missing pairs."""
    return Table(
        title=title,
        frame=frame,
        notes=(
            *complete,
            "difference: the median of A's score minus B's, over the n pairs of equal architecture and seed; it is not "
            "the difference of the medians. A trial without a score (diverged, failed, timed out or undefined) is "
            "infinitely worse than one with a score; two trials without a score are equal.",
            "In brackets: the 95% interval of the median (Woodruff 1952, at the effective sample size); none for fewer "
            f"than six units. It describes the difference and tests nothing. Measurement {measurement[:8]}.",
        ),
        headings={"a": "A", "b": "B", "median_a": "median of A", "median_b": "median of B"},
        intervals={"difference": ("difference_low", "difference_high")},
    )


def seed_share_tables(frames: Frames) -> Iterator[Table]:
    """Yield the between-seed share of variance of each method, if there are several seeds and architectures."""
    frame = seed_share_table(frames)
    if len(frame):
        yield Table(
            title="Between-seed share of variance",
            frame=frame.assign(measurement=frame["measurement"].str[:8]),
            notes=(
                "between-seed share: the share of the variance of final scores that lies between the seeds of one "
                "architecture; the rest lies between architectures. 1: the architecture does not matter; 0: the seed "
                "does not. It is 1 minus the intraclass correlation of the ranks of the scores; trials without a score "
                "(diverged, failed, timed out or undefined) rank last.",
                "In brackets: the 95% interval of the jackknife over architectures (Arvesen and Schmitz 1970).",
            ),
            headings={"finite": "finite of n", "between_seed_share": "between-seed share"},
            intervals={"between_seed_share": ("between_seed_share_low", "between_seed_share_high")},
            words={"metric": metric_title},
        )


def success_cost_tables(frames: Frames, rules: Sequence[SuccessRule]) -> Iterator[Table]:
    """Yield the cost per success of each method, if any rule defines a success."""
    frame = success_cost_table(frames, rules)
    if len(frame):
        yield Table(
            title="Cost per success",
            frame=frame,
            notes=(
                "The cost of all n trials, with those that diverged, failed or timed out, divided by the successes at "
                "the primary threshold of the dataset's first rule; inf without a success. samples: real samples shown "
                "to the critic. Seconds: those of the batch divided by its members.",
                "Where the cost of a trial is not known, as after a failure, that of the method's most expensive trial "
                "is used.",
            ),
            headings=COST_HEADINGS,
        )
