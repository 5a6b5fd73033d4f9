"""From results to claims: success rates, intervals, paired tests, and quantiles in which the dead count as worst.

Functions of tidy frames that give tidy frames. The unit is the architecture; with one architecture, the seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ganbench.courses import outcome_table
from ganbench.errors import GanbenchError, unknown

if TYPE_CHECKING:
    from ganbench.frames import Frames

At = Literal["final", "best"]
WORST = {"lower": np.inf, "higher": -np.inf, "neutral": np.nan}
"""What a trial that did not live to its end scores; of a neutral value nothing is worst, so it is unknown."""


class SuccessRule(Protocol):
    """What a suite declares to be success (suite.Success)."""

    @property
    def dataset(self) -> str: ...  # noqa: D102
    @property
    def metric(self) -> str: ...  # noqa: D102
    @property
    def at(self) -> At: ...  # noqa: D102
    @property
    def thresholds(self) -> tuple[float, ...]: ...  # noqa: D102
    @property
    def primary(self) -> float: ...  # noqa: D102
    @property
    def compare(self) -> tuple[tuple[str, str], ...]: ...  # noqa: D102


class Interval(NamedTuple):
    """A lower and an upper end; NaN where there is none."""

    low: float
    high: float


def wilson(successes: float, n: float, level: float = 0.95) -> Interval:
    """Give Wilson's score interval of a success rate (E. B. Wilson, JASA 22, 1927); NaN without trials.

    Both numbers may be fractional: an effective sample size.
    """
    from scipy.stats import norm

    if n <= 0:
        return Interval(np.nan, np.nan)
    z, rate = float(norm.ppf((1 + level) / 2)), successes / n
    centre = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    low, high = float(centre - half), float(centre + half)
    return Interval(0.0 if rate == 0 else low, 1.0 if rate == 1 else high)  # exactly, whatever the rounding


def effective_size(outcomes: ArrayLike, units: ArrayLike) -> float:
    """Give the number of independent trials that would tell as much as these, of which a unit's resemble each other.

    n over Kish's design effect, at least 1 (L. Kish, Survey Sampling, 1965, ch. 8): the variance of the rate between
    units over that of independent trials. If all outcomes are equal the data cannot tell, and the units are counted.
    """
    frame = pd.DataFrame({"outcome": np.asarray(outcomes, float), "unit": np.asarray(units)})
    n, rate = len(frame), frame["outcome"].mean()
    residuals = (frame["outcome"] - rate).groupby(frame["unit"]).sum()
    k = len(residuals)
    if k in (0, 1, n) or rate in (0, 1):
        return float(k)
    between = k / (k - 1) * float((residuals**2).sum()) / n**2
    return n / max(1.0, between / (rate * (1 - rate) / n))


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Give the two-sided p of McNemar's exact test: the discordant pairs as tosses of a fair coin.

    The sign test is the same sum. NaN where no pair is discordant: then it is undefined.
    """
    from scipy.stats import binomtest

    if only_a + only_b == 0:
        return np.nan
    return float(binomtest(only_a, only_a + only_b, 0.5).pvalue)


def sign_flip_exact(differences: Sequence[int]) -> float:
    """Give the two-sided p of the exact sign-flip permutation test on the sum of the units' differences.

    Under the null hypothesis a unit's difference is as likely to have either sign (Fisher, 1935); the sum's law is
    convolved over all signs. With differences of -1, 0 and 1 it is McNemar's exact test. NaN if all are 0.
    """
    from scipy.stats import binom

    sizes = np.abs(np.asarray(differences, dtype=np.int64))
    sizes = sizes[sizes > 0]
    if not len(sizes):
        return np.nan
    law = np.ones(1)  # of the sum, on -total .. total
    for size, count in zip(*np.unique(sizes, return_counts=True), strict=True):
        together = np.zeros(2 * size * count + 1)
        together[:: 2 * size] = binom.pmf(np.arange(count + 1), count, 0.5)
        law = np.convolve(law, together)
    sums = np.arange(-sizes.sum(), sizes.sum() + 1)
    return min(1.0, float(law[np.abs(sums) >= abs(int(np.sum(differences)))].sum()))


