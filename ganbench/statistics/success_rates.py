"""From results to claims: success rates, intervals, paired tests, and quantiles in which the dead count as worst.

Functions of tidy frames that give tidy frames. The unit is the architecture; with one architecture, the seed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ganbench.errors import unknown
from ganbench.statistics.final_scores import successes as successes
from ganbench.statistics.final_scores import threshold_ladder as steps_of
from ganbench.statistics.final_scores import with_success as judged
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


def rate(outcomes: NDArray[np.bool_], units: ArrayLike, name: str = "rate") -> dict[str, float]:
    """Give a success rate with its 95% interval, Wilson's at the effective sample size."""
    share = float(np.mean(outcomes)) if len(outcomes) else np.nan
    size = effective_size(outcomes, units)
    interval = wilson(share * size, size)
    return {name: share, f"{name}_low": interval.low, f"{name}_high": interval.high}


def contingency(a: NDArray[np.bool_], b: NDArray[np.bool_], units: ArrayLike) -> dict[str, float]:
    """Count the paired outcomes of A and B, with both rates, their difference (A's less B's) and the p of `paired_p`.

    Of a rate the interval is Wilson's, of the difference Newcombe's (`inference.paired_difference`).
    """
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    low, high = paired_difference(a, b, units)
    return {
        "only_a": only_a,
        "only_b": only_b,
        "both": int((a & b).sum()),
        "neither": int((~a & ~b).sum()),
        "n": len(a),
        **rate(a, units, "rate_a"),
        **rate(b, units, "rate_b"),
        "difference": (only_a - only_b) / len(a) if len(a) else np.nan,
        "difference_low": low,
        "difference_high": high,
        "p": paired_p(a, b, units),
    }


def paired_p(a: NDArray[np.bool_], b: NDArray[np.bool_], units: ArrayLike) -> float:
    """Give the two-sided p of the exact paired test of equal success; NaN without a discordant pair.

    McNemar's (Psychometrika 12, 1947) if every unit holds one pair, else the sign-flip permutation test over units (R.
    A. Fisher, The Design of Experiments, 1935, section 21) on the difference of each unit's successes.
    """
    codes = pd.factorize(np.asarray(units))[0]
    if len(codes) == codes.max(initial=-1) + 1:
        return mcnemar_exact(int((a & ~b).sum()), int((b & ~a).sum()))
    return sign_flip_exact(np.bincount(codes, a.astype(float) - b.astype(float)).astype(int).tolist())


