"""What results say, as named tables with notes that say over how many trials, and by which test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

from ganbench.courses import asked
from ganbench.outcomes import OUTCOMES, Thresholds
from ganbench.statistics import SuccessRule, holm, rate_table, standings, success_table
from ganbench.summary import cost_table, failure_table, fate_table, summary_table

if TYPE_CHECKING:
    from ganbench.frames import Frames


@dataclass(frozen=True, kw_only=True)
class Table:
    """A frame to be read by people: raw numbers in `frame`, nothing formatted or escaped yet.

    `headings` names columns for the reader. `intervals` names, for a column, the two that hold its ends; `counts`, for
    a column of counts, the two that say of how many and at which step. `notes` are sentences.
    """

    title: str
    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    headings: Mapping[str, str] = field(default_factory=dict)
    intervals: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    counts: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def make_tables(frames: Frames, success_rules: Sequence[SuccessRule] = ()) -> list[Table]:
    """Make every table of a suite: the trials' fates, successes, scores by dataset, costs, failures."""
    return [
        fates(frames),
        *success_tables(frames, success_rules),
        *score_tables(frames),
        costs(frames),
        *failures(frames),
    ]


def fates(frames: Frames) -> Table:
    """What became of every planned trial, with what the reader must know of all the tables."""
    frame = fate_table(frames)
    notes = [size_note(frames.trials)]
    if missing := int(frame["missing"].sum()):
        notes.append(f"{missing} of the planned trials without a record yet: counted here alone.")
    if stale := int(frame["stale"].sum()):
        notes.append(f"{stale} of the trials stale: trained by other code than the plan's.")
    limits, _ = asked(frames.suite)
    notes += [
        "Diverged: non-finite or exploded. Such trials, failed and timed-out ones never succeed.",
        meaning(limits),
    ]
    counts = {name: (f"{name}_of", f"{name}_step") for name in OUTCOMES}
    return Table(title="What became of the trials", frame=frame, notes=tuple(notes), counts=counts)


def meaning(limits: Thresholds) -> str:
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


def success_tables(frames: Frames, rules: Sequence[SuccessRule]) -> Iterator[Table]:
    """Each rule's success rates, then its comparisons; the p-values of them all are one family for Holm."""
    asked = [(rule, measurement) for rule in rules for measurement in measurements(frames, rule)]
    comparisons: list[tuple[SuccessRule, str | None, tuple[str, str], pd.DataFrame]] = []
    for rule, measurement in asked:
        present = set(frames.trials.loc[frames.trials["dataset"] == rule.dataset, "method"])
        for pair in rule.compare:
            if present.issuperset(pair):
                comparisons.append((rule, measurement, pair, success_table(frames, rule, pair, measurement)))
    raw = [float(frame.loc[frame["primary"], "p"].iloc[0]) for *_, frame in comparisons]
    for rule, measurement in asked:
        yield from rates(frames, rule, measurement)
    for (rule, measurement, pair, frame), p, adjusted in zip(comparisons, raw, holm(raw), strict=True):
        yield comparison(frames, rule, measurement, pair, tested(frame, p, adjusted), len(comparisons))


def measurements(frames: Frames, rule: SuccessRule) -> list[str | None]:
    """The ways in which a rule's metric was measured on its dataset; [None] if it was not."""
    keys = frames.trials.loc[frames.trials["dataset"] == rule.dataset, "key"]
    scores = frames.scores[(frames.scores["name"] == rule.metric) & frames.scores["key"].isin(keys)]
    return sorted(scores["measurement"].unique()) or [None]


def tested(frame: pd.DataFrame, p: float, adjusted: float) -> pd.DataFrame:
    """The comparison with p at the primary threshold alone; "undefined" where there was no discordant pair."""
    shown = {name: [] for name in ("p", "p_holm")}  # type: dict[str, list[float | str]]
    for primary in frame["primary"]:
        for name, value in (("p", p), ("p_holm", adjusted)):
            shown[name].append("" if not primary else "undefined" if pd.isna(value) else value)
    return frame.assign(**{name: pd.Series(cells, index=frame.index, dtype=object) for name, cells in shown.items()})


def rates(frames: Frames, rule: SuccessRule, measurement: str | None) -> Iterator[Table]:
    """Every method's success rates by one rule, if any trial was counted."""
    frame = rate_table(frames, rule, measurement)
    if len(frame):
        standing = standings(frames, rule.dataset, rule.metric, measurement)
        yield Table(
            title=f"Success rates on {rule.dataset}: {criterion(rule, standing)}",
            frame=frame,
            notes=(*rule_notes(standing, measurement), interval_note(standing)),
            headings={"rate": "success rate"},
            intervals={"rate": ("rate_low", "rate_high")},
        )


