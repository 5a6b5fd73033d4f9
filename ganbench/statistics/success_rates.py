"""Success rates, their intervals and paired tests, and medians in which trials without a score count as worst.

These functions take tidy frames and return tidy frames. The unit is the architecture; with one architecture, the seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ganbench.errors import unknown_name
from ganbench.statistics.final_scores import (
    compared_values,
    headline,
    list_thresholds,
    rule_scores,
    select_measurement,
    successes,
)
from ganbench.statistics.imported_trials import knows_best
from ganbench.statistics.intervals import (
    curve_half_width,
    effective_size,
    median_interval,
    paired_difference,
    quantile,
    wilson,
)
from ganbench.statistics.paired_tests import mcnemar_exact, sign_flip_exact
from ganbench.suite.success import At, SuccessRule

if TYPE_CHECKING:
    from ganbench.results.frames import Frames


def rate_with_interval(outcomes: NDArray[np.bool_], units: ArrayLike, name: str = "rate") -> dict[str, float]:
    """Return a success rate and its 95% interval, Wilson's at the effective sample size: `name`, `_low` and `_high`.

    `outcomes` and `units` [n] are those of the trials.
    """
    share = float(np.mean(outcomes)) if len(outcomes) else np.nan
    size = effective_size(outcomes, units)
    interval = wilson(share * size, size)
    return {name: share, f"{name}_low": interval.low, f"{name}_high": interval.high}


def contingency(a: NDArray[np.bool_], b: NDArray[np.bool_], units: ArrayLike) -> dict[str, float]:
    """Count the paired outcomes of A and B; add both rates, their difference (A's minus B's) and the p of `paired_p`.

    `a` and `b` [n] are the successes of each pair, `units` [n] its unit. The intervals are Wilson's for the rates and
    Newcombe's for the difference (`paired_difference`).
    """
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    low, high = paired_difference(a, b, units)
    return {
        "only_a": only_a,
        "only_b": only_b,
        "both": int((a & b).sum()),
        "neither": int((~a & ~b).sum()),
        "n": len(a),
        **rate_with_interval(a, units, "rate_a"),
        **rate_with_interval(b, units, "rate_b"),
        "difference": (only_a - only_b) / len(a) if len(a) else np.nan,
        "difference_low": low,
        "difference_high": high,
        "p": paired_p(a, b, units),
    }


def paired_p(a: NDArray[np.bool_], b: NDArray[np.bool_], units: ArrayLike) -> float:
    """Return the two-sided p-value of the exact paired test of equal success; NaN without a discordant pair.

    McNemar's test (Psychometrika 12, 1947) if every unit has one pair; else the sign-flip permutation test over units
    (R. A. Fisher, The Design of Experiments, 1935, section 21) on the difference of each unit's successes.
    """
    codes = pd.factorize(np.asarray(units))[0]
    if len(codes) == codes.max(initial=-1) + 1:
        return mcnemar_exact(int((a & ~b).sum()), int((b & ~a).sum()))
    return sign_flip_exact(np.bincount(codes, a.astype(float) - b.astype(float)).astype(int).tolist())


def pair_trials(scores: pd.DataFrame, frames: Frames, pair: tuple[str, str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the scores of two methods on equal architectures and seeds: two frames in the same order.

    `scores` are the rows of `rule_scores`. Trials without a partner are left out; of several trials of a method with
    the same architecture and seed, the first counts. Raise GanbenchError for an unknown method.
    """
    methods = set(frames.trials["method"].unique())
    for method in pair:
        if method not in methods:
            raise unknown_name("method", method, methods, "success.compare")
    a, b = (scores[scores["method"] == method].set_index(["architecture", "seed"]) for method in pair)
    shared = a.index.intersection(b.index).drop_duplicates()
    a, b = (side[~side.index.duplicated()].loc[shared] for side in (a, b))
    return a, b