def pair_trials(standing: pd.DataFrame, frames: Frames, pair: tuple[str, str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give the standings of two methods, side by side: in the same order of architecture and seed."""
    methods = set(frames.trials["method"].unique())
    for method in pair:
        if method not in methods:
            raise unknown("method", method, methods, "success.compare")
    a, b = (standing[standing["method"] == method].set_index(["architecture", "seed"]) for method in pair)
    shared = a.index.intersection(b.index).drop_duplicates()
    a, b = (side[~side.index.duplicated()].loc[shared] for side in (a, b))
    return a, b


def success_table(
    frames: Frames, rule: SuccessRule, pair: tuple[str, str], measurement: str | None = None
) -> pd.DataFrame:
    """Compare two methods at every threshold, on pairs of equal architecture and seed.

    Columns: threshold, primary, only_a, only_b, both, neither, n, rate_a, rate_b and difference with _low and _high, p
    (at the primary threshold; NaN there means undefined, elsewhere not asked), units; `contingency` names tests and
    sources. Trials without a partner are left out; of several that tables call the same, the planned one counts.
    """
    a, b = pair_trials(judged(frames, rule, measurement), frames, pair)
    rows: list[dict[str, Any]] = []
    for threshold in steps_of(rule):
        won_a, won_b = successes(a, rule.at, threshold), successes(b, rule.at, threshold)
        row = {
            "threshold": np.nan if threshold is None else threshold,
            "primary": threshold == rule.primary,
            **contingency(won_a, won_b, a["unit"]),
        }
        rows.append(row if row["primary"] else {**row, "p": np.nan})
    return pd.DataFrame(rows).assign(units=a["unit"].nunique())


def rate_table(frames: Frames, rule: SuccessRule, measurement: str | None = None) -> pd.DataFrame:
    """Give every method's success rate at every threshold: method, threshold, primary, successes, n, units, rate.

    `rate_low` and `rate_high` are Wilson's 95% interval at this threshold; `band_low` and `band_high` a band that holds
    a method's whole curve, over all thresholds at once, with 95% (`success_curve`).
    """
    rows: list[dict[str, Any]] = []
    for method, group in judged(frames, rule, measurement).groupby("method", sort=False):
        half = np.nan if rule.metric is None else curve_half_width(comparable_values(group, rule.at), group["unit"])
        for threshold in steps_of(rule):
            outcomes = successes(group, rule.at, threshold)
            row = {
                "method": method,
                "threshold": np.nan if threshold is None else threshold,
                "primary": threshold == rule.primary,
            }
            counts = {"successes": int(outcomes.sum()), "n": len(group), "units": group["unit"].nunique()}
            share = rate(outcomes, group["unit"])
            rows.append({**row, **counts, **share, **band_ends(share["rate"], half)})
    return pd.DataFrame(rows)


def band_ends(rate: float, half: float) -> dict[str, float]:
    """Give the ends of a band about a rate, within 0 and 1."""
    return {"band_low": float(np.maximum(0.0, rate - half)), "band_high": float(np.minimum(1.0, rate + half))}


def comparable_values(standing: pd.DataFrame, at: At) -> NDArray[np.float64]:
    """Give the values that thresholds are held against: the worst for what can never succeed, whatever they are."""
    fit = (standing["scored"] & standing["holds"]).to_numpy(bool)
    worst = np.where(standing["direction"] == "higher", -np.inf, np.inf)
    return np.where(fit, standing[at].to_numpy(float), worst)


def success_curve(
    frames: Frames, rule: SuccessRule, measurement: str | None = None, level: float = 0.95
) -> pd.DataFrame:
    """Give every method's success rate over all thresholds, with a band that holds the whole curve with `level`.

    Columns: method, threshold, rate, low, high, n, units; `attrs["direction"]`. Thresholds are every distinct score of
    the dataset and one just easier than the worst, from the easiest on; in between a rate is that of the next easier
    one. The band is Kolmogorov's at the effective sample size (`inference.curve_half_width`). Empty for a condition
    alone, which has no thresholds.
    """
    standing = judged(frames, rule, measurement)
    direction = str(standing["direction"].iloc[0]) if len(standing) else "neutral"
    columns = ["method", "threshold", "rate", "low", "high", "n", "units"]
    parts: list[pd.DataFrame] = []
    if rule.metric is not None and direction != "neutral":
        sign = 1.0 if direction == "lower" else -1.0
        scores = np.unique(sign * comparable_values(standing, rule.at))
        scores = scores[np.isfinite(scores)]
        scores = np.append(scores, np.nextafter(scores[-1:], np.inf))
        for method, group in standing.groupby("method", sort=False):
            values = sign * comparable_values(group, rule.at)
            half = curve_half_width(values, group["unit"], level)
            shares = np.searchsorted(np.sort(values), scores) / len(values)
            ends = {"low": np.maximum(0.0, shares - half), "high": np.minimum(1.0, shares + half)}
            row = {"method": method, "threshold": sign * scores, "rate": shares, **ends, "n": len(values)}
            parts.append(pd.DataFrame({**row, "units": group["unit"].nunique()}).iloc[::-1])
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    table.attrs["direction"] = direction
    return table


def median_differences(
    frames: Frames, rule: SuccessRule, pair: tuple[str, str], measurement: str | None = None
) -> pd.DataFrame:
    """Compare two methods' scores by a rule's metric, on pairs of equal architecture and seed: one row for final, best.

    `difference` is the median of the paired differences, A's less B's, with the interval of a median (`inference.
    median_interval`); `median_a` and `median_b` are those of the paired trials, the dead as worst. A trial that diverged_at
    where its partner lived is infinitely far off, and two dead ones are equal: so the order of differences is always
    known, which is all that a median asks. Of a neutral metric it is unknown (NaN). Columns besides: at, n, units.
    """
    a, b = pair_trials(judged(frames, rule, measurement), frames, pair)
    rows: list[dict[str, Any]] = []
    for at in ("final", "best"):
        left, right = a[at].to_numpy(float), b[at].to_numpy(float)
        with np.errstate(invalid="ignore"):
            differences = np.where(left == right, 0.0, left - right)
        low, high = median_interval(differences, a["unit"])
        medians = {"median_a": quantile(left, 0.5), "median_b": quantile(right, 0.5)}
        found = {"difference": quantile(differences, 0.5), "difference_low": low, "difference_high": high}
        rows.append({"at": at, **medians, **found, "n": len(a), "units": a["unit"].nunique()})
    return pd.DataFrame(rows)