def comparison(
    frames: Frames, rule: SuccessRule, measurement: str | None, pair: tuple[str, str], frame: pd.DataFrame, family: int
) -> Table:
    """Two methods on pairs of equal architecture and seed."""
    a, b = pair
    standing = standings(frames, rule.dataset, rule.metric, measurement)
    standing = standing[standing["method"].isin(pair)]
    primary = frame[frame["primary"]].iloc[0]
    clustered = bool((frame["n"] != frame["units"]).any())
    name = "The exact sign-flip test over architectures" if clustered else "McNemar's exact test"
    undefined = primary["p"] == "undefined"
    test = (
        f"{name} is undefined: no discordant pair at {rule.primary:g}."
        if undefined
        else f"p: {name}, two-sided, at the primary threshold {rule.primary:g}; "
        f"p holm: adjusted for the suite's {family} comparison{'s' * (family > 1)} (Holm)."
    )
    return Table(
        title=f"{a} against {b} on {rule.dataset}: {criterion(rule, standing)}",
        frame=frame.drop(columns="units"),
        notes=(
            f"Every row counts the n pairs of equal architecture and seed. {size_note(standing)}",
            *rule_notes(standing, measurement),
            interval_note(standing),
            test,
            "Other thresholds describe; they test nothing.",
        ),
        headings=side_headings("a", a) | side_headings("b", b),
        intervals={"rate_a": ("rate_a_low", "rate_a_high"), "rate_b": ("rate_b_low", "rate_b_high")},
    )


def side_headings(side: str, method: str) -> dict[str, str]:
    """The columns of one of two methods, named for it."""
    rate = {f"rate_{side}{end}": f"success {method}{end.replace('_', ' ')}" for end in ("", "_low", "_high")}
    return {f"only_{side}": f"only {method}", **rate}


def criterion(rule: SuccessRule, standing: pd.DataFrame) -> str:
    """The rule in words."""
    direction = standing["direction"].iloc[0] if len(standing) else "neutral"
    side = {"lower": "below", "higher": "above", "neutral": "beyond"}[str(direction)]
    return f"{rule.at} {rule.metric} {side} threshold"


def rule_notes(standing: pd.DataFrame, measurement: str | None) -> tuple[str, ...]:
    """What a success is, and how it was measured."""
    how = "This metric was not measured." if measurement is None else f"Measurement {measurement[:8]}."
    return ("A success is alive to the end and strictly beyond the threshold.", stale_note(standing) + how)


def interval_note(standing: pd.DataFrame) -> str:
    """By which interval rates are surrounded."""
    clustered = standing.groupby("method")["unit"].apply(lambda units: units.duplicated().any()).any()
    size = " at the effective sample size, as seeds of one architecture resemble each other" if clustered else ""
    return f"In brackets: Wilson's 95% interval{size}."


def size_note(trials: pd.DataFrame) -> str:
    """Over how many architectures and seeds, and what the unit of every test is."""
    architectures, seeds = trials["architecture"].nunique(), trials["seed"].nunique()
    size = f"n = {architectures} architecture{'s' * (architectures != 1)} x {seeds} seed{'s' * (seeds != 1)}"
    if architectures == 1:
        return f"The seed is the unit, as there is one architecture: nothing here speaks for others; {size}."
    return f"The architecture is the unit; {size}."


def stale_note(standing: pd.DataFrame) -> str:
    """How many of the counted trials are stale, if any."""
    stale = int(standing["stale"].sum())
    return f"{stale} of these trials are stale. " if stale else ""


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


def costs(frames: Frames) -> Table:
    """What a trial cost in every unit."""
    frame = cost_table(frames)
    notes = ["Medians over n trials. samples: real rows shown to the critic. Seconds: the batch's divided by members."]
    if frame["members"].str.contains(",").any():
        notes.append("Some trials of one method trained in batches of different size; such trials differ by chance.")
    return Table(title="Budget and cost of a trial", frame=frame, notes=tuple(notes))


def failures(frames: Frames) -> Iterator[Table]:
    """Why trials failed, if any did."""
    frame = failure_table(frames)
    if len(frame):
        yield Table(title="Failures", frame=frame, notes=("n trials ended with this error.",))
