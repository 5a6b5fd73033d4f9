"""Which factors of the architecture decide success: rates by the levels of each factor, and odds ratios."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganbench.errors import unknown_name
from ganbench.results.contents import ARCHITECTURE
from ganbench.statistics.final_scores import rule_scores, successes
from ganbench.statistics.firth import Firth
from ganbench.statistics.success_rates import rate_with_interval
from ganbench.suite.success import SuccessRule

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

MOST_NUMBERS, MOST_TEXTS = 6, 20
"""Values of a factor that are levels: numbers (more are grouped by quartiles) and texts (more are no levels)."""

FEWEST_ARCHITECTURES = 5
"""Architectures for each coefficient of a logistic model, at least."""

MOST_PROFILED = 2000
"""Groups of equal architectures up to which intervals are profiled; beyond, Wald's are as good, and fast."""

RATE_COLUMNS = ["method", "factor", "level", "successes", "n", "units", "rate", "rate_low", "rate_high"]
ODDS_COLUMNS = ["method", "factor", "level", "reference", "odds_ratio", "low", "high", "p", "note"]


def factor_rates(
    frames: Frames, rule: SuccessRule, measurement: str | None = None, factor: str | None = None
) -> pd.DataFrame:
    """Return every method's success rate at the primary threshold by the levels of each factor of the architecture.

    Columns: method, factor, level (a text), successes, n (trials), units (architectures), rate with its 95% interval
    rate_low, rate_high (`rate_table`). The factors are those of `frames.architectures` that vary on the rule's dataset,
    or `factor` alone. The levels of a factor rise; numbers of more than `MOST_NUMBERS` values are grouped by their
    quartiles over the architectures, "12 to 40". A factor that an architecture does not have is "(none)" there. Texts
    of more than `MOST_TEXTS` values are no levels, so such a factor is left out. Empty for one architecture. Raise
    GanbenchError for an unknown `factor`.
    """
    trials, levels = read_levels(frames, rule, measurement, factor)
    rows: list[dict[str, Any]] = []
    for method, group in trials.groupby("method", sort=False):
        for name, names in levels.items():
            for level, code in zip(names, range(len(names)), strict=True):
                part = group[group[name] == code]
                if len(part):
                    outcomes = part["success"].to_numpy(bool)
                    counts = {"successes": int(outcomes.sum()), "n": len(part), "units": part["unit"].nunique()}
                    rates = rate_with_interval(outcomes, part["unit"])
                    rows.append({"method": method, "factor": name, "level": level, **counts, **rates})
    return pd.DataFrame(rows, columns=RATE_COLUMNS)


def factor_odds(
    frames: Frames, rule: SuccessRule, measurement: str | None = None, factor: str | None = None
) -> pd.DataFrame:
    """Return for each method how much each level of a factor changes the odds of success, against its first level.

    Columns: method, factor, level, reference (the first level), odds_ratio with its 95% interval low and high, p (two-
    sided, of an odds ratio of 1, not adjusted for the number of rows), note. Levels are those of `factor_rates`.

    A logistic model of the success of each method's trials on all factors together, by Firth's penalised likelihood, so
    odds ratios are finite also where a level always succeeds; intervals and p are those of the profile penalised
    likelihood (G. Heinze, M. Schemper, Statistics in Medicine 21, 2002), Wald's for more than `MOST_PROFILED` groups.
    The unit is the architecture: with several seeds the likelihood is divided by the dispersion of the architectures'
    counts, at least 1, and Student's t replaces the normal distribution. With fewer than `FEWEST_ARCHITECTURES` for
    each coefficient, every factor has a model of its own, which the note says: in random architectures, factors are
    independent. So it is, without a note, if only one `factor` is asked for. Rows without a number have a note too.
    Empty for one architecture. Raise GanbenchError for an unknown `factor`.
    """
    trials, levels = read_levels(frames, rule, measurement, factor)
    rows: list[dict[str, Any]] = []
    for method, group in trials.groupby("method", sort=False):
        counts = group.groupby("unit", sort=False).agg(
            **{name: (name, "first") for name in levels}, successes=("success", "sum"), trials=("success", "size")
        )
        present = {name: np.unique(counts[name]) for name in levels}
        coefficients = 1 + sum(len(codes) - 1 for codes in present.values())
        together = len(counts) >= FEWEST_ARCHITECTURES * coefficients
        present = {name: codes for name, codes in present.items() if len(codes) > 1}
        models = [present] if together and present else [{name: codes} for name, codes in present.items()]
        note = "" if together or len(models) < 2 else f"alone: {len(counts)} architectures are too few for all factors"
        for model in models:
            for row in fit_factors(counts, model, note):
                names = levels[row["factor"]]
                labels = {"level": names[row["level"]], "reference": names[row["reference"]]}
                rows.append({"method": method, **row, **labels})
    return pd.DataFrame(rows, columns=ODDS_COLUMNS)


def read_levels(
    frames: Frames, rule: SuccessRule, measurement: str | None, factor: str | None
) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """Return the trials of a rule with success and a column of codes for each factor, and the levels of each factor."""
    scores = rule_scores(frames, rule, measurement)
    success = successes(scores, rule.at, rule.primary)
    trials = scores[["method", "architecture", "unit"]].assign(success=success)
    table = frames.architectures
    table = table[(table["dataset"] == rule.dataset) & table["architecture"].isin(trials["architecture"])]
    names = [name for name in table.columns if name not in ARCHITECTURE]
    if factor is not None:
        if factor not in names:
            raise unknown_name("factor", factor, names, "--by")
        names = [factor]
    table = table.drop_duplicates("architecture").set_index("architecture")
    codes, levels = pd.DataFrame(index=table.index), dict[str, list[str]]()
    for name in names:
        codes[name], labels = find_levels(table[name])
        if len(labels) > 1:
            levels[name] = labels
    return trials.join(codes[list(levels)], on="architecture", how="inner"), levels


