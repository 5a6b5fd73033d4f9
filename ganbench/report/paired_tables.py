"""Tables of paired score differences, of the between-seed share of variance, and of the cost per success."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import pandas as pd

from ganbench.api.metrics import metric_title
from ganbench.report.notes import pair_note
from ganbench.statistics.comparisons import compare_scores, compared_pairs
from ganbench.statistics.costs import success_cost_table
from ganbench.statistics.final_scores import directed_measurements
from ganbench.statistics.score_summary import seed_share_table
from ganbench.statistics.success_rates import median_differences
from ganbench.suite.success import SuccessRule
from ganbench.table import Table, name_undefined

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

COST_HEADINGS = {"flops": "FLOPs"}
SIDES = {
    "a": "A",
    "b": "B",
    "median_a": "median of A",
    "median_b": "median of B",
    "better_a": "better A",
    "better_b": "better B",
}
"""The headings of the columns of the two methods."""


def paired_score_tables(frames: Frames, rules: Sequence[SuccessRule]) -> Iterator[Table]:
    """Yield a table for each metric of the rules: score differences of compared methods on pairs of trials."""
    comparisons: dict[tuple[str, str, str], list[pd.DataFrame]] = {}
    for rule in rules:
        trials = frames.trials[frames.trials["dataset"] == rule.dataset]
        for measurement in directed_measurements(frames, str(rule.metric), trials["key"]):
            parts = comparisons.setdefault((rule.dataset, str(rule.metric), measurement), [])
            for pair in compared_pairs(frames, rule):
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


def tested_score_tables(frames: Frames) -> Iterator[Table]:
    """Yield a table for each value with a better direction, for a suite without success rules: differences, tested.

    The final scores are tested; all tests of the suite are one family for Holm's method.
    """
    groups = groupby(compare_scores(frames), lambda each: (each.rule.dataset, str(each.rule.metric), each.measurement))
    for (dataset, metric, measurement), group in groups:
        comparisons = list(group)
        parts: list[pd.DataFrame] = []
        for each in comparisons:
            tested = (each.table["at"] == each.rule.at) & (each.table["n"] > 0)
            cells = [[p if here else "" for here in tested] for p in (each.p, each.p_holm)]
            p, adjusted = (pd.Series(cell, each.table.index, dtype=object).map(name_undefined) for cell in cells)
            names = pd.DataFrame({"a": each.pair[0], "b": each.pair[1]}, index=each.table.index)
            parts.append(names.join(each.table.assign(p=p, p_holm=adjusted)))
        notes = [
            f"{' against '.join(each.pair)}: {note}"
            for each in comparisons
            if (note := pair_note(frames.trials, dataset, each.pair, int(each.primary["n"])))
        ]
        notes.append(
            "better A, better B: the pairs in which A or B has the better score; ties have equal ones. p: the exact "
            "sign test on these pairs, two-sided; with several seeds, the exact sign-flip test over architectures. "
            f"p holm: adjusted for the suite's {comparisons[0].family} comparisons of the scores (Holm)."
        )
        title = f"Paired scores on {dataset}: {metric_title(metric)}"
        yield paired_score_table(title, pd.concat(parts, ignore_index=True), str(measurement), notes)


def paired_score_table(title: str, frame: pd.DataFrame, measurement: str, notes: Sequence[str]) -> Table:
    """Return the table of paired differences, with notes that explain them after `notes`."""
    return Table(
        title=title,
        frame=frame,
        notes=(
            *notes,
            "difference: the median of A's score minus B's, over the n pairs of equal architecture and seed; it is not "
            "the difference of the medians. A trial without a score (diverged, failed, timed out or undefined) is "
            "infinitely worse than one with a score; two trials without a score are equal.",
            "In brackets: the 95% interval of the median (Woodruff 1952, at the effective sample size); none for fewer "
            f"than six units. It describes the difference and tests nothing. Measurement {measurement[:8]}.",
        ),
        headings={side: name for side, name in SIDES.items() if side in frame},
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
