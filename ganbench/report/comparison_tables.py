"""Tables that only a comparison of sides has: outperformance, interquartile means, costs to success, ranks, pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from ganbench.api.metrics import metric_title
from ganbench.report.readings import Reading
from ganbench.statistics.cost_profiles import LARGEST_RATIO, cost_profile, profile_score
from ganbench.statistics.equivalence import is_within
from ganbench.statistics.final_scores import headline, rule_scores, successes
from ganbench.statistics.interquartile import interquartile_interval, interquartile_mean
from ganbench.statistics.intervals import Interval
from ganbench.statistics.outperformance import (
    GAMMA,
    Direction,
    Outperformance,
    paired_outperformance,
    read_evidence,
)
from ganbench.statistics.paired_tests import holm
from ganbench.statistics.pairs_needed import POWER, mcnemar_pairs, noether_pairs
from ganbench.statistics.reaching_costs import reaching_costs
from ganbench.statistics.resampled_ranks import rank_stability
from ganbench.statistics.success_rates import pair_trials
from ganbench.suite.success import SuccessRule
from ganbench.table import Table, name_undefined

if TYPE_CHECKING:
    from ganbench.results.frames import Frames
    from ganbench.statistics.comparisons import Comparison

Row = dict[str, Any]


def outperformance_tables(frames: Frames, readings: Sequence[Reading]) -> Iterator[Table]:
    """Yield the probability that the first side scores better, for each metric that has a better direction."""
    rows: list[Row] = []
    for rule, measurement in readings:
        scores = rule_scores(frames, rule, measurement)
        if (scores["direction"] == "neutral").any():
            continue
        for pair in rule.compare:
            a, b = pair_trials(scores, frames, pair)
            direction = cast("Direction", str(a["direction"].iloc[0]) if len(a) else "lower")
            found = paired_outperformance(a[rule.at], b[rule.at], a["unit"], direction)
            names = {"dataset": rule.dataset, "metric": headline(frames, rule), "at": rule.at}
            counts = {"wins": found.wins, "ties": found.ties, "losses": found.losses, "n": len(a)}
            ends = {"probability_low": found.interval.low, "probability_high": found.interval.high}
            chance = {"probability": found.probability, **ends, "evidence": weigh(found), "p": found.p}
            rows.append({**names, "a": pair[0], "b": pair[1], **counts, **chance})
    if not rows:
        return
    frame = pd.DataFrame(rows).drop_duplicates(["dataset", "metric", "at", "a", "b"], ignore_index=True)
    yield Table(
        title="Probability of outperforming",
        frame=frame.assign(p_holm=holm(frame["p"].tolist())),
        notes=(
            "probability: that A scores better than B on one cell, (wins + ties / 2) / n. A trial without a score "
            "loses against one with a score; two without are a tie (Bouthillier et al. 2021). In brackets: Wilson's "
            "95% interval at the effective sample size.",
            "evidence, for the side that is better more often: no evidence if its interval reaches down to 0.5; "
            f"meaningful if it lies above and reaches beyond {GAMMA:g}; else detectable but small. "
            f"{noether_pairs(GAMMA)} pairs show a probability of {GAMMA:g} with 95% power (Noether 1987).",
            "p: the exact sign test on wins and losses, two-sided; with several seeds the sign-flip test over "
            f"architectures. p holm: adjusted for the {len(frame)} of this table.",
        ),
        headings={"a": "A", "b": "B"},
        intervals={"probability": ("probability_low", "probability_high")},
        words={"metric": metric_title, "p": name_undefined, "p_holm": name_undefined},
    )


def weigh(found: Outperformance) -> str:
    """Return how strong the evidence is, for whichever side is better more often, as in "B: meaningful"."""
    low, high = found.interval
    if found.probability >= 0.5:
        words, side = read_evidence(found.interval), "A"
    else:
        words, side = read_evidence(Interval(1 - high, 1 - low)), "B"
    return words if words in ("", "no evidence") else f"{side}: {words}"


def interquartile_tables(frames: Frames, readings: Sequence[Reading]) -> Iterator[Table]:
    """Yield the interquartile means of the scores that decide."""
    rows: list[Row] = []
    for rule, measurement in readings:
        scores = rule_scores(frames, rule, measurement)
        for method, group in () if (scores["direction"] == "neutral").any() else scores.groupby("method", sort=False):
            names = {"dataset": rule.dataset, "metric": headline(frames, rule), "at": rule.at, "method": method}
            ends = interquartile_interval(group[rule.at], group["unit"])
            mean = {"mean": interquartile_mean(group[rule.at]), "mean_low": ends.low, "mean_high": ends.high}
            rows.append({**names, **mean, "n": len(group), "finite": int(group["scored"].sum())})
    if rows:
        yield Table(
            title="Interquartile means",
            frame=pd.DataFrame(rows).drop_duplicates(["dataset", "metric", "at", "method"], ignore_index=True),
            notes=(
                "interquartile mean: the mean of the middle half of the scores, without the n/4 (rounded down) best "
                "and the n/4 worst ones. Trials without a score are the worst (inf where lower is better). It is "
                "finite while at most n/4 of the trials have none (Agarwal et al. 2021).",
                "In brackets: the 95% percentile interval of the bootstrap over whole architectures (over seeds, if "
                "there is only one); none for fewer than six.",
            ),
            headings={"mean": "interquartile mean", "finite": "finite of n"},
            intervals={"mean": ("mean_low", "mean_high")},
            words={"metric": metric_title},
        )


def group_sides(rule: SuccessRule) -> list[list[str]]:
    """Return what stands in one ranking: each method of the first side with its counterparts on the others."""
    groups: dict[str, list[str]] = {}
    for first, other in rule.compare:
        groups.setdefault(first, [first]).append(other)
    return list(groups.values())


def profile_tables(frames: Frames, readings: Sequence[Reading], unit: str) -> Iterator[Table]:
    """Yield the cost profiles: which side reaches the primary threshold the cheapest, on how many cells."""
    rows: list[Row] = []
    for rule, measurement in readings:
        scores = reaching_costs(frames, rule, measurement, unit).set_index(["architecture", "seed"])
        for group in group_sides(rule):
            parts = [scores.loc[scores["method"] == method, "cost"] for method in group]
            costs = pd.concat(parts, axis=1, join="inner").to_numpy(float).T
            if not costs.size or np.isnan(costs).any():
                continue
            profiles = {f"within_{ratio}": cost_profile(costs, ratio) for ratio in (1, 2, 4)}
            columns = {"score": profile_score(costs), **profiles, "ever": np.isfinite(costs).mean(axis=1)}
            for i, method in enumerate(group):
                own = {name: float(values[i]) for name, values in columns.items()}
                rows.append(
                    {"dataset": rule.dataset, "rule": describe(rule), "method": method, "n": costs.shape[1], **own}
                )
    if rows:
        yield Table(
            title="Cost profiles",
            frame=pd.DataFrame(rows),
            notes=(
                f"Cost: {unit.replace('_', ' ')} until the first snapshot that meets the rule; infinite for a trial "
                "that never meets it or ends without a score. On each cell, the cost is compared with that of the "
                "cheapest side.",
                "within 1, 2, 4: the share of the n cells on which the cost is at most so many times the lowest one; "
                "within 1 counts ties. ever: the share on which the rule is met at all. score: the mean share over all "
                f"ratios from 1 to {LARGEST_RATIO:g} (Dolan and More 2002).",
            ),
            headings={f"within_{ratio}": f"within {ratio}x" for ratio in (1, 2, 4)},
        )


def describe(rule: SuccessRule) -> str:
    """Return a rule at its primary threshold in few words, as in "FID at 30 and recall > 0.5"."""
    threshold = f"{rule.metric} at {rule.primary:g}" if rule.metric and rule.primary is not None else ""
    return metric_title(" and ".join(filter(None, (threshold, rule.condition))))


def rank_tables(frames: Frames, readings: Sequence[Reading]) -> Iterator[Table]:
    """Yield how stable the order of the sides by their success rates is, if other architectures had been drawn."""
    rows: list[Row] = []
    for rule, measurement in readings:
        scores = rule_scores(frames, rule, measurement).set_index(["architecture", "seed"])
        for group in group_sides(rule):
            parts = [scores[scores["method"] == method] for method in group]
            won = [pd.Series(successes(part, rule.at, rule.primary), part.index, dtype=float) for part in parts]
            table = pd.concat(won, axis=1, join="inner")
            if not len(table):
                continue
            found = rank_stability(table.to_numpy().T, parts[0].loc[table.index, "unit"])
            for method, each, rate in zip(group, found, table.mean().tolist(), strict=True):
                ends = {"rank_low": each.interval.low, "rank_high": each.interval.high}
                names = {"dataset": rule.dataset, "rule": describe(rule), "method": method, "rate": rate}
                rows.append({**names, "rank": each.rank, **ends, "first": each.first, "n": len(table)})
    if rows:
        yield Table(
            title="Rank stability",
            frame=pd.DataFrame(rows),
            notes=(
                "rank: by success rate at the primary threshold; equal rates share a rank. Whole architectures (seeds, "
                "if there is only one) are resampled: first in is the share of resamples in which the side is first "
                "(of a shared first place, its part), and in brackets is the range of its rank in 95% of them; none "
                "for fewer than six.",
            ),
            headings={"rate": "success rate", "first": "first in"},
            intervals={"rank": ("rank_low", "rank_high")},
        )


def equivalence_tables(comparisons: Sequence[Comparison]) -> Iterator[Table]:
    """Yield, for rules that declare a smallest effect: is the difference smaller, and how many pairs would find it."""
    rows: list[Row] = []
    for each in comparisons:
        delta, row = each.rule.smallest_effect, each.primary
        if delta is None or not row["n"]:
            continue
        discordant = float(row["only_a"] + row["only_b"]) / float(row["n"])
        share = min(1.0, max(discordant, delta))
        ends = {"difference_low": each.equivalence.low, "difference_high": each.equivalence.high}
        names = {"dataset": each.rule.dataset, "rule": describe(each.rule), "a": each.pair[0], "b": each.pair[1]}
        needed = mcnemar_pairs((share + delta) / 2, (share - delta) / 2)
        rows.append(
            {
                **names,
                "smallest_effect": delta,
                "difference": row["difference"],
                **ends,
                "equivalent": bool(is_within(each.equivalence, delta)),
                "n": int(row["n"]),
                "discordant": discordant,
                "pairs_needed": needed,
            }
        )
    if rows:
        yield Table(
            title="Equivalence, and pairs needed",
            frame=pd.DataFrame(rows),
            notes=(
                "equivalent: the 90% interval of the difference of success rates (in brackets, A minus B, Newcombe) "
                "lies within the smallest effect that the suite declares, either way: two one-sided tests at 5%, not "
                "adjusted. An empty cell does not show that the sides differ.",
                "pairs needed: so many pairs, one on each architecture, find a difference as large as the smallest "
                f"effect with {POWER:.0%} power (McNemar's exact test, two-sided at 5%; up to 1,000 pairs its exact "
                "power is summed, beyond that Connor's formula). The effect is the declared one, never the observed "
                "one. Only the share of pairs on which the sides disagree (discordant) is taken from the results; it "
                "is at least the effect.",
            ),
            headings={"a": "A", "b": "B"},
            intervals={"difference": ("difference_low", "difference_high")},
        )