def find_levels(values: pd.Series[Any]) -> tuple[NDArray[np.intp], list[str]]:
    """Return the code of each value's level [n], and the levels' names in rising order; no names for too many texts.

    Missing values are the last level, "(none)".
    """
    codes, distinct = pd.factorize(values, sort=True)
    kinds = {type(value) for value in distinct.tolist()}
    names = [name_level(value) for value in distinct.tolist()]
    if kinds <= {int, float} and len(distinct) > MOST_NUMBERS:
        codes, names = group_numbers(codes, np.asarray(distinct, float))
    elif len(names) > MOST_TEXTS:
        return codes, []
    missing = codes < 0
    return np.where(missing, len(names), codes), [*names, *["(none)"] * bool(missing.any())]


def name_level(value: object) -> str:
    """Return a value of a factor as the name of a level."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.12g}" if isinstance(value, int | float) else str(value)


def group_numbers(codes: NDArray[np.intp], distinct: NDArray[np.float64]) -> tuple[NDArray[np.intp], list[str]]:
    """Return the quartile of each number, from 0, and the quartiles' names, as in "12 to 40"; equal ends are merged.

    `codes` [n] are the places of the numbers in `distinct`, which rises; -1, for no number, stays.
    """
    ends = np.unique(np.quantile(codes[codes >= 0], [0.25, 0.5, 0.75, 1.0], method="inverted_cdf"))
    quartiles = np.searchsorted(ends, np.arange(len(distinct)))
    names = []
    for quartile in range(len(ends)):
        within = distinct[quartiles == quartile].tolist()
        names.append(" to ".join(dict.fromkeys((f"{within[0]:.4g}", f"{within[-1]:.4g}"))))
    return np.where(codes < 0, -1, quartiles[codes]), names


def fit_factors(counts: pd.DataFrame, model: Mapping[str, NDArray[np.intp]], note: str) -> list[dict[str, Any]]:
    """Return the odds ratios of a logistic model: a row for each level but the first of each factor, codes for names.

    `counts` has a row per architecture: successes, trials, and the codes of its levels. `model` has the codes that
    occur, by factor. `note` is that of rows with a number.
    """
    columns = [(name, int(code)) for name, codes in model.items() for code in codes[1:]]
    rows: list[dict[str, Any]] = [
        {"factor": name, "level": code, "reference": int(model[name][0]), "note": note} for name, code in columns
    ]
    total, needed = int(counts["successes"].sum()), FEWEST_ARCHITECTURES * (1 + len(columns))
    if lack := (
        "no trial succeeds"
        if total == 0
        else "every trial succeeds"
        if total == counts["trials"].sum()
        else f"{len(counts)} architectures are too few, at least {needed} are needed"
        if len(counts) < needed
        else ""
    ):
        return [{**row, "note": lack} for row in rows]
    groups = counts.groupby(list(model), sort=False)
    cells = groups[["successes", "trials"]].sum().reset_index()
    full = np.column_stack([np.ones(len(cells)), *((cells[name] == code).astype(float) for name, code in columns)])
    kept = independent_columns(full)
    for place, row in enumerate(rows, start=1):
        if place not in kept:
            row["note"] = "this level always goes with those of other factors"
    design = full[:, kept]
    try:
        estimates = estimate(design, cells, counts, np.asarray(groups.ngroup(), np.intp))
    except np.linalg.LinAlgError as error:
        return [{**row, "note": f"the model cannot be fitted: {error}"} for row in rows]
    for place, values in zip(kept[1:], estimates, strict=True):
        rows[place - 1] |= values
    return rows


def independent_columns(design: NDArray[np.float64]) -> list[int]:
    """Return the columns of a design [n, p] that are no sum of multiples of earlier ones."""
    kept: list[int] = []
    for place in range(design.shape[1]):
        if np.linalg.matrix_rank(design[:, [*kept, place]]) > len(kept):
            kept.append(place)
    return kept


def estimate(
    design: NDArray[np.float64], cells: pd.DataFrame, counts: pd.DataFrame, cell_of: NDArray[np.intp]
) -> list[dict[str, float]]:
    """Return odds_ratio, low, high and p of every coefficient but the first of a design [n, p] of equal architectures.

    `cells` has the successes and trials of each, `counts` those of each architecture, whose cell is `cell_of`. Raise
    LinAlgError if the model cannot be fitted.
    """
    from scipy.special import expit
    from scipy.stats import t

    numbers = (cells["successes"].to_numpy(float), cells["trials"].to_numpy(float))
    model = Firth(design, *numbers)
    best, top = model.maximise()
    if (counts["trials"] > 1).any():
        rates, sizes = expit(design @ best)[cell_of], counts["trials"].to_numpy(float)
        residuals = (counts["successes"].to_numpy(float) - sizes * rates) ** 2 / (sizes * rates * (1 - rates))
        freedom = len(counts) - design.shape[1]
        model = Firth(design, *numbers, freedom / max(freedom, float(residuals.sum())), freedom)
        best, top = model.maximise(best)
    estimates = []
    for place in range(1, design.shape[1]):
        if len(cells) <= MOST_PROFILED:
            (low, high), p = model.profile(best, place), model.test(top, best, place)
        else:
            error = float(np.sqrt(top.covariance[place, place]))
            low, high = (float(best[place] + end * error) for end in t.ppf([0.025, 0.975], model.freedom))
            p = float(2 * t.sf(abs(best[place]) / error, model.freedom))
        estimates.append(dict(zip(("odds_ratio", "low", "high"), np.exp([best[place], low, high]), strict=True), p=p))
    return estimates
