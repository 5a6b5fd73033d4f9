"""Tables of a suite's success rules: success rates, and paired comparisons of methods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from ganbench.api.metrics import metric_title
from ganbench.api.records import Calibration
from ganbench.evaluation import success, trivial_thresholds
from ganbench.report.extractors import features_notes
from ganbench.report.notes import pair_note, size_note, stale_note
from ganbench.statistics.comparisons import absent_methods, compare_successes
from ganbench.statistics.final_scores import measurements, rule_scores
from ganbench.statistics.success_rates import rate_table
from ganbench.suite.success import SuccessRule
from ganbench.table import Table

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

BAND = (
    "band low, band high: with 95% confidence the whole curve of a method, over all thresholds at once, lies within "
    "this band (Kolmogorov's, at the effective sample size)."
)


def success_tables(frames: Frames, rules: Sequence[SuccessRule]) -> Iterator[Table]:
    """Yield the success rates of each rule, then all comparisons; their p-values are one family for Holm's method."""
    for rule in rules:
        for measurement in measurements(frames, rule):
            yield from rate_tables(frames, rule, measurement)
    for each in compare_successes(frames, rules):
        frame = with_p_values(each.table, each.p, each.p_holm)
        yield comparison_table(frames, each.rule, each.measurement, each.pair, frame, each.family)


def with_p_values(frame: pd.DataFrame, p: float, adjusted: float) -> pd.DataFrame:
    """Return the comparison with p at the primary threshold only.

    It is "undefined" where no pair is discordant, and empty where there is no pair.
    """
    columns: dict[str, list[float | str]] = {"p": [], "p_holm": []}
    for tested in frame["primary"] & (frame["n"] > 0):
        for name, value in (("p", p), ("p_holm", adjusted)):
            columns[name].append("" if not tested else "undefined" if pd.isna(value) else value)
    return frame.assign(**{name: pd.Series(cells, index=frame.index, dtype=object) for name, cells in columns.items()})


def rate_tables(frames: Frames, rule: SuccessRule, measurement: str | None) -> Iterator[Table]:
    """Yield the success rates of every method by one rule, if any trial was counted."""
    frame = rate_table(frames, rule, measurement)
    if len(frame):
        scores = rule_scores(frames, rule, measurement)
        yield Table(
            title=f"Success rates on {rule.dataset}: {describe_criterion(rule, scores)}",
            frame=with_thresholds(rule, frame),
            notes=(
                *rule_notes(rule, scores, measurement),
                *features_notes(frames, rule.dataset, [measurement]),
                interval_note(scores),
                BAND,
                *absence_notes(frames, rule),
                *trivial_notes(frames, rule),
            ),
            headings={"rate": "success rate"},
            intervals={"rate": ("rate_low", "rate_high")},
        )


def comparison_table(
    frames: Frames, rule: SuccessRule, measurement: str | None, pair: tuple[str, str], frame: pd.DataFrame, family: int
) -> Table:
    """Return the comparison of two methods on equal architectures and seeds; `family`: the number of comparisons."""
    a, b = pair
    scores = rule_scores(frames, rule, measurement)
    scores = scores[scores["method"].isin(pair)]
    primary = frame[frame["primary"]].iloc[0]
    clustered = bool((frame["n"] != frame["units"]).any())
    name = "the exact sign-flip test over architectures" if clustered else "McNemar's exact test"
    at, level = (
        ("", "") if rule.primary is None else (f" at {rule.primary:g}", f", at the primary threshold {rule.primary:g}")
    )
    complete = pair_note(frames.trials, rule.dataset, pair, int(primary["n"]))
    if primary["n"] == 0:
        test = "Nothing is tested yet."
    elif primary["p"] == "undefined":
        test = f"{name[0].upper()}{name[1:]} is undefined: no discordant pair{at}."
    else:
        holm_note = f"adjusted for the suite's {family} comparison{'s' * (family > 1)} (Holm)"
        test = f"p: {name}, two-sided{level}; p holm: {holm_note}."
    return Table(
        title=f"{a} against {b} on {rule.dataset}: {describe_criterion(rule, scores)}",
        frame=with_thresholds(rule, frame.drop(columns="units")),
        notes=(
            f"Every row counts the n pairs of equal architecture and seed. {size_note(scores)}",
            *filter(None, [complete]),
            *rule_notes(rule, scores, measurement),
            *features_notes(frames, rule.dataset, [measurement]),
            interval_note(scores),
            difference_note(a, b, clustered),
            *trivial_notes(frames, rule),
            test,
            *["Rows of other thresholds are descriptive and test nothing."] * (len(rule.thresholds) > 1),
        ),
        headings=side_headings("a", a) | side_headings("b", b),
        intervals={name: (f"{name}_low", f"{name}_high") for name in ("rate_a", "rate_b", "difference")},
    )


