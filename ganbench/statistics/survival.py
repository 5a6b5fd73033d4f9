"""Survival curves of the outcomes: the share of trials in which each has not begun until a generator step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ganbench.api.records import TRAINED
from ganbench.statistics.intervals import wilson
from ganbench.statistics.outcome_table import trial_outcomes
from ganbench.statistics.units import find_units

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

SURVIVED = ("diverged", "collapsed", "degraded")
"""The outcomes that have a survival curve; diverged is the earlier of non-finite and exploded."""

MOST_STEPS = 200
"""The most steps of one curve: of more at which the outcome begins, these are spread evenly over their order."""


def survival_table(frames: Frames) -> pd.DataFrame:
    """Return the share of each method's trials in which an outcome has not begun until a generator step.

    Columns: dataset, method, outcome (one of `SURVIVED`), step (generator steps), share and its pointwise 95% interval
    low and high, at_risk (trials under observation just before the step, in which the outcome had not begun), n (trials
    for which the outcome is known). A curve is a row at step 0, one at every step at which the outcome begins (of more
    than `MOST_STEPS`, so many), and one at the last step under observation; the share is constant in between.

    The share is that of Kaplan and Meier (`survival_curve`). A trial that was trained to the end of its budget is
    observed until that step; another outcome, such as a divergence, ends no observation, so the share is the literal
    one, and never that of an imagined method which does not diverge. A trial that failed or timed out is censored at
    its last stored score or signal. Collapsed and degraded last to the end by definition, so such a trial does not
    show them: it is censored where they may have begun. Trials of which nothing is known are left out.
    """
    trials = observe_trials(frames)
    rows: list[pd.DataFrame] = []
    for (dataset, method), group in trials.groupby(["dataset", "method"], sort=False):
        for outcome in SURVIVED:
            times = group[[f"{outcome}_until", f"{outcome}_begun", "unit"]].dropna()
            if len(times):
                until, begun, units = (times[name] for name in times)
                curve = survival_curve(until, begun.astype(bool), units)
                rows.append(curve.assign(dataset=str(dataset), method=str(method), outcome=outcome, n=len(times)))
    columns = ["dataset", "method", "outcome", "step", "share", "low", "high", "at_risk", "n"]
    return pd.concat(rows, ignore_index=True)[columns] if rows else pd.DataFrame(columns=columns)


def observe_trials(frames: Frames) -> pd.DataFrame:
    """Return every recorded trial, with the step until which it is observed for each outcome, and whether it began.

    The columns are those of `frames.trials`, unit, and for each of `SURVIVED` `_until` (generator steps) and `_begun`;
    both are NaN if nothing is known.
    """
    trials = frames.trials[frames.trials["status"] != "missing"]
    trials = trials.assign(unit=find_units(trials))
    outcomes = trial_outcomes(frames).drop(columns="diverged").reindex(trials["key"])
    trials = trials.join(outcomes.set_axis(trials.index))
    trained = trials["status"].isin(TRAINED)
    lost = trials.loc[~trained, "key"]
    stored = [rows.loc[rows["key"].isin(lost), ["key", "step"]] for rows in (frames.scores, frames.signals)]
    last_stored = trials["key"].map(pd.concat(stored).groupby("key")["step"].max()).astype("float64")
    end = trials["generator_steps"].astype("float64").where(trained, last_stored)
    columns: dict[str, Any] = {}
    for outcome in SURVIVED:
        begin = trials[["non-finite", "exploded"] if outcome == "diverged" else [outcome]].min(axis=1)
        until = pd.concat([begin, end], axis=1).min(axis=1, skipna=False)
        begun = np.isfinite(begin) & (trained | (outcome == "diverged"))
        columns |= {f"{outcome}_until": until, f"{outcome}_begun": begun.astype("float64").where(until.notna())}
    return trials.assign(**columns)


def survival_curve(until: ArrayLike, begun: ArrayLike, units: ArrayLike, level: float = 0.95) -> pd.DataFrame:
    """Return the Kaplan-Meier curve of an outcome with a pointwise interval: step, share, low, high, at_risk.

    `until` [n] is the generator step at which the outcome began in a trial, or until which it was not seen; `begun` [n]
    says which; `units` [n] names the unit of each trial; `level` is the confidence.

    E. L. Kaplan, P. Meier, JASA 53 (1958). The interval is Rothman's (K. J. Rothman, J. Chronic Diseases 31, 1978):
    Wilson's at the effective sample size, which is share * (1 - share) over the variance of the share. The variance is
    Greenwood's (1926), times the design effect of the units, at least 1: the variance between units of the share's
    influences (Z. Ying, L. J. Wei, J. Multivariate Analysis 50, 1994) over that of independent trials. While nothing
    has begun, the size is the number of units at risk; once it has begun in all, that of all units. So without
    censoring it is the interval of a success rate (`effective_size`), and it never ends at a single point.
    """
    times, events = np.asarray(until, float), np.asarray(begun, bool)
    order = np.argsort(times, kind="stable")
    times, events, codes = times[order], events[order], pd.factorize(np.asarray(units))[0][order]
    steps, starts = np.unique(times, return_index=True)
    at_risk = len(times) - starts
    began = np.add.reduceat(events, starts, dtype=np.int64)
    share = np.cumprod(1 - began / at_risk)
    with np.errstate(divide="ignore", invalid="ignore"):  # at a share of 0 there is none
        greenwood = share**2 * np.cumsum(began / (at_risk * (at_risk - began)))
    places = np.flatnonzero(began)
    places = places[np.linspace(0, len(places) - 1, min(len(places), MOST_STEPS)).astype(int)]
    shown = np.union1d(places, [len(steps) - 1])
    shares, units = share[shown], len(np.unique(codes))
    sizes = np.array([len(np.unique(codes[starts[i] :])) if share[i] == 1 else units for i in shown], float)
    varies = (shares > 0) & (shares < 1) & (units > 1)
    effect = np.ones(len(shown))
    if 1 < units < len(codes):
        between = variance_between_units(times, events, codes, (steps, at_risk, began, share), shown)
        effect = np.maximum(1.0, np.divide(between, greenwood[shown], out=effect, where=varies))
    np.divide(shares * (1 - shares), greenwood[shown] * effect, out=sizes, where=varies)
    shares, sizes = np.append(1.0, shares), np.append(float(units), sizes)
    ends = [wilson(rest * size, size, level) for rest, size in zip(shares, sizes, strict=True)]
    curve = pd.DataFrame({"step": np.append(0, steps[shown]).astype("int64"), "share": shares})
    curve[["low", "high"]] = np.array(ends)
    return curve.assign(at_risk=np.append(len(times), at_risk[shown])).drop_duplicates("step", keep="last")


def variance_between_units(
    times: NDArray[np.float64],
    events: NDArray[np.bool_],
    codes: NDArray[np.intp],
    curve: tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]],
    shown: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Return the variance of the share at the steps `shown`, from the sums of each unit's influences.

    The influence of a trial on the share S(t), its derivative by the trial's weight, is -S(t) (M(t) - A(min(t, its
    end))). With Y trials at risk and d events at a step, M(t) is 1 / (Y - d) at its event, from there on, and A(t) is
    the sum of d / (Y (Y - d)) until t. `curve` has the steps, the numbers at risk, the events and the shares there.
    """
    steps, at_risk, began, share = curve
    own = np.searchsorted(steps, times)
    with np.errstate(divide="ignore", invalid="ignore"):  # at a share of 0, where no variance is asked for
        slope = np.cumsum(began / (at_risk * (at_risk - began)))
        ended = np.where(events, 1 / (at_risk - began)[own], 0.0) - slope[own]
    bins = np.searchsorted(steps[shown], times)  # the first shown step at which the trial has ended
    k, width = int(codes.max()) + 1, len(shown) + 1
    cells = codes * width + bins
    sums, gone = (
        np.bincount(cells, weights, minlength=k * width).reshape(k, width).cumsum(axis=1)[:, :-1]
        for weights in (ended, np.ones(len(times)))
    )
    running = np.bincount(codes)[:, None] - gone
    with np.errstate(invalid="ignore"):
        influence = share[shown] * (sums - slope[shown] * running)
    return np.asarray(k / (k - 1) * (influence**2).sum(axis=0))