def paired_points(
    frames: Frames, rule: SuccessRule, pair: tuple[str, str], measurement: str | None = None
) -> pd.DataFrame:
    """Return the final values of two methods on every pair of equal architecture and seed, a row per pair.

    Columns: architecture, seed, key_a, key_b, final_a, final_b (the worst possible value without a finite score),
    status_a, status_b: "scored" with a finite score, else "diverged", "undefined", "failed" or "timed-out". The values
    are those of the rule's metric. Trials without a partner are left out (`pair_trials`). Raise GanbenchError for an
    unknown method.
    """
    a, b = pair_trials(rule_scores(frames, rule, measurement), frames, pair)
    columns: dict[str, Any] = {}
    for name in ("key", "final"):
        columns |= {f"{name}_a": a[name].to_numpy(), f"{name}_b": b[name].to_numpy()}
    for side, trials in (("a", a), ("b", b)):
        status = trials["status"].mask(trials["diverged"], "diverged")
        status = status.mask(trials["scored"], "scored").mask(trials["undefined"], "undefined")
        columns[f"status_{side}"] = status.to_numpy()
    return a.index.to_frame(index=False).assign(**columns)


def success_table(
    frames: Frames, rule: SuccessRule, pair: tuple[str, str], measurement: str | None = None
) -> pd.DataFrame:
    """Compare two methods at every threshold, on pairs of equal architecture and seed.

    Columns: threshold, primary, only_a, only_b, both, neither, n, rate_a, rate_b and difference (A's rate minus B's),
    each with its 95% interval _low and _high, p, and units (their number). `p` is computed at the primary threshold
    only, where NaN means that the test is undefined (`paired_p`); elsewhere it is always NaN. Trials without a partner
    are left out; of several with the same labels, the planned one counts. Raise GanbenchError for an unknown method.
    """
    a, b = pair_trials(rule_scores(frames, rule, measurement), frames, pair)
    rows: list[dict[str, Any]] = []
    for threshold in list_thresholds(rule):
        success_a, success_b = successes(a, rule.at, threshold), successes(b, rule.at, threshold)
        row = {
            "threshold": np.nan if threshold is None else threshold,
            "primary": threshold == rule.primary,
            **contingency(success_a, success_b, a["unit"]),
        }
        rows.append(row if row["primary"] else {**row, "p": np.nan})
    return pd.DataFrame(rows).assign(units=a["unit"].nunique())


def rate_table(frames: Frames, rule: SuccessRule, measurement: str | None = None) -> pd.DataFrame:
    """Return every method's success rate at every threshold.

    Columns: method, threshold, primary, successes, n, units, rate. `rate_low` and `rate_high` are Wilson's 95% interval
    at this threshold. `band_low` and `band_high` are a band that contains the method's whole curve, at all thresholds
    together, with 95% confidence (`success_curve`).
    """
    rows: list[dict[str, Any]] = []
    for method, group in rule_scores(frames, rule, measurement).groupby("method", sort=False):
        half_width = (
            np.nan if rule.metric is None else curve_half_width(comparable_values(group, rule.at), group["unit"])
        )
        for threshold in list_thresholds(rule):
            outcomes = successes(group, rule.at, threshold)
            row = {
                "method": method,
                "threshold": np.nan if threshold is None else threshold,
                "primary": threshold == rule.primary,
            }
            counts = {"successes": int(outcomes.sum()), "n": len(group), "units": group["unit"].nunique()}
            rates = rate_with_interval(outcomes, group["unit"])
            rows.append({**row, **counts, **rates, **band_ends(rates["rate"], half_width)})
    return pd.DataFrame(rows)


def sustained_rates(
    frames: Frames, rule: SuccessRule, measurement: str | None = None, last: Sequence[int] = (1, 2, 3, 5)
) -> pd.DataFrame:
    """Return every method's success rate at the primary threshold by best, by final, and sustained over the last m.

    Columns: method, sustained, successes, n, units, rate with its 95% interval rate_low, rate_high (`rate_table`).
    `sustained` is 0 for the best score (reached at some snapshot, on fresh samples), 1 for the final one, and m if the
    rule must be met at each of the last m evaluation points (reached and held). Numbers in `last` above those at which
    any trial was evaluated are left out; a trial with fewer points never succeeds.
    """
    counted = rule_scores(frames, rule, measurement)
    rows = select_measurement(frames, counted["key"], rule.dataset, headline(frames, rule), measurement)
    most = rows[~rows["fresh"]].groupby("number").size().max() if len(rows) else 1
    table: list[dict[str, Any]] = []
    for count in (*([0] if knows_best(frames) else []), *(m for m in last if m <= most)):
        at: At = "final" if count else "best"
        scores = rule_scores(frames, rule, measurement, at=at, sustained=max(1, count))
        for method, group in scores.groupby("method", sort=False):
            outcomes = successes(group, at, rule.primary)
            counts = {"successes": int(outcomes.sum()), "n": len(group), "units": group["unit"].nunique()}
            rates = rate_with_interval(outcomes, group["unit"])
            table.append({"method": method, "sustained": count, **counts, **rates})
    columns = ["method", "sustained", "successes", "n", "units", "rate", "rate_low", "rate_high"]
    return pd.DataFrame(table, columns=columns)