def holm(values: Sequence[float]) -> list[float]:
    """Adjust the p-values of one family (S. Holm, 1979); an undefined one stays NaN and counts as a test of p = 1."""
    raw = np.asarray(values, float)
    p = np.where(np.isnan(raw), 1.0, raw)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return [float(value) for value in np.where(np.isnan(raw), np.nan, adjusted)]


def quantile(values: ArrayLike, q: float) -> float:
    """Give the quantile by linear interpolation, infinities allowed: between a finite value and inf lies inf."""
    ordered = np.sort(np.asarray(values, float))
    if not len(ordered) or np.isnan(ordered[-1]):
        return np.nan
    place = (len(ordered) - 1) * q
    low, high, part = float(ordered[int(place)]), float(ordered[int(np.ceil(place))]), place % 1
    return low if low == high or part == 0 else low * (1 - part) + high * part


def median_interval(values: ArrayLike, units: ArrayLike, level: float = 0.95) -> Interval:
    """Give the interval of a median: the values at the ends of the interval of the share below it.

    R. S. Woodruff, JASA 47 (1952), with Wilson's interval at the effective sample size. NaN under six units: even the
    whole range then covers the median with less than 95%.
    """
    ordered = np.sort(np.asarray(values, float))
    if len(set(np.asarray(units).tolist())) < 6 or np.isnan(ordered).any():
        return Interval(np.nan, np.nan)
    size = effective_size(np.asarray(values, float) <= quantile(ordered, 0.5), units)
    share, n = wilson(size / 2, size, level), len(ordered)
    low, high = max(0, int(np.floor(n * share.low)) - 1), min(n - 1, int(np.ceil(n * share.high)))
    return Interval(float(ordered[low]), float(ordered[high]))


def standings(frames: Frames, dataset: str, metric: str, measurement: str | None = None) -> pd.DataFrame:
    """Give final and best value of every trial of a dataset that was measured, or that never will be.

    Columns beside those of `frames.trials`: final, best (WORST if the trial did not live), direction, diverged (by its
    outcomes, or with a final value that is not finite), alive, unit. Missing trials, and living ones that this metric
    was never measured on, are left out. `measurement` may be left out where there is one: protocols never mix.
    """
    rows = frames.scores[frames.scores["name"] == metric]
    trials = frames.trials[(frames.trials["dataset"] == dataset) & (frames.trials["status"] != "missing")]
    rows = rows[rows["key"].isin(trials["key"])]
    protocols = sorted(set(rows["measurement"]))
    if measurement is None and len(protocols) > 1:
        raise GanbenchError(f"{metric!r} on {dataset!r} was measured in {len(protocols)} ways: name one: {protocols}.")
    rows = rows[rows["measurement"] == (measurement or "".join(protocols))]
    direction = str(rows["direction"].iloc[0]) if len(rows) else "neutral"
    final = rows.sort_values("step", kind="stable").drop_duplicates("key", keep="last").set_index("key")["value"]
    lived = rows[np.isfinite(rows["value"])].groupby("key", sort=False)["value"]
    best = {"lower": lived.min(), "higher": lived.max(), "neutral": final * np.nan}[direction]
    values = {"final": trials["key"].map(final).astype("float64"), "best": trials["key"].map(best).astype("float64")}
    table = trials.assign(**values, direction=direction)
    table["diverged"] = table["key"].map(outcome_table(frames)["diverged"]).astype("bool")
    table = table[table["key"].isin(final.index) | (table["status"] != "ok") | table["diverged"]]
    diverged = table["diverged"] | (~np.isfinite(table["final"]) & (table["status"] == "ok"))
    alive = (table["status"] == "ok") & ~diverged
    one_architecture = trials["architecture"].nunique() <= 1
    return table.assign(
        diverged=diverged,
        alive=alive,
        final=table["final"].where(alive, WORST[direction]),
        best=table["best"].where(alive, WORST[direction]),
        unit=table["seed"].astype("str") if one_architecture else table["architecture"],
    )


