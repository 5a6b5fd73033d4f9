"""The sentences on the comparison of two methods: which one is better, by how much, and by which test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ganbench.report.notes import pair_note
from ganbench.report.readings import describe_reading, describe_units
from ganbench.report.words import show_ends, show_number, show_p, show_percent, show_points
from ganbench.statistics.comparisons import Comparison, ScoreRule
from ganbench.statistics.equivalence import is_within
from ganbench.statistics.intervals import Interval
from ganbench.statistics.sensitivity import LEVEL

if TYPE_CHECKING:
    from ganbench.results.frames import Frames


def judge_pair(frames: Frames, each: Comparison) -> Iterator[str]:
    """Yield the sentences on one comparison, the answer first."""
    row, planned = each.primary, pair_note(frames.trials, each.rule.dataset, each.pair, int(each.primary["n"]))
    if row["n"] == 0:
        yield f"There is no verdict yet: no pair of {each.pair[0]} and {each.pair[1]} is complete."
    elif isinstance(each.rule, ScoreRule):
        yield from judge_scores(frames, each, planned)
    else:
        yield from judge_successes(frames, each, planned)


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
        f"95% interval [{low}, {high}]; {describe_test(each)}"
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
    ends = show_ends(Interval(row["difference_low"], row["difference_high"]))
    yield (
        f"Median of the paired differences ({a} minus {b}): {show_number(row['difference'])}"
        f"{', 95% interval' * bool(ends)}{ends}; {describe_test(each)}"
    )


def begin(planned: str) -> str:
    """Return the beginning of an answer: how many of the planned pairs are complete, where some are not."""
    return f"{planned.removesuffix('.')}; on these, " if planned else ""


def describe_test(each: Comparison) -> str:
    """Return the test of a comparison with its p-value, adjusted by Holm's method if it is one of several."""
    n, units = int(each.primary["n"]), int(each.primary["units"])
    exact = "exact sign test" if isinstance(each.rule, ScoreRule) else "McNemar's exact test"
    name = exact if n == units else "exact sign-flip test over architectures"
    if each.p != each.p:
        return f"{name}: undefined, because the two do not differ on any pair."
    adjusted = f"{show_p(each.p_holm)}, adjusted for {each.family} comparisons (Holm)"
    return f"{name}: {adjusted if each.family > 1 else show_p(each.p)}."


def describe_floor(own: Sequence[Comparison]) -> Iterator[str]:
    """Yield that no test of a rule can show a difference, where all of them have too few units."""
    least = min(each.least_p for each in own)
    if LEVEL <= least <= 1:
        units = max(int(each.primary["units"]) for each in own)
        yield f"With so few units (n = {units}) no test can show a difference: p is {show_number(least)} or more."
