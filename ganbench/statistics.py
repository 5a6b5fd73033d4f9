"""From results to claims: success rates, intervals, paired tests, and quantiles in which the dead count as worst.

Functions of tidy frames that give tidy frames. The unit is the architecture; with one architecture, the seed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ganbench.courses import outcome_table
from ganbench.errors import GanbenchError, unknown
from ganbench.inference import effective_size, mcnemar_exact, sign_flip_exact, wilson

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
