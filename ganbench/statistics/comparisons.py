"""The comparisons of a suite: which methods are compared, and the tests of all comparisons as one family."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING

import pandas as pd

from ganbench.statistics.equivalence import equivalence_interval
from ganbench.statistics.final_scores import directed_measurements, measurements, rule_scores, successes
from ganbench.statistics.intervals import NO_INTERVAL, Interval
from ganbench.statistics.outcome_table import stored_suite
from ganbench.statistics.paired_tests import holm
from ganbench.statistics.success_rates import median_differences, pair_trials, paired_p, success_table
from ganbench.suite.success import At, SuccessRule

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

MOST_METHODS, MOST_COMPARISONS = 200, 1000
"""The most methods that are compared without being asked for, and the most comparisons of scores: a matter of time."""

Pairs = Mapping[str, tuple[tuple[str, str], ...]]
"""The pairs of methods to compare, by dataset."""

NO_PAIRS: Pairs = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class ScoreRule:
    """A value of a metric whose scores are compared on a dataset, with the form of a success rule."""

    dataset: str
    metric: str
    at: At = "final"
    thresholds: tuple[float, ...] = ()
    primary: float | None = None
    condition: str | None = None
    compare: tuple[tuple[str, str], ...] = ()
    smallest_effect: float | None = None
    sustained: int = 1


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The comparison of two methods by one rule and one measurement of its metric, with its test.

    `table` is that of `success_table`, or of `median_differences` for a suite without success rules. `p` is the p-value
    of the exact paired test, NaN where it is undefined; `p_holm` is adjusted for all `family` comparisons of the suite.
    `equivalence` is the 90% interval of the difference of success rates at the primary threshold.
    """

    rule: SuccessRule
    measurement: str | None
    pair: tuple[str, str]
    table: pd.DataFrame
    p: float
    equivalence: Interval = NO_INTERVAL
    p_holm: float = float("nan")
    family: int = 1

    @property
    def least_p(self) -> float:
        """The smallest p-value that the exact test can have with so many units; 2 without any."""
        return float(2.0 ** (1 - self.primary["units"]))

    @property
    def primary(self) -> pd.Series[float]:
        """The row of the table that is tested: of the primary threshold, or of the final score."""
        tested = self.table["primary"] if "primary" in self.table else self.table["at"] == self.rule.at
        return self.table[tested].iloc[0]


def compared_pairs(frames: Frames, rule: SuccessRule) -> list[tuple[str, str]]:
    """Return the pairs of methods that a rule compares, of those that are planned on its dataset.

    A rule that declares none compares the dataset's first method, in the order of the plan, with every other; with
    none, if there are more than `MOST_METHODS`, or if they are configurations of a sweep, of which none comes first.
    """
    methods = list_methods(frames, rule)
    suite = stored_suite(frames)
    swept = suite is not None and not suite.configurations.keys().isdisjoint(methods)
    every = [(methods[0], other) for other in methods[1:]] if len(methods) <= MOST_METHODS and not swept else []
    declared = rule.compare or every
    return [pair for pair in declared if set(pair) <= set(methods)]


def absent_methods(frames: Frames, rule: SuccessRule) -> list[str]:
    """Return the methods that a rule compares but that are not planned on its dataset: these pairs are left out."""
    planned = list_methods(frames, rule)
    return [method for method in dict.fromkeys(name for pair in rule.compare for name in pair) if method not in planned]


def list_methods(frames: Frames, rule: SuccessRule) -> list[str]:
    """Return the methods that are planned on a rule's dataset, in the order of the plan."""
    return list(dict.fromkeys(frames.trials.loc[frames.trials["dataset"] == rule.dataset, "method"]))


