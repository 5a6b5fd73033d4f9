"""The expected best of k of n configurations: how good a method is after how much tuning.

Every score that is not finite counts as dead, and as the worst infinity: it is never hidden. The unit is the
configuration.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ganbench.api.metrics import Direction
from ganbench.errors import GanbenchError, shorten
from ganbench.statistics.bootstrap import RESAMPLES
from ganbench.statistics.interquartile import draw_units
from ganbench.statistics.intervals import FEWEST_UNITS

Floats = NDArray[np.float64]

SAME_SEEDS, FRESH_SEEDS, LEFT_OUT_SEED = "same seeds", "fresh seeds", "left-out seed"
"""On which seeds the score of a picked configuration is told: those of picking, new ones, or one that was left out."""

BEST_OF_COLUMNS = [
    *("dataset", "method", "k", "expected", "low", "high"),
    *("configurations", "dead", "beyond_half", "told"),
]


class Picks(NamedTuple):
    """What configurations are picked by, and what is told of them [n]: lower is better, and a dead one is inf."""

    picked_by: Floats
    told: Floats


def expected_best(scores: ArrayLike, direction: Direction = "lower") -> Floats:
    """Return the expected best score of k of the n configurations, drawn without replacement, for k = 1..n [n].

    `scores` [n] are those of the configurations. With the scores from the best, v_1, to the worst, v_n, it is the sum
    over i of v_i C(n - i, k - 1) / C(n, k): the mean over all subsets of k. It is finite where fewer than k
    configurations are dead. The scores pick and are told, so it is too optimistic if they are of few seeds;
    `expected_told` is the honest form. Raise GanbenchError for the direction "neutral".

    The unbiased form of J. Dodge et al., Show Your Work, EMNLP 2019, who draw with replacement: R. Tang et al., Showing
    Your Work Doesn't Always Work, ACL 2020.
    """
    return expected_told(scores, scores, direction)


def expected_told(picked_by: ArrayLike, told: ArrayLike, direction: Direction = "lower") -> Floats:
    """Return the expected `told` score of the configuration that is the best of k by `picked_by`, for k = 1..n [n].

    Both are scores [n] of the same configurations, for instance on tuning seeds and on fresh ones. The configuration
    of rank j by `picked_by` is the best of k with probability C(n - j, k - 1) / C(n, k). Configurations with equal
    `picked_by`, such as dead ones, share the mean of the probabilities of their ranks. It is infinite where a
    configuration that is dead by `told` can be picked. Raise GanbenchError for the direction "neutral".
    """
    sign = find_sign(direction)
    picks = Picks(find_losses(picked_by, sign), find_losses(told, sign))
    return restore_sign(expected_curves([picks], np.ones((1, len(picks.told)), np.int64))[0], sign)


def best_of_band(
    picked_by: ArrayLike,
    told: ArrayLike,
    direction: Direction = "lower",
    level: float = 0.95,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[Floats, Floats]:
    """Return the lower and the upper end of `expected_told` [n] at each k, by resampling the configurations.

    For `expected_best`, `picked_by` and `told` are the same. `level` is the confidence at each k, not for the whole
    curve. The percentile bootstrap over configurations (A. C. Davison, D. V. Hinkley, Bootstrap Methods, 1997, section
    3.8): an end is infinite if that many resamples are. It is seeded. NaN for fewer than six configurations. Raise
    GanbenchError for the direction "neutral".
    """
    sign = find_sign(direction)
    ends = curve_ends([Picks(find_losses(picked_by, sign), find_losses(told, sign))], level, resamples, seed)
    low, high = (restore_sign(end, sign) for end in (ends if sign > 0 else ends[::-1]))
    return low, high


def best_of_table(
    scores: pd.DataFrame, direction: Direction, level: float = 0.95, *, resamples: int = RESAMPLES, seed: int = 0
) -> pd.DataFrame:
    """Return the expected best of k configurations of every method on every dataset, a row for each k from 1 to n.

    `scores` has a row per configuration, with the columns dataset, method, configuration, `picked_by` and, if all
    configurations were trained on fresh seeds too, `told`; both in the metric's own unit and `direction`.

    Columns: dataset, method, k, expected (`expected_told`), with its interval low and high (`best_of_band`),
    configurations (n), dead (how many of them have a score that is not finite), beyond_half (k > n / 2: the number
    hangs on the few best configurations), told ("same seeds", which is too optimistic, or "fresh seeds"). Raise
    GanbenchError for the direction "neutral".
    """
    sign, on = find_sign(direction), FRESH_SEEDS if "told" in scores else SAME_SEEDS
    told = "told" if "told" in scores else "picked_by"
    tables: list[pd.DataFrame] = []
    for (dataset, method), rows in scores.groupby(["dataset", "method"], sort=False):
        rows = rows.sort_values("configuration", kind="stable")
        picks = [Picks(find_losses(rows["picked_by"], sign), find_losses(rows[told], sign))]
        curve = tabulate(picks, sign, level, resamples, seed)
        tables.append(curve.assign(dataset=str(dataset), method=str(method), told=on))
    return join(tables)


def leave_one_seed_out(
    trials: pd.DataFrame, direction: Direction, level: float = 0.95, *, resamples: int = RESAMPLES, seed: int = 0
) -> pd.DataFrame:
    """Return the table of `best_of_table` from the tuning seeds alone: each is told once, and the others pick.

    The configuration is picked by its mean score on the other seeds; the curves are averaged over the seeds. This is
    the honest form where only the chosen configurations were trained on fresh seeds: it needs no additional training,
    and no score is told that took part in its choice. But it picks with one seed fewer than the tuning did.

    `trials` has the columns dataset, method, configuration, seed and score, in the metric's own unit and `direction`;
    several trials of a configuration with one seed, such as those of several architectures, are averaged. A
    configuration without a trial on some seed of its method has not been trained to the end, and is left out; `dead`
    counts those with a dead trial. `told` is "left-out seed". Raise GanbenchError for a method with one seed only, and
    for the direction "neutral".
    """
    sign = find_sign(direction)
    tables: list[pd.DataFrame] = []
    for (dataset, method), rows in trials.groupby(["dataset", "method"], sort=False):
        table = tabulate_losses(rows, sign)
        if table.shape[1] < 2:
            raise GanbenchError(
                f"method {shorten(method)} on dataset {shorten(dataset)} was tuned on one seed, "
                f"{table.columns[0]}, alone: to leave one seed out needs at least two. Tune on more seeds."
            )
        losses = table.dropna().to_numpy(float)
        picks = [Picks(np.delete(losses, i, axis=1).mean(axis=1), losses[:, i]) for i in range(losses.shape[1])]
        curve = tabulate(picks, sign, level, resamples, seed)
        tables.append(curve.assign(dataset=str(dataset), method=str(method), told=LEFT_OUT_SEED))
    return join(tables)


def tabulate_losses(trials: pd.DataFrame, sign: float) -> pd.DataFrame:
    """Return one method's losses: a row per configuration and a column per seed; NaN without a trial, inf if dead."""
    losses = trials.assign(loss=find_losses(trials["score"], sign)).sort_values("loss", kind="stable")
    return losses.groupby(["configuration", "seed"])["loss"].mean().unstack("seed")