def band_ends(rate: float, half_width: float) -> dict[str, float]:
    """Return the ends of a band around a rate, cut to 0 and 1."""
    low, high = np.maximum(0.0, rate - half_width), np.minimum(1.0, rate + half_width)
    return {"band_low": float(low), "band_high": float(high)}


def comparable_values(scores: pd.DataFrame, at: At) -> NDArray[np.float64]:
    """Return the values [n] to compare with thresholds: the worst possible for trials that fail at every threshold."""
    eligible = (scores["scored"] & scores["holds"]).to_numpy(bool)
    worst = np.where(scores["direction"] == "higher", -np.inf, np.inf)
    return np.where(eligible, compared_values(scores, at), worst)


def success_curve(
    frames: Frames, rule: SuccessRule, measurement: str | None = None, level: float = 0.95
) -> pd.DataFrame:
    """Return every method's success rate over all thresholds, with a band around the whole curve.

    Columns: method, threshold, rate, low, high, n, units; `attrs["direction"]`. The thresholds are every distinct score
    of the dataset and one just easier than the worst, the easiest first; between two of them, the rate is that of the
    easier one. The band contains the whole curve with confidence `level`: it is Kolmogorov's at the effective sample
    size (`curve_half_width`). The frame is empty for a condition alone, which has no thresholds.
    """
    trials = rule_scores(frames, rule, measurement)
    direction = str(trials["direction"].iloc[0]) if len(trials) else "neutral"
    columns = ["method", "threshold", "rate", "low", "high", "n", "units"]
    parts: list[pd.DataFrame] = []
    if rule.metric is not None and direction != "neutral":
        sign = 1.0 if direction == "lower" else -1.0
        thresholds = np.unique(sign * comparable_values(trials, rule.at))
        thresholds = thresholds[np.isfinite(thresholds)]
        thresholds = np.append(thresholds, np.nextafter(thresholds[-1:], np.inf))
        for method, group in trials.groupby("method", sort=False):
            values = sign * comparable_values(group, rule.at)
            half_width = curve_half_width(values, group["unit"], level)
            rates = np.searchsorted(np.sort(values), thresholds) / len(values)
            band = {"low": np.maximum(0.0, rates - half_width), "high": np.minimum(1.0, rates + half_width)}
            curve = {"method": method, "threshold": sign * thresholds, "rate": rates, **band, "n": len(values)}
            parts.append(pd.DataFrame({**curve, "units": group["unit"].nunique()}).iloc[::-1])
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    table.attrs["direction"] = direction
    return table


def median_differences(
    frames: Frames, rule: SuccessRule, pair: tuple[str, str], measurement: str | None = None
) -> pd.DataFrame:
    """Compare two methods' scores by a rule's metric, on pairs of equal architecture and seed.

    There is a row for the final and one for the best score, if it is known. `difference` is the median of the paired
    differences, A's minus B's, with the interval of a median (`median_interval`). `median_a` and `median_b` are the
    medians of the paired trials. Trials without a finite score count as worst: if only one of a pair has a score, their
    difference is infinite, and if neither has one it is 0. So differences can always be ordered, which is all that a
    median needs. A neutral metric has no worst: its best is NaN, and so is its final difference if any trial has no
    score. Other columns: at, n, units. Raise GanbenchError for an unknown method.
    """
    a, b = pair_trials(rule_scores(frames, rule, measurement), frames, pair)
    rows: list[dict[str, Any]] = []
    for at in ("final", "best") if knows_best(frames) else ("final",):
        values_a, values_b = a[at].to_numpy(float), b[at].to_numpy(float)
        with np.errstate(invalid="ignore"):
            differences = np.where(values_a == values_b, 0.0, values_a - values_b)
        low, high = median_interval(differences, a["unit"])
        medians = {"median_a": quantile(values_a, 0.5), "median_b": quantile(values_b, 0.5)}
        median = {"difference": quantile(differences, 0.5), "difference_low": low, "difference_high": high}
        rows.append({"at": at, **medians, **median, "n": len(a), "units": a["unit"].nunique()})
    return pd.DataFrame(rows)
