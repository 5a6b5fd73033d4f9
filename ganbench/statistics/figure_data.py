"""The numbers of a suite's figures: a tidy table for each, with the quartiles over trials."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ganbench.statistics.claim_units import at_step
from ganbench.statistics.intervals import quantile
from ganbench.statistics.quantities import Quantity, find_trials, read_quantity, read_series
from ganbench.suite.figures import FigureTable

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

COLUMNS = ["figure", "value", "dataset", "method", "x", "y", "low", "median", "high", "n"]


def figure_data(frames: Frames, figure: FigureTable) -> pd.DataFrame:
    """Return the data of a figure, a row for each point of each line: `COLUMNS`.

    `x` is the generator step, the position in a profile, or the place of a dataset or method; `y` is the second
    position of a surface, else NaN. low, median and high are the quartiles over the `n` trials that have a value there;
    of a surface and a histogram, those of all trials at equal positions.
    """
    datasets = figure.datasets or tuple(dict.fromkeys(frames.trials["dataset"]))
    methods = figure.methods or tuple(dict.fromkeys(frames.trials["method"]))
    parts = [
        rows.assign(value_name=value, dataset=dataset, method=method)
        for value, dataset, method in product(figure.values, datasets, methods)
        for rows in _list_points(frames, figure, dataset, method, value)
    ]
    if not parts:
        return pd.DataFrame(columns=COLUMNS)
    points = pd.concat(parts, ignore_index=True)
    places = ["value_name", "dataset", "method", "x", "y"]
    grouped = points.groupby(places, sort=False, dropna=False)["number"]
    table = grouped.agg(low=_quartile(0.25), median=_quartile(0.5), high=_quartile(0.75), n="count").reset_index()
    table = table.rename(columns={"value_name": "value"}).assign(figure=figure.name)
    return table.sort_values(["x", "y"], kind="stable", ignore_index=True)[COLUMNS]


def _quartile(share: float) -> Callable[[pd.Series[float]], float]:
    """Return the function from numbers to their quantile, without those that are not known."""

    def find(numbers: pd.Series[float]) -> float:
        return quantile(numbers.dropna().to_numpy(float), share)

    return find


def _list_points(frames: Frames, figure: FigureTable, dataset: str, method: str, value: str) -> Iterator[pd.DataFrame]:
    """Yield the numbers of all trials of one line: columns x, y and number."""
    quantity = Quantity(dataset=dataset, method=method, value=value, at=figure.at, where=figure.where)
    if figure.x in ("datasets", "methods"):
        names = figure.datasets if figure.x == "datasets" else figure.methods
        place = names.index(dataset if figure.x == "datasets" else method)
        numbers = read_quantity(frames, quantity)
        x = figure.places[place] if figure.places else float(place)
        yield pd.DataFrame({"x": x, "y": np.nan, "number": numbers.to_numpy(float)})
        return
    rows = read_series(frames, quantity)
    if figure.x == "position":
        rows = at_step(rows, figure.at)
        yield rows[["x", "y"]].assign(number=rows["value"])
    elif len(find_trials(frames, quantity)):
        yield pd.DataFrame({"x": rows["step"].astype("float64"), "y": np.nan, "number": rows["value"]})
