"""What results say, as named tables with notes that say over how many trials, and by which test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from ganbench.errors import GanbenchError
from ganbench.evaluation.outcomes import OUTCOMES, Thresholds
from ganbench.report.paired_tables import paired_score_tables, seed_share_tables, success_cost_tables
from ganbench.report.score_tables import score_tables
from ganbench.report.success_tables import success_tables
from ganbench.report.table import Table, size_note
from ganbench.results.history import describe_extensions
from ganbench.statistics.costs import cost_table
from ganbench.statistics.outcome_counts import failure_counts, outcome_counts
from ganbench.statistics.outcome_table import outcome_thresholds
from ganbench.suite.loading import restore
from ganbench.suite.success import SuccessRule

if TYPE_CHECKING:
    from ganbench.results.frames import Frames
    from ganbench.results.history import Run


def make_tables(frames: Frames, success_rules: Sequence[SuccessRule] = ()) -> list[Table]:
    """Make every table of a suite: fates, successes, scores and how they differ, costs, failures."""
    return [
        outcome_counts_table(frames),
        *success_tables(frames, success_rules),
        *score_tables(frames),
        *paired_score_tables(frames, success_rules),
        *seed_share_tables(frames),
        costs_table(frames),
        *success_cost_tables(frames, success_rules),
        *failure_tables(frames),
    ]


def outcome_counts_table(frames: Frames) -> Table:
    """What became of every planned trial, with what the reader must know of all the tables."""
    frame = outcome_counts(frames)
    notes = [size_note(frames.trials)]
    if missing := int(frame["missing"].sum()):
        notes.append(f"{missing} of the planned trials without a record yet: counted here alone.")
    if stale := int(frame["stale"].sum()):
        notes.append(f"{stale} of the trials stale: trained by other code than the plan's.")
    notes += describe_extensions(frames.runs)
    limits = outcome_thresholds(restore(frames.suite) if frames.suite else None)
    notes += [
        "Diverged: non-finite or exploded. Such trials, failed and timed-out ones never succeed.",
        explain_outcomes(limits),
    ]
    counts = {name: (f"{name}_of", f"{name}_step") for name in OUTCOMES}
    return Table(title="What became of the trials", frame=frame, notes=tuple(notes), counts=counts)


def explain_outcomes(limits: Thresholds) -> str:
    """What the outcomes mean, with the thresholds in force."""
    return (
        "Of the trials that came to their end and that it is known of, with the median generator step at which it "
        "began. non-finite: a loss or a weight. "
        f"exploded: a loss or a player's weights over {limits.exploded:g} times their start. "
        f"collapsed: in the end samples lie under {limits.collapsed:g} of the data's mean pairwise distance apart. "
        f"degraded: the first success rule's metric ends worse than its best by a factor over {limits.degraded:g}. "
        f"critic-dead: in the end the generator's gradient has a norm under {limits.critic_dead:g}. "
        f"oscillating: a loss or that metric correlates with itself a period later by {limits.oscillating:g} or more."
    )


def history_table(known: Sequence[Run]) -> Table:
    """When the folder was run, and what came of it."""
    rows = [
        {
            "run": run.number,
            "started": run.started[:19].replace("T", " "),
            "planned": run.planned,
            "new": run.new,
            "stored": run.stored,
            "trained": run.trained,
            "suite": "as before" if before is not None and before.suite == run.suite else "changed" if before else "",
            "question": question_of(run),
        }
        for before, run in zip((None, *known), known, strict=False)
    ]
    columns = ["run", "started", "planned", "new", "stored", "trained", "suite", "question"]
    notes = (
        "started: UTC. planned: trials asked for; new: never planned before; stored: with a record when the run began; "
        "trained: its records that no later run replaced. suite: its text, compared with the run before.",
        *describe_extensions(known),
    )
    return Table(title="Runs", frame=pd.DataFrame(rows, columns=columns, dtype=object), notes=notes)


def question_of(run: Run) -> str:
    """Return what the suite of a run asked, nothing where its text is no suite of today's form."""
    try:
        return restore(run.suite).question
    except GanbenchError:
        return ""


def costs_table(frames: Frames) -> Table:
    """What a trial cost in every unit."""
    frame = cost_table(frames)
    notes = ["Medians over n trials. samples: real rows shown to the critic. Seconds: the batch's divided by members."]
    if frame["members"].str.contains(",").any():
        notes.append("Some trials of one method trained in batches of different size; such trials differ by chance.")
    return Table(title="Budget and cost of a trial", frame=frame, notes=tuple(notes))


def failure_tables(frames: Frames) -> Iterator[Table]:
    """Why trials failed, if any did."""
    frame = failure_counts(frames)
    if len(frame):
        yield Table(title="Failures", frame=frame, notes=("n trials ended with this error.",))
