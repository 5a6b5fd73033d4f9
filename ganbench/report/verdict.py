"""The verdict in words: what the statistics of a suite say, and nothing else.

The first sentence of each verdict is the answer; the others are its evidence and its limits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ganbench.api.metrics import metric_title
from ganbench.report.notes import pair_note
from ganbench.report.shown import limit_values
from ganbench.report.success_tables import trivial_notes
from ganbench.report.words import (
    join_words,
    plural,
    show_ends,
    show_number,
    show_p,
    show_percent,
    show_points,
)
from ganbench.statistics.comparisons import Comparison, ScoreRule, compare_scores, compare_successes, list_score_rules
from ganbench.statistics.equivalence import is_within
from ganbench.statistics.final_scores import headline, measurements, rule_scores
from ganbench.statistics.intervals import Interval, quantile
from ganbench.statistics.outcome_counts import count_outcomes
from ganbench.statistics.score_bounds import reference_scores
from ganbench.statistics.sensitivity import LEVEL
from ganbench.statistics.success_rates import rate_table
from ganbench.suite.success import SuccessRule

if TYPE_CHECKING:
    import pandas as pd

    from ganbench.results.frames import Frames

MOST_NAMED = 8
"""The most differences, or methods, that one sentence lists."""

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


def make_verdicts(frames: Frames, rules: Sequence[SuccessRule]) -> list[Verdict]:
    """Return the verdicts of a suite, by success rule; without rules, on the scores of each value of a metric.

    A rule with several comparisons, or without any, begins with a verdict on the rule as a whole.
    """
    frames, _ = limit_values(frames, rules)
    comparisons = compare_successes(frames, rules) if rules else compare_scores(frames)
    readings: list[tuple[SuccessRule, str | None]] = (
        [(rule, way) for rule in rules for way in measurements(frames, rule)]
        if rules
        else list(list_score_rules(frames))
    )
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
            verdicts.append(make(title=heading, pair=each.pair, sentences=tuple(judge_pair(frames, each, counts))))
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


def describe_reading(frames: Frames, rule: SuccessRule, measurement: str | None) -> str:
    """Return what is compared in words: "final FID < 30 and recall > 0.5", or "final FID" without a success rule."""
    if isinstance(rule, ScoreRule):
        return f"{rule.at} {metric_title(rule.metric)}"
    sign = {"lower": "<", "higher": ">"}.get(find_direction(frames, rule, measurement), "beyond")
    threshold = f"{rule.metric} {sign} {rule.primary:g}" if rule.primary is not None else ""
    return f"{rule.at} {metric_title(' and '.join(part for part in (threshold, rule.condition) if part))}"


def find_direction(frames: Frames, rule: SuccessRule, measurement: str | None) -> str:
    """Return the better direction of a rule's metric, "neutral" where nothing was measured."""
    scores = rule_scores(frames, rule, measurement)
    return str(scores["direction"].iloc[0]) if len(scores) else "neutral"


# one comparison


def judge_pair(frames: Frames, each: Comparison, counts: Mapping[tuple[str, str], Mapping[Any, Any]]) -> Iterator[str]:
    """Yield the sentences on one comparison, the answer first."""
    row, planned = each.primary, pair_note(frames.trials, each.rule.dataset, each.pair, int(each.primary["n"]))
    if row["n"] == 0:
        yield f"There is no verdict yet: no pair of {each.pair[0]} and {each.pair[1]} is complete."
    elif isinstance(each.rule, ScoreRule):
        yield from judge_scores(frames, each, planned)
    else:
        yield from judge_successes(frames, each, planned)
    yield from judge_medians(frames, each.rule, each.measurement, each.pair)
    yield from describe_losses(each.rule.dataset, each.pair, counts)
    yield from trivial_notes(frames, each.rule)


