"""Who succeeds, and which method more often: the tables of a suite's success rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from ganbench.api.records import Calibration
from ganbench.evaluation import trivial_thresholds
from ganbench.report.table import Table, size_note, stale_note
from ganbench.statistics.final_scores import measurements, with_success
from ganbench.statistics.paired_tests import holm
from ganbench.statistics.success_rates import rate_table, success_table
from ganbench.suite.success import SuccessRule

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

BAND = (
    "band low, band high: with 95% a method's whole curve, over all thresholds at once, lies within (Kolmogorov's "
    "band, at the effective sample size)."
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
        yield from rate_tables(frames, rule, measurement)
    for (rule, measurement, pair, frame), p, adjusted in zip(comparisons, raw, holm(raw), strict=True):
        yield comparison_table(frames, rule, measurement, pair, with_p_values(frame, p, adjusted), len(comparisons))


def with_p_values(frame: pd.DataFrame, p: float, adjusted: float) -> pd.DataFrame:
    """The comparison with p at the primary threshold alone; "undefined" where there was no discordant pair."""
    shown = {name: [] for name in ("p", "p_holm")}  # type: dict[str, list[float | str]]
    for primary in frame["primary"]:
        for name, value in (("p", p), ("p_holm", adjusted)):
            shown[name].append("" if not primary else "undefined" if pd.isna(value) else value)
    return frame.assign(**{name: pd.Series(cells, index=frame.index, dtype=object) for name, cells in shown.items()})


def rate_tables(frames: Frames, rule: SuccessRule, measurement: str | None) -> Iterator[Table]:
    """Every method's success rates by one rule, if any trial was counted."""
    frame = rate_table(frames, rule, measurement)
    if len(frame):
        standing = with_success(frames, rule, measurement)
        yield Table(
            title=f"Success rates on {rule.dataset}: {describe_criterion(rule, standing)}",
            frame=with_thresholds(rule, frame),
            notes=(
                *rule_notes(rule, standing, measurement),
                interval_note(standing),
                BAND,
                *trivial_notes(frames, rule),
            ),
            headings={"rate": "success rate"},
            intervals={"rate": ("rate_low", "rate_high")},
        )


def comparison_table(
    frames: Frames, rule: SuccessRule, measurement: str | None, pair: tuple[str, str], frame: pd.DataFrame, family: int
) -> Table:
    """Two methods on pairs of equal architecture and seed."""
    a, b = pair
    standing = with_success(frames, rule, measurement)
    standing = standing[standing["method"].isin(pair)]
    primary = frame[frame["primary"]].iloc[0]
    clustered = bool((frame["n"] != frame["units"]).any())
    name = "The exact sign-flip test over architectures" if clustered else "McNemar's exact test"
    undefined = primary["p"] == "undefined"
    at, level = (
        ("", "") if rule.primary is None else (f" at {rule.primary:g}", f", at the primary threshold {rule.primary:g}")
    )
    test = (
        f"{name} is undefined: no discordant pair{at}."
        if undefined
        else f"p: {name}, two-sided{level}; "
        f"p holm: adjusted for the suite's {family} comparison{'s' * (family > 1)} (Holm)."
    )
    return Table(
        title=f"{a} against {b} on {rule.dataset}: {describe_criterion(rule, standing)}",
        frame=with_thresholds(rule, frame.drop(columns="units")),
        notes=(
            f"Every row counts the n pairs of equal architecture and seed. {size_note(standing)}",
            *rule_notes(rule, standing, measurement),
            interval_note(standing),
            difference_note(a, b, clustered),
            *trivial_notes(frames, rule),
            test,
            *["Other thresholds describe; they test nothing."] * (len(rule.thresholds) > 1),
        ),
        headings=side_headings("a", a) | side_headings("b", b),
        intervals={name: (f"{name}_low", f"{name}_high") for name in ("rate_a", "rate_b", "difference")},
    )


def side_headings(side: str, method: str) -> dict[str, str]:
    """The columns of one of two methods, named for it."""
    rate = {f"rate_{side}{end}": f"success {method}{end.replace('_', ' ')}" for end in ("", "_low", "_high")}
    return {f"only_{side}": f"only {method}", **rate}


def with_thresholds(rule: SuccessRule, frame: pd.DataFrame) -> pd.DataFrame:
    """The table as it is shown: a condition alone has no thresholds to stand in it."""
    return frame if rule.thresholds else frame.drop(columns=["threshold", "primary"])


def describe_criterion(rule: SuccessRule, standing: pd.DataFrame) -> str:
    """The rule in words."""
    direction = standing["direction"].iloc[0] if len(standing) else "neutral"
    side = {"lower": "below", "higher": "above", "neutral": "beyond"}[str(direction)]
    threshold = f"{rule.metric} {side} threshold" if rule.metric is not None else ""
    return f"{rule.at} {' and '.join(part for part in (threshold, rule.condition) if part)}"


def rule_notes(rule: SuccessRule, standing: pd.DataFrame, measurement: str | None) -> tuple[str, ...]:
    """What a success is, and how it was measured."""
    beyond = ["strictly beyond the threshold"] * bool(rule.thresholds)
    meets = ["meets the condition at the same snapshot"] * bool(rule.condition)
    how = "This metric was not measured." if measurement is None else f"Measurement {measurement[:8]}."
    success = f"A success is {' and '.join(['alive to the end', *beyond, *meets])}."
    return (success, stale_note(standing) + how)


def trivial_notes(frames: Frames, rule: SuccessRule) -> tuple[str, ...]:
    """Which of the rule's thresholds a sampler passes that nobody trained."""
    own = frames.calibration[frames.calibration["dataset"] == rule.dataset].drop(columns="dataset")
    return trivial_thresholds.write_notes(rule, [Calibration(*row) for row in own.itertuples(index=False, name=None)])


def interval_note(standing: pd.DataFrame) -> str:
    """By which interval rates are surrounded."""
    clustered = standing.groupby("method")["unit"].apply(lambda units: units.duplicated().any()).any()
    size = " at the effective sample size, as seeds of one architecture resemble each other" if clustered else ""
    return f"In brackets: Wilson's 95% interval{size}."


def difference_note(a: str, b: str, clustered: bool) -> str:
    """Which way the difference of rates goes, and by which interval it is surrounded."""
    size = ", at the effective sample sizes and with the correlation over architectures" * clustered
    return f"difference: success of {a} less that of {b}, with the 95% interval of Newcombe (1998, method 10){size}."
