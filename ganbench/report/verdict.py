"""The verdict in words: what the statistics of a suite say, and nothing else.

The first sentence of each verdict is the answer; the others are its evidence and its limits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from ganbench.api.metrics import metric_title
from ganbench.report.pair_verdict import describe_floor, judge_pair
from ganbench.report.readings import describe_reading, describe_units, find_direction, list_readings
from ganbench.report.shown import limit_values
from ganbench.report.success_tables import absence_notes, trivial_notes
from ganbench.report.tuning_words import describe_tuning
from ganbench.report.words import MOST_NAMED, join_words, plural, shorten_list, show_number, show_percent
from ganbench.statistics.comparisons import (
    NO_PAIRS,
    Comparison,
    Pairs,
    ScoreRule,
    compare_scores,
    compare_successes,
)
from ganbench.statistics.final_scores import headline, rule_scores
from ganbench.statistics.intervals import Interval, quantile
from ganbench.statistics.outcome_counts import count_outcomes
from ganbench.statistics.score_bounds import reference_scores
from ganbench.statistics.sensitivity import LEVEL
from ganbench.statistics.success_rates import rate_table
from ganbench.suite.success import SuccessRule

if TYPE_CHECKING:
    import pandas as pd

    from ganbench.results.frames import Frames

LOST = {"diverged": "Diverged", "failed": "Failed", "timed_out": "Timed out"}
"""The outcomes of trials that are lost, by column of `count_outcomes`."""

SHORT = 8
"""Digits of a measurement's hash that a reader sees."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the results say of one comparison (`pair`), or of a rule as a whole (`pair` is None).

    The first of the sentences is the answer. Names of third parties within them are not escaped.
    """

    title: str
    dataset: str
    pair: tuple[str, str] | None
    sentences: tuple[str, ...]


def make_verdicts(frames: Frames, rules: Sequence[SuccessRule], pairs: Pairs = NO_PAIRS) -> list[Verdict]:
    """Return the verdicts of a suite, by success rule; without rules, on the scores of each value of a metric.

    `pairs` are the pairs of methods to compare by scores on each dataset; default: its first method with every other.

    A rule with several comparisons, or without any, begins with a verdict on the rule as a whole. It says how all
    compared methods stand to the baselines, and how many of their trials diverged or failed; the verdict on a rule's
    only comparison says so itself.
    """
    frames, _ = limit_values(frames, rules)
    comparisons = compare_successes(frames, rules) if rules else compare_scores(frames, pairs)
    readings = list_readings(frames, rules, pairs)
    counts = {(row["dataset"], row["method"]): row for row in count_outcomes(frames).to_dict("records")}
    verdicts: list[Verdict] = []
    for rule, way in readings:
        own = [each for each in comparisons if (each.rule, each.measurement) == (rule, way)]
        several = sum(other == rule for other, _ in readings) > 1
        title = describe_reading(frames, rule, way) + f", measurement {str(way)[:SHORT]}" * several
        make = partial(Verdict, dataset=rule.dataset)
        if len(own) != 1:
            whole = judge_whole(frames, rule, way, own, counts)
            verdicts.append(make(title=f"{rule.dataset}: {title}", pair=None, sentences=tuple(whole)))
        for each in own:
            heading = f"{' against '.join(each.pair)} on {rule.dataset}: {title}"
            sentences = judge_pair(frames, each)
            if len(own) == 1:
                sentences = chain(sentences, describe_floor(own), judge_context(frames, rule, way, each.pair, counts))
            verdicts.append(make(title=heading, pair=each.pair, sentences=tuple(sentences)))
    return verdicts or [make_empty(frames, str(dataset)) for dataset in frames.trials["dataset"].unique()]


def make_empty(frames: Frames, dataset: str) -> Verdict:
    """Return the verdict on a dataset on which nothing is measured that has a better direction."""
    trials = frames.trials[frames.trials["dataset"] == dataset]
    done = int((trials["status"] != "missing").sum())
    answer = f"There is no verdict: no score with a better direction is measured on {dataset}."
    return Verdict(
        title=dataset,
        dataset=dataset,
        pair=None,
        sentences=(answer, f"{done} of {plural(len(trials), 'planned trial')} have a record."),
    )


# a rule as a whole


def judge_whole(
    frames: Frames,
    rule: SuccessRule,
    measurement: str | None,
    own: Sequence[Comparison],
    counts: Mapping[tuple[str, str], Mapping[Any, Any]],
) -> Iterator[str]:
    """Yield the sentences on a rule with several comparisons, or with none, the answer first."""
    if own:
        found = [describe_order(each) for each in own if each.p_holm < LEVEL]
        words = join_words(shorten_list(found))
        number = f"{len(found)} of {len(own)}" if found else f"None of the {len(own)}"
        shows = "show" if len(found) > 1 else "shows"
        yield f"{number} comparisons {shows} a difference at 5%, adjusted by Holm's method{': ' * bool(found)}{words}."
        yield from describe_floor(own)
        methods = tuple(dict.fromkeys(method for each in own for method in each.pair))
    else:
        methods = tuple(frames.trials.loc[frames.trials["dataset"] == rule.dataset, "method"].drop_duplicates())
        if not isinstance(rule, ScoreRule):
            yield describe_rates(frames, rule, measurement, methods)
        yield "There is no other method to compare with." if len(methods) == 1 else "The suite compares none of them."
    yield from judge_context(frames, rule, measurement, methods, counts)


def describe_order(each: Comparison) -> str:
    """Return which of two methods is better, as in "b over a"."""
    row, (a, b) = each.primary, each.pair
    lead = row["better_a"] - row["better_b"] if isinstance(each.rule, ScoreRule) else row["difference"]
    return f"{a} over {b}" if lead > 0 else f"{b} over {a}"


def describe_rates(frames: Frames, rule: SuccessRule, measurement: str | None, methods: tuple[str, ...]) -> str:
    """Return the success rates of methods that are not compared, at the primary threshold."""
    rates = rate_table(frames, rule, measurement)
    if not len(rates):
        return "There is no verdict yet: no trial is complete."
    units = describe_units(frames, rule, methods)
    words = [
        f"{row['method']} succeeds on {row['successes']}/{row['n']} "
        f"{show_percent(Interval(row['rate_low'], row['rate_high']))} of the {units}"
        for row in rates[rates["primary"]].to_dict("records")
    ]
    return f"{join_words(shorten_list(words))}."


# what both share


def judge_context(
    frames: Frames,
    rule: SuccessRule,
    measurement: str | None,
    methods: tuple[str, ...],
    counts: Mapping[tuple[str, str], Mapping[Any, Any]],
) -> Iterator[str]:
    """Yield how methods stand to the baselines, what was lost, how they were chosen, and if the rule is too easy."""
    yield from judge_medians(frames, rule, measurement, methods)
    yield from describe_losses(rule.dataset, methods, counts)
    yield from describe_tuning(frames, rule.dataset)
    yield from absence_notes(frames, rule)
    yield from trivial_notes(frames, rule)


def judge_medians(frames: Frames, rule: SuccessRule, measurement: str | None, methods: Sequence[str]) -> Iterator[str]:
    """Yield how the methods' median scores stand to the best untrained baseline and to the data itself."""
    scores, name = rule_scores(frames, rule, measurement), headline(frames, rule)
    direction = find_direction(frames, rule, measurement)
    groups: dict[Any, pd.Series[float]] = dict(iter(scores.groupby("method", sort=False)[rule.at]))
    medians = {method: quantile(groups[method], 0.5) for method in methods if method in groups}
    if direction == "neutral" or not medians:
        return
    upper, trivial = reference_scores(frames, rule.dataset, name, measurement)
    if len(medians) <= MOST_NAMED:
        shown = ", ".join(f"{method} {show_number(value)}" for method, value in medians.items())
        bound = f"; {upper.sampler}, the upper bound, has {show_number(upper.value)}" if upper else ""
        lost = " inf: most of the method's trials have no score." * any(map(math.isinf, medians.values()))
        yield f"Median {rule.at} {metric_title(name)} of all trials: {shown}{bound}.{lost}"
    if trivial is None:
        return
    sign = -1 if direction == "lower" else 1
    better = [method for method, value in medians.items() if sign * value > sign * trivial.value]
    baseline = f"the best untrained baseline ({trivial.sampler}, {show_number(trivial.value)})"
    if len(better) == len(medians) > 1:
        yield f"{'Both' if len(better) == 2 else 'All'} are better than {baseline}."
    elif better:
        verb = "is" if len(better) == 1 else "are"
        yield f"{'Only ' * (len(medians) > 1)}{join_words(shorten_list(better))} {verb} better than {baseline}."
    else:
        yield f"{ {1: 'It is not', 2: 'Neither is'}.get(len(medians), 'None is') } better than {baseline}."


def describe_losses(
    dataset: str, methods: Sequence[str], counts: Mapping[tuple[str, str], Mapping[Any, Any]]
) -> Iterator[str]:
    """Yield how many planned trials diverged, failed or timed out, and how many are missing or stale."""
    if not any(counts[dataset, method][outcome] for method in methods for outcome in LOST):
        yield "No trial diverged or failed."
    for outcome, words in {**LOST, "missing": "Not trained yet"}.items():
        rows = {method: counts[dataset, method] for method in methods}
        parts = [f"{method} {int(row[outcome])}/{int(row['planned'])}" for method, row in rows.items() if row[outcome]]
        if parts:
            yield f"{words}: {', '.join(shorten_list(parts))}."
    if stale := sum(int(counts[dataset, method]["stale"]) for method in methods):
        yield f"{plural(stale, 'trial')} of these {'is' if stale == 1 else 'are'} stale: of other code than the plan's."