def judge_successes(frames: Frames, each: Comparison, planned: str) -> Iterator[str]:
    """Yield who succeeded on how many, the difference with its test, and how it stands to the smallest effect."""
    row, (a, b) = each.primary, each.pair
    rates = {
        method: f"{int(row['both'] + row[f'only_{side}'])}/{int(row['n'])} "
        + show_percent(Interval(row[f"rate_{side}_low"], row[f"rate_{side}_high"]))
        for side, method in (("a", a), ("b", b))
    }
    units = describe_units(frames, each.rule, each.pair)
    shown, flip = each.p_holm < LEVEL, each.p_holm < LEVEL and row["difference"] < 0
    first, second = (b, a) if flip else (a, b)
    answer = f"{first} succeeds more often than {second}" if shown else f"{a} and {b} are not distinguishable at this n"
    yield f"{begin(planned)}{answer}: {rates[first]} against {rates[second]} of the {units}."
    sign, ends = (-1, ("high", "low")) if flip else (1, ("low", "high"))
    low, high = (show_points(sign * row[f"difference_{end}"]) for end in ends)
    yield (
        f"Success rate of {first} minus that of {second}: {show_points(sign * row['difference'])} percentage points, "
        f"95% interval [{low}, {high}]; {describe_test(each, shown)}"
    )
    if each.rule.smallest_effect is not None:
        yield judge_effect(each.rule.smallest_effect, each, shown)


def judge_effect(smallest: float, each: Comparison, shown: bool) -> str:
    """Return how a difference stands to the smallest one that matters: two one-sided tests at 5%.

    "Not distinguishable" and "equal" are different answers: few pairs give the first one, many the second.
    """
    points = f"{show_number(100 * smallest)} percentage points"
    low, high = (show_points(end) for end in each.equivalence)
    interval = f"the 90% interval of the difference, [{low}, {high}] ({' minus '.join(each.pair)})"
    tests = "two one-sided tests at 5%, unadjusted"
    if is_within(each.equivalence, smallest):
        answer = "The difference is smaller than you care about" if shown else f"They are equal within {points}"
        return f"{answer}: {interval}, lies within {points} either way ({tests})."
    if not shown:
        return f"They are not shown to be equal within {points} either: {interval}, reaches beyond ({tests})."
    least = min(abs(each.primary["difference_low"]), abs(each.primary["difference_high"]))
    may = "is larger than" if least > smallest else "may be smaller than"
    return f"By its 95% interval, the difference {may} the smallest one that you care about, {points}."


def judge_scores(frames: Frames, each: Comparison, planned: str) -> Iterator[str]:
    """Yield which method scores better on how many pairs, and the median difference with its test."""
    row, (a, b) = each.primary, each.pair
    better, units = {a: int(row["better_a"]), b: int(row["better_b"])}, describe_units(frames, each.rule, each.pair)
    shown, value = each.p_holm < LEVEL, describe_reading(frames, each.rule, each.measurement)
    first, second = (b, a) if better[b] > better[a] else (a, b)
    answer = f"{first} scores better than {second}" if shown else f"{a} and {b} are not distinguishable at this n"
    ties = f", {int(row['ties'])} equal" * bool(row["ties"])
    yield (
        f"{begin(planned)}{answer}: {first} has the better {value} on {better[first]} of {int(row['n'])} {units}, "
        f"{second} on {better[second]}{ties}."
    )
    ends = Interval(row["difference_low"], row["difference_high"])
    yield (
        f"Median of the paired differences ({a} minus {b}): {show_number(row['difference'])}"
        f"{show_ends(ends)}{', 95% interval' if show_ends(ends) else ''}; {describe_test(each, shown)}"
    )


def begin(planned: str) -> str:
    """Return the beginning of an answer: how many of the planned pairs are complete, where some are not."""
    return f"{planned.removesuffix('.')}; on these, " if planned else ""


