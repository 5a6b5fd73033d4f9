"""The configurations that a method was tuned over: their scores, the best one, and what they say about the method.

A trial whose score is not finite is dead. The functions take and return tidy frames; `swept` is the method whose
options were varied, `configuration` the index of a setting, from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ganbench.api.metrics import Direction
from ganbench.statistics.best_of import find_sign
from ganbench.statistics.factors import name_level
from ganbench.statistics.final_scores import WORST
from ganbench.statistics.success_rates import rate_with_interval

SWEEP = ["dataset", "swept"]
CONFIGURATION = [*SWEEP, "configuration"]

FEWEST_VALUES = 3
"""The fewest values of an option of which a best one at the edge says anything: of two, both are edges."""

EDGE_COLUMNS = [*CONFIGURATION, "option", "value", "values", "edge", "note"]
ROBUSTNESS_COLUMNS = [
    *(*SWEEP, "successes", "n", "configurations", "dead_configurations"),
    *("rate", "rate_low", "rate_high"),
]


def score_configurations(trials: pd.DataFrame, direction: Direction, options: Sequence[str] = ()) -> pd.DataFrame:
    """Return the score of every configuration, a row for each; datasets and methods keep their order.

    `trials` has a row per tuning trial: dataset, swept, configuration, architecture, seed, score in the metric's own
    `direction`, reached (whether it succeeded), and a column for each of the varied `options`.

    Columns, after dataset, swept and configuration:

    score: the mean over architectures of the mean over seeds; the worst infinity if any trial is dead.
    finite_score: the same mean over the finite scores alone; NaN without any.
    dead, trials, reached: how many trials are dead, how many there are, and how many succeeded.

    Then come the values of the options. The order of rows changes no bit. Raise GanbenchError for the direction
    "neutral".
    """
    find_sign(direction)
    values = trials["score"].to_numpy(float)
    finite = np.isfinite(values)
    place = trials.groupby(SWEEP, sort=False).ngroup()
    table = trials.assign(score=np.where(finite, values, np.nan), dead=~finite, place=place)
    by = ["place", *CONFIGURATION]
    table = table.sort_values([*by, "architecture", "seed", "score"], kind="stable")  # sums depend on the order
    groups = table.groupby(by, sort=False)
    means = table.groupby([*by, "architecture"], sort=False)["score"].mean().groupby(by, sort=False).mean()
    counts = groups.agg(dead=("dead", "sum"), trials=("score", "size"), reached=("reached", "sum"))
    scores = pd.DataFrame({"score": means.where(counts["dead"] == 0, WORST[direction]), "finite_score": means})
    settings = groups[list(options)].first()
    return scores.join(counts).join(settings).reset_index().drop(columns="place")


def choose(scores: pd.DataFrame, direction: Direction) -> pd.DataFrame:
    """Return the best configuration of every method on every dataset: one row of `score_configurations` for each.

    It is the one with the fewest dead trials; of several, the one with the best `finite_score`; of several, the one
    with the lowest index. A column `configurations` says how many there were. The choice depends on these rows alone,
    and not on their order; so it can know nothing that is not in them. Raise GanbenchError for the direction "neutral".
    """
    groups = scores.groupby(SWEEP, sort=False)
    table = scores.assign(
        place=groups.ngroup(),
        loss=find_sign(direction) * scores["finite_score"],
        configurations=groups["configuration"].transform("nunique"),
    )
    best = table.sort_values(["place", "dead", "loss", "configuration"], kind="stable").drop_duplicates("place")
    return best.drop(columns=["place", "loss"]).reset_index(drop=True)


def find_edges(scores: pd.DataFrame, chosen: pd.DataFrame, options: Sequence[str]) -> pd.DataFrame:
    """Return for every chosen configuration and numeric option whether its value is the smallest or the largest tried.

    `scores` are all rows of `score_configurations`, `chosen` those of `choose`. Columns: dataset, swept, configuration,
    option, value, values (how many were tried), edge ("smallest", "largest", or "" for neither), note (a sentence such
    as "the best is the smallest optimizer.lr tried: 0.0001", or ""). Options of fewer than `FEWEST_VALUES` values, or
    with values that are no numbers, are left out: they have no edges. At an edge, a better value may lie beyond it.
    """
    tried = dict(iter(scores.groupby(SWEEP, sort=False)))
    rows: list[dict[str, Any]] = []
    for best in chosen.to_dict("records"):
        for option in options:
            values = find_values(tried[best["dataset"], best["swept"]][option])
            if len(values) < FEWEST_VALUES or not are_numbers(values):
                continue
            edge = {values[0]: "smallest", values[-1]: "largest"}.get(best[option], "")
            note = f"the best is the {edge} {option} tried: {name_level(best[option])}" if edge else ""
            names = {name: best[name] for name in CONFIGURATION}
            found = {"option": option, "value": best[option], "values": len(values), "edge": edge, "note": note}
            rows.append(names | found)
    return pd.DataFrame(rows, columns=EDGE_COLUMNS)


def robustness(trials: pd.DataFrame) -> pd.DataFrame:
    """Return every method's success rate over all its configurations: what is reached without a choice.

    `trials` are those of `score_configurations`. Columns: dataset, swept, successes, n (trials), configurations,
    dead_configurations (how many have a dead trial), rate with its 95% interval rate_low, rate_high. The unit of the
    interval is the configuration: its trials are correlated, as the seeds of one architecture are elsewhere
    (`effective_size`).
    """
    dead = ~np.isfinite(trials["score"].to_numpy(float))
    rows: list[dict[str, Any]] = []
    for (dataset, swept), group in trials.assign(dead=dead).groupby(SWEEP, sort=False):
        reached, units = group["reached"].to_numpy(bool), group["configuration"]
        counts = {"successes": int(reached.sum()), "n": len(group), "configurations": units.nunique()}
        counts["dead_configurations"] = group.loc[group["dead"], "configuration"].nunique()
        rows.append({"dataset": dataset, "swept": swept, **counts, **rate_with_interval(reached, units)})
    return pd.DataFrame(rows, columns=ROBUSTNESS_COLUMNS)


@dataclass(frozen=True, kw_only=True)
class Landscape:
    """The scores of one method's configurations on one dataset over the options that it varies.

    `options` names those of at least two values. `rows` has a row per configuration: configuration, score, dead, and
    the options: the long format, for parallel coordinates. `grid` has the scores with a row for each value of the first
    option and a column for each of the second, for a heat map; None unless there are two options, and each pair of
    their values is one configuration.
    """

    options: tuple[str, ...]
    rows: pd.DataFrame
    grid: pd.DataFrame | None


def landscape(scores: pd.DataFrame, options: Sequence[str]) -> Landscape:
    """Return the landscape of one method on one dataset, whose rows of `score_configurations` are `scores`.

    Values of `options` are numbers, texts or tuples; numbers rise, others keep the order of the configurations.
    """
    scores = scores.sort_values("configuration", kind="stable")
    values = {option: find_values(scores[option]) for option in options}
    varied = tuple(option for option in options if len(values[option]) > 1)
    rows = scores[["configuration", "score", "dead", *varied]].reset_index(drop=True)
    return Landscape(options=varied, rows=rows, grid=find_grid(rows, values, varied))


def find_grid(rows: pd.DataFrame, values: dict[str, list[Any]], options: Sequence[str]) -> pd.DataFrame | None:
    """Return the scores as a table of the first option by the second; None if they are no full grid of two options."""
    if len(options) != 2:
        return None
    first, second = options
    pairs = rows[[first, second]].dropna().drop_duplicates()
    if not len(rows) == len(pairs) == len(values[first]) * len(values[second]):
        return None
    cells = rows.set_index([first, second])["score"].to_dict()
    table = [[cells[down, across] for across in values[second]] for down in values[first]]
    index = pd.Index(values[first], name=first, tupleize_cols=False)
    return pd.DataFrame(table, index=index, columns=pd.Index(values[second], name=second, tupleize_cols=False))


def find_values(column: pd.Series[Any]) -> list[Any]:
    """Return the different values of an option without missing ones: numbers rise, others keep their order."""
    values = column.dropna().drop_duplicates().tolist()
    return sorted(values) if are_numbers(values) else values


def are_numbers(values: Sequence[object]) -> bool:
    """Return whether all values are numbers; truth values are none."""
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