def side_headings(side: str, method: str) -> dict[str, str]:
    """Return the headings of the columns of side "a" or "b", with the name of its method."""
    rate = {f"rate_{side}{end}": f"success {method}{end.replace('_', ' ')}" for end in ("", "_low", "_high")}
    return {f"only_{side}": f"only {method}", **rate}


def with_thresholds(rule: SuccessRule, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table as it is shown: without the columns of thresholds if the rule is a condition alone."""
    return frame if rule.thresholds else frame.drop(columns=["threshold", "primary"])


def describe_criterion(rule: SuccessRule, scores: pd.DataFrame) -> str:
    """Return the rule in words, as in "final FID below threshold and recall > 0.5"; also if it must be sustained."""
    direction = scores["direction"].iloc[0] if len(scores) else "neutral"
    side = {"lower": "below", "higher": "above", "neutral": "beyond"}[str(direction)]
    threshold = f"{rule.metric} {side} threshold" if rule.metric is not None else ""
    criterion = metric_title(" and ".join(part for part in (threshold, rule.condition) if part))
    return f"{criterion}{success.describe_sustained(rule)}" if rule.sustained > 1 else f"{rule.at} {criterion}"


def rule_notes(rule: SuccessRule, scores: pd.DataFrame, measurement: str | None) -> tuple[str, ...]:
    """Return the notes that define a success and name the measurement."""
    beyond = ["this score lies strictly beyond the threshold"] * bool(rule.thresholds)
    meets = ["the condition holds at the same snapshot"] * bool(rule.condition)
    parts = " and ".join(["it completes with a finite score", *beyond, *meets])
    measured = "This metric was not measured." if measurement is None else f"Measurement {measurement[:8]}."
    return (f"A trial succeeds if {parts}{success.describe_sustained(rule)}.", stale_note(scores) + measured)


def absence_notes(frames: Frames, rule: SuccessRule) -> Iterator[str]:
    """Yield the note on methods that a rule compares and that have no trial in the plan, if there are any."""
    if absent := absent_methods(frames, rule):
        yield f"Not compared, because the plan has no trial of it on {rule.dataset}: {', '.join(absent)}."


def trivial_notes(frames: Frames, rule: SuccessRule) -> tuple[str, ...]:
    """Return the note on the thresholds of a rule that untrained baselines pass, if there are any."""
    baselines = frames.calibration[frames.calibration["dataset"] == rule.dataset].drop(columns="dataset")
    return trivial_thresholds.write_notes(
        rule, [Calibration(*row) for row in baselines.itertuples(index=False, name=None)]
    )


def interval_note(scores: pd.DataFrame) -> str:
    """Return the note on the intervals of success rates."""
    clustered = scores.groupby("method")["unit"].apply(lambda units: units.duplicated().any()).any()
    size = " at the effective sample size, because seeds of one architecture are correlated" if clustered else ""
    return f"In brackets: Wilson's 95% interval{size}."


def difference_note(a: str, b: str, clustered: bool) -> str:
    """Return the note on the direction of the difference of rates and on its interval."""
    size = ", at the effective sample sizes and with the correlation over architectures" * clustered
    return (
        f"difference: success rate of {a} minus that of {b}, with the 95% interval of Newcombe (1998, method 10){size}."
    )