def describe_test(each: Comparison, shown: bool) -> str:
    """Return the test of a comparison with its p-value, adjusted by Holm's method if it is one of several."""
    n, units = int(each.primary["n"]), int(each.primary["units"])
    exact = "exact sign test" if isinstance(each.rule, ScoreRule) else "McNemar's exact test"
    name = exact if n == units else "exact sign-flip test over architectures"
    if each.p != each.p:
        return f"{name}: undefined, because the two do not differ on any pair."
    least = 2.0 ** (1 - units)
    floor = (
        f" With so few units (n = {units}) no p below {show_number(least)} is possible: it cannot show a difference."
    )
    adjusted = f"{show_p(each.p_holm)}, adjusted for {each.family} comparisons (Holm)"
    return f"{name}: {adjusted if each.family > 1 else show_p(each.p)}.{floor * (not shown and least >= LEVEL)}"


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
        words = join_words([*found[:MOST_NAMED], *[f"{len(found) - MOST_NAMED} more"] * (len(found) > MOST_NAMED)])
        number = f"{len(found)} of {len(own)}" if found else f"None of the {len(own)}"
        shows = "show" if len(found) > 1 else "shows"
        yield f"{number} comparisons {shows} a difference at 5%, adjusted by Holm's method{': ' * bool(found)}{words}."
        return
    methods = tuple(frames.trials.loc[frames.trials["dataset"] == rule.dataset, "method"].drop_duplicates())
    if not isinstance(rule, ScoreRule):
        yield describe_rates(frames, rule, measurement, methods)
    yield "There is no other method to compare with." if len(methods) == 1 else "The suite compares none of them."
    yield from judge_medians(frames, rule, measurement, methods)
    yield from describe_losses(rule.dataset, methods, counts)
    yield from trivial_notes(frames, rule)


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
    return f"{join_words(words[:MOST_NAMED])}."


# what both share


def describe_units(frames: Frames, rule: SuccessRule, methods: Sequence[str]) -> str:
    """Return what is counted: architectures, the seeds of the only one, or trials of several of both."""
    trials = frames.trials[(frames.trials["dataset"] == rule.dataset) & frames.trials["method"].isin(methods)]
    architectures, seeds = trials["architecture"].nunique(), trials["seed"].nunique()
    if architectures == 1:
        return "seeds (of one architecture)"
    return "architectures" if seeds == 1 else f"trials ({architectures} architectures x {seeds} seeds)"


def judge_medians(frames: Frames, rule: SuccessRule, measurement: str | None, methods: Sequence[str]) -> Iterator[str]:
    """Yield how the methods' median scores stand to the best untrained baseline and to the data itself."""
    scores, name = rule_scores(frames, rule, measurement), headline(frames, rule)
    direction = find_direction(frames, rule, measurement)
    groups: dict[Any, pd.Series[float]] = dict(iter(scores.groupby("method", sort=False)[rule.at]))
    medians = {method: quantile(groups[method], 0.5) for method in methods if method in groups}
    if direction == "neutral" or not medians:
        return
    shown = ", ".join(f"{method} {show_number(value)}" for method, value in list(medians.items())[:MOST_NAMED])
    upper, trivial = reference_scores(frames, rule.dataset, name, measurement)
    bound = f"; {upper.sampler}, the upper bound, has {show_number(upper.value)}" if upper else ""
    yield f"Median {rule.at} {metric_title(name)} of all trials: {shown}{bound}."
    if trivial is None:
        return
    sign = -1 if direction == "lower" else 1
    better = [method for method, value in medians.items() if sign * value > sign * trivial.value]
    baseline = f"the best untrained baseline ({trivial.sampler}, {show_number(trivial.value)})"
    if len(better) == len(medians) > 1:
        yield f"{'Both' if len(better) == 2 else 'All'} are better than {baseline}."
    elif better:
        verb = "is" if len(better) == 1 else "are"
        yield f"{'Only ' * (len(medians) > 1)}{join_words(better[:MOST_NAMED])} {verb} better than {baseline}."
    else:
        yield f"{ {1: 'It is not', 2: 'Neither is'}.get(len(medians), 'None is') } better than {baseline}."


def describe_losses(
    dataset: str, methods: Sequence[str], counts: Mapping[tuple[str, str], Mapping[Any, Any]]
) -> Iterator[str]:
    """Yield how many planned trials diverged, failed, timed out, are missing or stale."""
    names = {"diverged": "diverged", "failed": "failed", "timed_out": "timed out", "missing": "not trained yet"}
    parts = []
    for method in methods:
        row = counts[dataset, method]
        losses = [f"{int(row[name])} {words}" for name, words in names.items() if row[name]]
        if losses:
            parts.append(f"{method}: of {plural(int(row['planned']), 'trial')} {join_words(losses)}")
    yield f"{'; '.join(parts[:MOST_NAMED])}." if parts else "No trial diverged or failed."
    if stale := sum(int(counts[dataset, method]["stale"]) for method in methods):
        yield f"{plural(stale, 'trial')} of these {'is' if stale == 1 else 'are'} stale: of other code than the plan's."
