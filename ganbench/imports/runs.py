"""The runs of a table: their values, how each ended, and the factors of their architectures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, get_args

from ganbench.api.records import Status
from ganbench.errors import GanbenchError, shorten, suggest
from ganbench.imports.rows import FACTOR, LONGEST_NAME, Rows, is_factor
from ganbench.results.integrity import BOUNDS, MOST

MOST_METRICS = 1000
"""Distinct metrics of a table, at most."""

NO_NUMBER = frozenset({"", "nan", "na", "n/a", "<na>", "null", "none"})
"""The texts that stand for a value that is not a number, in lower case."""

TRUTHS = {"true": True, "1": True, "false": False, "0": False, "": False}


class Cell(NamedTuple):
    """What makes a run: rows that agree in all of it belong to the same one."""

    dataset: str
    architecture: str
    method: str
    seed: int

    @property
    def title(self) -> str:
        """The run in words."""
        return f"{self.method} on {self.dataset}, {self.architecture}, seed {self.seed}"


class Point(NamedTuple):
    """Where a value belongs in its run: the metric, the generator step, and whether it is of fresh samples."""

    metric: str
    step: int
    fresh: bool = False

    @property
    def title(self) -> str:
        """The place of the value in words."""
        return f"{self.metric} at step {self.step}{' on fresh samples' * self.fresh}"


class End(NamedTuple):
    """How a run ended: its status, its last generator step, and the step from which on it had diverged, else -1."""

    status: Status
    last: int
    diverged_at: int


@dataclass(kw_only=True)
class Run:
    """A run: its values by their points, the lines that they come from, and the status that the table declares.

    `status` is "" where nothing is declared, and `line` that of the first row. `reached` is the largest step of a row.
    """

    cell: Cell
    values: dict[Point, float] = field(default_factory=dict)
    lines: dict[Point, int] = field(default_factory=dict)
    status: str = ""
    line: int = 0
    reached: int = 0

    @property
    def end(self) -> End:
        """How the run ended.

        Its last step is the largest one of any row. Where the table declares no status, a run diverged if none of its
        values is finite from some step on to its end, of whatever metric; it diverged at the first such step. Else it
        completed. A run that is declared diverged, and whose last values are finite, diverged at its last step.
        """
        last = max([self.reached, *(point.step for point in self.values)])
        finite = max((point.step for point, value in self.values.items() if math.isfinite(value)), default=-1)
        onset = min((point.step for point in self.values if point.step > finite), default=-1)
        inferred: Status = "completed" if onset < 0 else "diverged"
        status: Status = next((word for word in get_args(Status) if word == self.status), inferred)
        return End(status, max(1, last), (onset if onset >= 0 else last) if status == "diverged" else -1)


@dataclass(frozen=True, kw_only=True)
class Runs:
    """The runs of a table by cell, in its order, and the factors of each architecture that has any, by its name."""

    runs: Mapping[Cell, Run]
    factors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def metrics(self) -> list[str]:
        """The names of all metrics, in the order of the runs."""
        return list(dict.fromkeys(point.metric for run in self.runs.values() for point in run.values))


def collect_runs(rows: Rows) -> Runs:
    """Return the runs of a table; raise GanbenchError, with the line, for a wrong cell and a row that is there twice.

    Rows of one run may stand anywhere.
    """
    check_names(rows)
    runs: dict[Cell, Run] = {}
    columns = rows.columns
    for place, line in enumerate(rows.lines):
        seed = parse_whole(rows, place, "seed")
        cell = Cell(columns["dataset"][place], columns["architecture"][place], columns["method"][place], seed)
        status = read_status(rows, place)
        run = runs.get(cell)
        if run is None:
            run = runs[cell] = Run(cell=cell, status=status, line=line)
        elif status != run.status:
            raise rows.refuse(
                place,
                f"status {status!r}, but {run.status!r} in line {run.line} of the same run ({cell.title}). A run has "
                "one status: write it into each of its rows.",
            )
        value = parse_value(rows, place)
        if is_without_value(rows, place, value):
            run.reached = max(run.reached, parse_whole(rows, place, "step") if columns["step"][place] else 0)
            continue
        point = Point(columns["metric"][place], parse_whole(rows, place, "step"), read_fresh(rows, place))
        run.reached = max(run.reached, point.step)
        if point in run.lines:
            raise rows.refuse(place, f"{cell.title}: {point.title} stands in line {run.lines[point]} already.")
        run.values[point], run.lines[point] = value, line
    if len(runs) > MOST["trial"]:
        raise GanbenchError(f"{rows.file}: {len(runs):,} runs, more than {MOST['trial']:,}. Split the file.")
    return Runs(runs=runs, factors=collect_factors(rows))


def is_without_value(rows: Rows, place: int, value: float) -> bool:
    """Return whether a row only says how a run ended, without metric and value; raise GanbenchError if it says less."""
    if rows.columns["metric"][place]:
        return False
    if not math.isnan(value) or read_status(rows, place) in ("", "completed"):
        raise rows.refuse(
            place,
            "metric is empty. Name what was measured; only a run with the status failed, timed-out or diverged may "
            "have a row without metric and value.",
        )
    return True


def check_names(rows: Rows) -> None:
    """Raise GanbenchError for a name that no suite could have, and for more metrics than `MOST_METRICS`."""
    for column in ("method", "architecture", "dataset", "metric"):
        cells = rows.columns[column]
        for name in dict.fromkeys(cells):
            if (not name and column != "metric") or not name.isprintable() or len(name) > LONGEST_NAME:
                reason = f"a name is 1 to {LONGEST_NAME} printable characters"
                raise rows.refuse(cells.index(name), f"{column} is {shorten(name)}: {reason}.")
    if (count := len(set(rows.columns["metric"]))) > MOST_METRICS:
        example = shorten(next(filter(None, rows.columns["metric"])))
        raise GanbenchError(
            f"{rows.file}: the column metric has {count:,} different names, such as {example}, but at most "
            f"{MOST_METRICS:,} are allowed. It should hold names of metrics, such as fid."
        )


def parse_whole(rows: Rows, place: int, column: str) -> int:
    """Return a seed or a step; raise GanbenchError for what is no whole number, or out of bounds."""
    text = rows.columns[column][place]
    least, most = BOUNDS[column]
    try:
        number = int(text)
    except ValueError:  # pandas writes whole numbers with a point where one of the column is missing
        try:
            number = int(text.removesuffix(".0")) if text.endswith(".0") else -1
        except ValueError:
            number = -1
    if "_" in text or not least <= number <= most:
        what = "generator step" if column == "step" else column
        raise rows.refuse(place, f"{column} is {shorten(text)}: a {what} is a whole number from {least} to {most}.")
    return number


def parse_value(rows: Rows, place: int) -> float:
    """Return a value, NaN for an empty cell; raise GanbenchError for what is no number."""
    text = rows.columns["value"][place]
    try:
        if "_" in text:  # a number in Python, and a mistake anywhere else
            raise ValueError
        return float(text)
    except ValueError:
        if text.lower() in NO_NUMBER:
            return math.nan
        reason = "it is no number. Write a number with a point, or leave the cell empty where there was none."
        raise rows.refuse(place, f"value is {shorten(text)}: {reason}") from None


def read_status(rows: Rows, place: int) -> str:
    """Return the declared status of a row's run, "" without one; raise GanbenchError for an unknown word."""
    if "status" not in rows.columns:
        return ""
    text, known = rows.columns["status"][place], get_args(Status)
    if text and text not in known:
        raise rows.refuse(
            place, f"status is {shorten(text)}.{suggest(text, known)} Known: {', '.join(known)}, or nothing."
        )
    return text