def compare_successes(frames: Frames, rules: Sequence[SuccessRule]) -> list[Comparison]:
    """Return every comparison of success rates: for each rule and measurement, each pair. All are one Holm family."""
    return adjust(
        Comparison(
            rule=rule,
            measurement=measurement,
            pair=pair,
            table=(table := success_table(frames, rule, pair, measurement)),
            p=float(table.loc[table["primary"], "p"].iloc[0]),
            equivalence=compare_equivalence(frames, rule, pair, measurement),
        )
        for rule in rules
        for measurement in measurements(frames, rule)
        for pair in compared_pairs(frames, rule)
    )


def compare_equivalence(frames: Frames, rule: SuccessRule, pair: tuple[str, str], measurement: str | None) -> Interval:
    """Return the 90% interval of the difference of two methods' success rates at the primary threshold."""
    a, b = pair_trials(rule_scores(frames, rule, measurement), frames, pair)
    success_a, success_b = (successes(side, rule.at, rule.primary) for side in (a, b))
    return equivalence_interval(success_a, success_b, a["unit"])


def compare_scores(frames: Frames, pairs: Pairs = NO_PAIRS) -> list[Comparison]:
    """Return comparisons of final scores, for a suite without success rules: each directed value, each pair.

    `pairs` are the pairs of methods to compare on each dataset; default: its first method with every other.

    The test is the exact sign test on the pairs of equal architecture and seed: does one method score better more
    often? With several seeds it is the sign-flip test over architectures (`paired_p`). All are one Holm family; there
    are at most `MOST_COMPARISONS`.
    """
    found = (
        Comparison(
            rule=rule,
            measurement=measurement,
            pair=pair,
            table=(table := score_table(frames, rule, pair, measurement)),
            p=float(table["p"].iloc[0]),
        )
        for rule, measurement in list_score_rules(frames, pairs)
        for pair in compared_pairs(frames, rule)
    )
    return adjust(islice(found, MOST_COMPARISONS))


def list_score_rules(frames: Frames, pairs: Pairs = NO_PAIRS) -> Iterator[tuple[ScoreRule, str]]:
    """Yield each value with a better direction and each of its measurements, dataset by dataset, by name.

    So the first of a dataset is the value that its outcomes are computed from (docs/reference/outcomes.md).
    `pairs` are the pairs of methods that the rules of each dataset compare.
    """
    for dataset in frames.trials["dataset"].drop_duplicates():
        keys = frames.trials.loc[frames.trials["dataset"] == dataset, "key"]
        for name in sorted({name for name, _ in frames.measured}):
            for measurement in directed_measurements(frames, name, keys):
                yield ScoreRule(dataset=str(dataset), metric=name, compare=pairs.get(dataset, ())), measurement


def score_table(frames: Frames, rule: SuccessRule, pair: tuple[str, str], measurement: str | None) -> pd.DataFrame:
    """Return `median_differences` with the pairs in which A or B scores better, those that tie, and p of `paired_p`.

    Further columns: better_a, better_b, ties, p.
    """
    table = median_differences(frames, rule, pair, measurement)
    a, b = pair_trials(rule_scores(frames, rule, measurement), frames, pair)
    rows = []
    for at in table["at"]:
        sign = -1.0 if (a["direction"] == "higher").any() else 1.0
        lower_a, lower_b = sign * a[at].to_numpy(float), sign * b[at].to_numpy(float)
        wins, losses = lower_a < lower_b, lower_b < lower_a
        counts = {"better_a": int(wins.sum()), "better_b": int(losses.sum())}
        rows.append({**counts, "ties": len(a) - sum(counts.values()), "p": paired_p(wins, losses, a["unit"])})
    return table.join(pd.DataFrame(rows, index=table.index))


def adjust(comparisons: Iterator[Comparison]) -> list[Comparison]:
    """Return comparisons with the p-values of Holm's method, over all of them."""
    found = list(comparisons)
    adjusted = holm([each.p for each in found])
    return [replace(each, p_holm=p, family=len(found)) for each, p in zip(found, adjusted, strict=True)]
