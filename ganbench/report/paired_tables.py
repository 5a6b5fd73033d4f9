"""How scores differ: pair by pair, from seed to seed, and what a success cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from ganbench.report.table import Table
from ganbench.statistics.costs import success_cost_table
from ganbench.statistics.final_scores import directed_measurements
from ganbench.statistics.score_summary import seed_share_table
from ganbench.statistics.success_rates import median_differences
from ganbench.suite.success import SuccessRule

if TYPE_CHECKING:
    from ganbench.results.frames import Frames


def paired_score_tables(frames: Frames, rules: Sequence[SuccessRule]) -> Iterator[Table]:
    """How far the scores of compared methods lie apart on equal architectures and seeds, one table for each metric."""
    found: dict[tuple[str, str, str], list[pd.DataFrame]] = {}
    for rule in rules:
        trials = frames.trials[frames.trials["dataset"] == rule.dataset]
        methods = set(trials["method"].unique())
        for measurement in directed_measurements(frames, str(rule.metric), trials["key"]):
            parts = found.setdefault((rule.dataset, str(rule.metric), measurement), [])
            for pair in rule.compare:
                if methods.issuperset(pair):
                    frame = median_differences(frames, rule, pair, measurement)
                    parts.append(pd.DataFrame({"a": pair[0], "b": pair[1]}, index=frame.index).join(frame))
    for (dataset, metric, measurement), parts in found.items():
        if parts:
            table = pd.concat(parts, ignore_index=True).drop_duplicates(["a", "b", "at"], ignore_index=True)
            yield paired_score_table(f"Paired scores on {dataset}: {metric}", table, measurement)


def paired_score_table(title: str, frame: pd.DataFrame, measurement: str) -> Table:
    """Medians of paired differences, with what they mean."""
    return Table(
        title=title,
        frame=frame,
        notes=(
            "difference: the median, over the n pairs of equal architecture and seed, of A's score less B's; it is not "
            "the difference of the medians. A trial that died where its partner lived is infinitely worse, two dead "
            "ones are equal.",
            "In brackets: the median's 95% interval (Woodruff 1952, at the effective sample size); none under six "
            f"units. It describes; nothing is tested. Measurement {measurement[:8]}.",
        ),
        headings={"a": "A", "b": "B", "median_a": "median of A", "median_b": "median of B"},
        intervals={"difference": ("difference_low", "difference_high")},
    )


def seed_share_tables(frames: Frames) -> Iterator[Table]:
    """How much of what a reader sees vary is luck of the seed, where there are several seeds and architectures."""
    frame = seed_share_table(frames)
    if len(frame):
        yield Table(
            title="Luck of the seed",
            frame=frame.assign(measurement=frame["measurement"].str[:8]),
            notes=(
                "between-seed share: the share of the variation of final scores that lies between seeds of one architecture, the "
                "rest lying between architectures; 1: the architecture does not matter, 0: the seed does not. It is 1 "
                "less the intraclass correlation of ranks, in which the dead come last.",
                "In brackets: the jackknife's 95% interval over architectures (Arvesen and Schmitz 1970).",
            ),
            headings={"finite": "finite of n"},
            intervals={"between_seed_share": ("between_seed_share_low", "between_seed_share_high")},
        )


def success_cost_tables(frames: Frames, rules: Sequence[SuccessRule]) -> Iterator[Table]:
    """What a success cost each method, if any rule says what a success is."""
    frame = success_cost_table(frames, rules)
    if len(frame):
        yield Table(
            title="Cost of a success",
            frame=frame,
            notes=(
                "All n trials together, dead ones too, over the successes at the primary threshold of the dataset's "
                "first rule; inf without a success. samples: real rows shown to the critic. Seconds: the batch's "
                "divided by members.",
                "Where it is not known what a trial cost, as after a failure, it is taken to be the method's dearest.",
            ),
        )