def tabulate(picks: Sequence[Picks], sign: float, level: float, resamples: int, seed: int) -> pd.DataFrame:
    """Return the numbers of one method's curve, the mean over `picks`, a row for each k."""
    n = len(picks[0].told)
    expected = expected_curves(picks, np.ones((1, n), np.int64))[0]
    low, high = curve_ends(picks, level, resamples, seed)[:: int(sign)]
    k = np.arange(1, n + 1)
    numbers = {"expected": expected, "low": low, "high": high}
    dead = ~np.isfinite([scores for pick in picks for scores in pick]).all(axis=0)
    counts = {"configurations": n, "dead": int(dead.sum()), "beyond_half": 2 * k > n}
    return pd.DataFrame({"k": k, **{name: restore_sign(ends, sign) for name, ends in numbers.items()}, **counts})


def join(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the tables of several methods as one, with the columns of `best_of_table`."""
    if not tables:
        return pd.DataFrame(columns=BEST_OF_COLUMNS)
    return pd.concat(tables, ignore_index=True)[BEST_OF_COLUMNS]


def find_sign(direction: Direction) -> float:
    """Return what turns a score into a loss: 1 if lower is better, -1 if higher is; else raise GanbenchError."""
    if direction == "neutral":
        raise GanbenchError(
            "the best configuration needs a metric with a direction, 'higher' or 'lower'; this one is neutral."
        )
    return 1.0 if direction == "lower" else -1.0


def find_losses(scores: ArrayLike, sign: float) -> Floats:
    """Return scores [n] as losses, of which lower is better; inf for each that is not finite."""
    losses = sign * np.asarray(scores, float)
    return np.where(np.isfinite(losses), losses, np.inf)


def restore_sign(losses: Floats, sign: float) -> Floats:
    """Return losses as scores; no zero is negative."""
    return sign * losses + 0.0


def curve_ends(picks: Sequence[Picks], level: float, resamples: int, seed: int) -> Floats:
    """Return the ends [2, n] of the percentile interval at each k; all `picks` share the resamples."""
    n = len(picks[0].told)
    if n < FEWEST_UNITS:
        return np.full((2, n), np.nan)
    curves = [expected_curves(picks, times) for times in draw_units(n, resamples, seed, n)]
    levels = [(1 - level) / 2, (1 + level) / 2]
    return np.quantile(np.concatenate(curves), levels, axis=0, method="inverted_cdf")


def expected_curves(picks: Sequence[Picks], times: NDArray[np.int64]) -> Floats:
    """Return the expected loss of the best of k in each resample [r, n], the mean over `picks`.

    Configuration i is times[r, i] times in resample r; each row sums to n.
    """
    return np.mean([expected_curve(pick, times) for pick in picks], axis=0)


def expected_curve(picks: Picks, times: NDArray[np.int64]) -> Floats:
    """Return the expected loss of the best of k in each resample [r, n].

    To share the probabilities of their ranks, configurations with equal `picked_by` are all told their mean.
    """
    n = len(picks.told)
    if not n:
        return np.empty(times.shape)
    order = np.argsort(picks.picked_by, kind="stable")
    ordered, told, times = picks.picked_by[order], picks.told[order], times[:, order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))  # the first of each group of equals
    dead = np.isinf(told)
    counts, deaths, sums = (
        np.add.reduceat(part, starts, axis=1) for part in (times, times * dead, times * np.where(dead, 0.0, told))
    )
    means = np.where(deaths > 0, np.inf, sums / np.maximum(counts, 1))
    ranked = np.repeat(means.ravel(), counts.ravel()).reshape(len(times), n)
    infinite = np.isinf(ranked)
    curves = np.where(infinite, 0.0, ranked) @ rank_probabilities(n)
    best_dead = np.where(infinite.any(axis=1), infinite.argmax(axis=1), n)  # its rank, from 0
    return np.where(np.arange(1, n + 1) <= n - best_dead[:, None], np.inf, curves)


@lru_cache(maxsize=32)
def rank_probabilities(n: int) -> Floats:
    """Return the probability that the configuration of rank j (row, from 1) is the best of k (column, from 1) [n, n].

    It is C(n - j, k - 1) / C(n, k): k / n for the first rank, and from rank j to the next times (n - j - k + 1) /
    (n - j), 0 from there on where this is negative. So no number overflows.
    """
    k, j = np.arange(1, n + 1), np.arange(1, n)[:, None]
    table = np.cumprod(np.vstack([k / n, np.maximum(0, n - j - k + 1) / (n - j)]), axis=0)
    table.setflags(write=False)
    return table