def successes(standing: pd.DataFrame, at: At, threshold: float) -> NDArray[np.bool_]:
    """Say which trials succeed: alive, and strictly beyond the threshold in the metric's direction."""
    if (standing["direction"] == "neutral").any() and standing["alive"].any():
        raise GanbenchError("success needs a metric with a direction, 'higher' or 'lower'; this one is neutral.")
    values, alive = standing[at].to_numpy(float), standing["alive"].to_numpy(bool)
    beyond = np.where(standing["direction"] == "lower", values < threshold, values > threshold)
    return alive & beyond


def rate(outcomes: NDArray[np.bool_], units: ArrayLike, name: str = "rate") -> dict[str, float]:
    """Give a success rate with its 95% interval, Wilson's at the effective sample size."""
    share = float(np.mean(outcomes)) if len(outcomes) else np.nan
    size = effective_size(outcomes, units)
    interval = wilson(share * size, size)
    return {name: share, f"{name}_low": interval.low, f"{name}_high": interval.high}


def contingency(a: NDArray[np.bool_], b: NDArray[np.bool_], units: ArrayLike) -> dict[str, float]:
    """Count the paired outcomes of A and B, with both rates and the exact paired p.

    The p is McNemar's exact test if every unit holds one pair, else the exact sign-flip test over units, on the
    difference of each unit's successes.
    """
    frame = pd.DataFrame({"difference": a.astype(int) - b.astype(int), "unit": np.asarray(units)})
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    single = not frame["unit"].duplicated().any()
    by_unit = frame.groupby("unit")["difference"].sum().tolist()
    return {
        "only_a": only_a,
        "only_b": only_b,
        "both": int((a & b).sum()),
        "neither": int((~a & ~b).sum()),
        "n": len(a),
        **rate(a, units, "rate_a"),
        **rate(b, units, "rate_b"),
        "p": mcnemar_exact(only_a, only_b) if single else sign_flip_exact(by_unit),
    }


def success_table(
    frames: Frames, rule: SuccessRule, pair: tuple[str, str], measurement: str | None = None
) -> pd.DataFrame:
    """Compare two methods at every threshold, on pairs of equal architecture and seed.

    Columns: threshold, primary, only_a, only_b, both, neither, n, rate_a, rate_b with _low and _high, p (at the primary
    threshold; NaN there means undefined, elsewhere not asked), units. Trials without a partner are left out; of several
    that tables call the same, the planned one counts.
    """
    standing = standings(frames, rule.dataset, rule.metric, measurement)
    for method in pair:
        if method not in set(frames.trials["method"]):
            raise unknown("method", method, set(frames.trials["method"]), "success.compare")
    a, b = (standing[standing["method"] == method].set_index(["architecture", "seed"]) for method in pair)
    shared = a.index.intersection(b.index).drop_duplicates()
    a, b = (side[~side.index.duplicated()].loc[shared] for side in (a, b))
    rows: list[dict[str, Any]] = []
    for threshold in rule.thresholds:
        won_a, won_b = successes(a, rule.at, threshold), successes(b, rule.at, threshold)
        row = {"threshold": threshold, "primary": threshold == rule.primary, **contingency(won_a, won_b, a["unit"])}
        rows.append(row if row["primary"] else {**row, "p": np.nan})
    return pd.DataFrame(rows).assign(units=a["unit"].nunique())


def rate_table(frames: Frames, rule: SuccessRule, measurement: str | None = None) -> pd.DataFrame:
    """Give every method's success rate at every threshold: method, threshold, primary, successes, n, units, rate."""
    rows: list[dict[str, Any]] = []
    for method, group in standings(frames, rule.dataset, rule.metric, measurement).groupby("method", sort=False):
        for threshold in rule.thresholds:
            outcomes = successes(group, rule.at, threshold)
            row = {"method": method, "threshold": threshold, "primary": threshold == rule.primary}
            counts = {"successes": int(outcomes.sum()), "n": len(group), "units": group["unit"].nunique()}
            rows.append({**row, **counts, **rate(outcomes, group["unit"])})
    return pd.DataFrame(rows)
