"""All tables of a suite, with notes on the number of trials and on the tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from ganbench.errors import GanbenchError
from ganbench.evaluation.outcomes import OUTCOMES, RARE, Thresholds
from ganbench.report.claim_tables import claim_tables
from ganbench.report.notes import import_notes, shard_note, size_note
from ganbench.report.paired_tables import (
    COST_HEADINGS,
    paired_score_tables,
    seed_share_tables,
    success_cost_tables,
    tested_score_tables,
)
from ganbench.report.score_tables import score_tables
from ganbench.report.shown import limit_values
from ganbench.report.success_tables import success_tables
from ganbench.report.tuning_tables import tuning_tables
from ganbench.results.history import (
    EXECUTOR,
    describe_extensions,
    describe_import,
    describe_merge,
    list_plugins,
    read_shard,
)
from ganbench.statistics.comparisons import NO_PAIRS
from ganbench.statistics.costs import cost_table
from ganbench.statistics.outcome_counts import count_failures, count_outcomes
from ganbench.statistics.outcome_table import outcome_thresholds, stored_suite
from ganbench.suite.loading import restore
from ganbench.suite.success import SuccessRule
from ganbench.table import Table as Table

if TYPE_CHECKING:
    from ganbench.results.frames import Frames
    from ganbench.results.history import Run


EXPLAINED = {
    "no-reconstruction": "no-reconstruction: after a tenth of the generator steps, the critic reconstructs real "
    "samples worse than their mean image would. It is known for losses on a reconstruction."
}
"""The definitions of the outcomes of few methods."""


def make_tables(frames: Frames, success_rules: Sequence[SuccessRule] = ()) -> list[Table]:
    """Return every table of a suite: claims, outcomes, successes, tuning, scores and differences, costs, failures.

    All compare the trials of the report where configurations were chosen; failures are of all trials.
    """
    frames, hidden = limit_values(frames, success_rules)
    return [
        *claim_tables(frames),
        outcome_counts_table(frames, hidden),
        *success_tables(frames, success_rules),
        *tuning_tables(frames),
        *score_tables(frames),
        *(paired_score_tables(frames, success_rules) if success_rules else tested_score_tables(frames, NO_PAIRS)),
        *seed_share_tables(frames),
        costs_table(frames),
        *success_cost_tables(frames, success_rules),
        *failure_tables(frames.whole),
    ]


def outcome_counts_table(frames: Frames, hidden: int = 0) -> Table:
    """Return the outcomes of all planned trials, with the notes that hold for every table.

    `hidden` is the number of measured values that no table shows.
    """
    frame = count_outcomes(frames)
    unknown = [name for name in RARE if frame[name].isna().all()]
    frame = frame.drop(columns=[f"{name}{part}" for name in unknown for part in ("", "_of", "_step")])
    notes = [*filter(None, [shard_note(frames)]), *import_notes(frames), size_note(frames.trials)]
    if missing := int(frame["missing"].sum()):
        notes.append(f"{missing} of the planned trials have no record yet; only this table counts them.")
    if stale := int(frame["stale"].sum()):
        notes.append(f"{stale} of the trials are stale: trained by other code than the plan's.")
    if hidden:
        notes.append(f"{hidden} of the measured values are in no table, because there are too many (ganbench.read).")
    notes += [*describe_extensions(frames.runs), *describe_shortages(frames)]
    limits = outcome_thresholds(stored_suite(frames))
    notes += [
        "diverged: non-finite or exploded. Trials that diverged, failed or timed out never succeed.",
        explain_outcomes(limits),
        *(EXPLAINED[name] for name in RARE if name not in unknown),
    ]
    counts = {name: (f"{name}_of", f"{name}_step") for name in OUTCOMES if name not in unknown}
    return Table(title="Outcomes", frame=frame, notes=tuple(notes), counts=counts)


def describe_shortages(frames: Frames) -> Iterator[str]:
    """Yield a note on the trials that have values for which memory ran out, if there are any."""
    if trials := frames.scores.loc[frames.scores["not_scored"], "key"].nunique():
        yield (
            f"Caution: memory ran out when values of {trials} of the trials were measured. These are unknown: no "
            "outcome reads them, and no table of a metric counts a trial whose final value is one of them. Use fewer "
            "[measurement] samples, or more memory, and train these trials again."
        )


def explain_outcomes(limits: Thresholds) -> str:
    """Return a note that defines the outcomes, with the thresholds in force."""
    return (
        "Each outcome is counted among the trials that trained to the end and for which it is known; in parentheses, "
        "the median generator step at which it began. non-finite: a loss or a weight is NaN or infinite. "
        f"exploded: a loss or a player's weights exceed {limits.exploded:g} times their initial value. "
        f"collapsed: at the end the mean pairwise distance of samples is below {limits.collapsed:g} of the data's. "
        f"degraded: the first success rule's metric ends worse than its best by a factor over {limits.degraded:g}. "
        f"critic-dead: at the end the norm of the generator's gradient is below {limits.critic_dead:g}. "
        f"oscillating: a loss or that metric has an autocorrelation of {limits.oscillating:g} or more one period later."
    )


def history_table(runs: Sequence[Run]) -> Table:
    """Return the runs of a results folder, the oldest first: when each was, what it planned and what it trained."""
    rows = [
        {
            "run": run.number,
            "started": run.started[:19].replace("T", " "),
            "planned": run.planned,
            "new": run.new,
            "stored": run.stored,
            "trained": run.trained,
            "executor": describe_executor(run),
            "suite": compare_suites(earlier, run),
            "question": read_question(run),
        }
        for earlier, run in zip((None, *runs), runs, strict=False)
    ]
    columns = ["run", "started", "planned", "new", "stored", "trained", "executor", "suite", "question"]
    notes = (
        "started: UTC. planned: the trials of the plan; new: those that no earlier run planned; stored: those that had "
        "a record when the run began; trained: records of this run that no later run replaced. executor: what ran its "
        "batches. suite: its text, compared with that of the run before.",
        *filter(None, map(describe_import, runs)),
        *filter(None, map(describe_merge, runs)),
        *describe_extensions(runs),
        *describe_plugins(runs),
    )
    return Table(title="Runs", frame=pd.DataFrame(rows, columns=columns, dtype=object), notes=notes)


def describe_plugins(runs: Sequence[Run]) -> Iterator[str]:
    """Yield a note for each plugin of a third party, with the runs that used it."""
    users: dict[str, list[int]] = {}
    for run in runs:
        for plugin in list_plugins(run.facts):
            users.setdefault(plugin.title, []).append(run.number)
    for title, numbers in users.items():
        yield f"{title}: used by run{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}."


def describe_executor(run: Run) -> str:
    """Return what ran the batches of a run, and which shard of the plan they were, if it trained one."""
    executor, shard = run.facts.get(EXECUTOR), read_shard([run])
    return ", ".join([*([executor] if isinstance(executor, str) else []), *([f"shard {shard}"] if shard else [])])


def compare_suites(earlier: Run | None, run: Run) -> str:
    """Return how the suite of a run relates to that of the run before; nothing for the first run."""
    if earlier is None:
        return ""
    return "as before" if earlier.suite == run.suite else "changed"


def read_question(run: Run) -> str:
    """Return the question of the suite of a run, empty where its text is not a suite of today's form."""
    try:
        return restore(run.suite).question
    except GanbenchError:
        return ""


def costs_table(frames: Frames) -> Table:
    """Return the cost of a trial of each method in every unit."""
    frame = cost_table(frames)
    notes = [
        "Medians over n trials. samples: real samples shown to the critic. Seconds: those of the batch divided by its "
        "members."
    ]
    if frame["members"].str.contains(",").any():
        notes.append("Trials of one method trained in batches of different sizes; such trials also differ at random.")
    return Table(title="Budget and cost per trial", frame=frame, notes=tuple(notes), headings=COST_HEADINGS)


def failure_tables(frames: Frames) -> Iterator[Table]:
    """Yield the errors of failed and timed-out trials with their counts, if there are any."""
    frame = count_failures(frames)
    if len(frame):
        notes = ("n trials ended with this error, example is the key of one: `ganbench trials RESULTS --failed`.",)
        yield Table(title="Failures", frame=frame, notes=notes)