def read_fresh(rows: Rows, place: int) -> bool:
    """Return whether a row's value is of fresh samples; raise GanbenchError for neither true nor false."""
    if "fresh" not in rows.columns:
        return False
    text = rows.columns["fresh"][place]
    if text.lower() not in TRUTHS:
        raise rows.refuse(place, f"fresh is {shorten(text)}. Write true or false.")
    return TRUTHS[text.lower()]


def collect_factors(rows: Rows) -> dict[str, dict[str, Any]]:
    """Return the factors of each architecture; raise GanbenchError for one that is not the same in all of its rows."""
    factors: dict[str, dict[str, Any]] = {}
    architectures = rows.columns["architecture"]
    for column in filter(is_factor, rows.columns):
        seen: dict[str, tuple[str, int]] = {}
        for place, (name, text) in enumerate(zip(architectures, rows.columns[column], strict=True)):
            known, line = seen.setdefault(name, (text, rows.lines[place]))
            if known != text:
                raise rows.refuse(
                    place,
                    f"{column} of {name!r} is {shorten(text)}, and {shorten(known)} in line {line}. An architecture "
                    "has one value of each factor: give the other one another name.",
                )
        for name, (text, _) in seen.items():
            if text:
                factors.setdefault(name, {})[column.removeprefix(FACTOR)] = parse_factor(text)
    return factors


def parse_factor(text: str) -> Any:
    """Return the value of a factor: a whole number, a number, true or false, or else the text."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        if math.isfinite(number) and abs(number) < 2**63 and "_" not in text:
            return number
    return text
