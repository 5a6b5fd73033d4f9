"""The sides of a comparison: results folders, or methods within one, and the cells that all of them have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganbench.errors import GanbenchError, unknown_name
from ganbench.report.notes import import_notes
from ganbench.results.frames import Frames
from ganbench.results.history import list_values, refuse_unplanned
from ganbench.results.joined import join_frames
from ganbench.results.origins import Origin
from ganbench.results.store import Store
from ganbench.suite.loading import restore
from ganbench.suite.suite import Suite

JOINED = ("success", "dataset")
"""The tables of a suite that joined sides have from each of their parts."""

CELL = ["dataset", "architecture", "method", "seed"]
"""What two trials must share to be compared; `method` is empty where methods are compared."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Side:
    """One side of a comparison: a results folder, or one method of it.

    `name` is what tables call it. `method` is the method that stands for the side, "" where all methods of the folder
    are compared with those of the same name. `parts` are the folders of a side that several make up (`join_sides`).
    """

    name: str
    folder: Path
    frames: Frames
    suite: Suite
    origins: Mapping[str, Origin]
    method: str = ""
    parts: tuple[Side, ...] = ()

    @property
    def homes(self) -> tuple[Side, ...]:
        """The results folders of this side, each as a side: its parts, or itself."""
        return self.parts or (self,)

    def locate(self, key: str) -> tuple[Path, str]:
        """Return the results folder of a trial of this side, and the trial's key there."""
        if not self.parts:
            return self.folder, key
        number, _, own = key.partition(":")
        return self.parts[int(number)].folder, own

    @cached_property
    def cells(self) -> pd.DataFrame:
        """The planned trials of this side by cell: the rows of `frames.trials` that count, indexed by `CELL`."""
        trials = self.frames.trials
        if self.method:
            trials = trials[trials["method"] == self.method]
        labels = trials.assign(method="") if self.method else trials
        indexed = trials.set_index(pd.MultiIndex.from_frame(labels[CELL]))
        return indexed[~indexed.index.duplicated()]

    def label(self, method: str) -> str:
        """Return what tables call a method of this side."""
        return f"{self.name}: {method}" if method else self.name


def open_sides(results: Sequence[str | Path], methods: Sequence[str] | None = None) -> list[Side]:
    """Return the sides: each folder is one, or, with `methods`, each method of one folder.

    As many methods as folders are one method of each folder. Raise GanbenchError for fewer than two sides, a folder
    that is given twice, an unknown method, and a folder without a plan.
    """
    folders = [path.parent if path.is_file() else path for path in map(Path, results)]
    methods = list(methods or ())
    if methods and len(folders) == 1:
        folders *= len(methods)
    elif methods and len(folders) != len(methods):
        raise GanbenchError(
            f"{len(folders)} results folders, but {len(methods)} methods. Name one folder and its methods, or one "
            "method for each folder."
        )
    if len(folders) < 2:
        raise GanbenchError(
            "one side has nothing to be compared with. Name a second results folder, or two methods: "
            "`ganbench compare RESULTS --methods A B`."
        )
    refuse_repeated(folders, methods)
    names = methods if len({*folders}) == 1 and methods else distinct_names(folders)
    opened = {folder: open_side(folder) for folder in dict.fromkeys(folders)}
    sides = []
    for folder, name, method in zip(folders, names, methods or [""] * len(folders), strict=True):
        side = opened[folder]
        known = list(dict.fromkeys(side.frames.trials["method"]))
        if method and method not in known:
            raise unknown_name("method", method, known, str(folder))
        title = name if not method or name == method else f"{name}: {method}"
        own = {field: getattr(side, field) for field in ("folder", "frames", "suite", "origins")}
        sides.append(Side(name=title, method=method, **own))
    return sides


def refuse_repeated(folders: Sequence[Path], methods: Sequence[str]) -> None:
    """Raise GanbenchError if a folder, or a method of it, is given twice."""
    seen: set[tuple[Path, str]] = set()
    for folder, method in zip(folders, methods or [""] * len(folders), strict=True):
        if (place := (folder.resolve(), method)) in seen:
            what = f"{method!r} of {folder}" if method else str(folder)
            raise GanbenchError(f"{what}: given twice, so there is nothing to compare. Name two different ones.")
        seen.add(place)


def distinct_names(folders: Sequence[Path]) -> list[str]:
    """Return a name for each folder: its own, with as many of its parents' as it takes to make all of them distinct."""
    parts = [folder.resolve().parts for folder in folders]
    for count in range(1, max(map(len, parts)) + 1):
        names = ["/".join(each[-count:]) for each in parts]
        if len({*names}) == len({*parts}):
            return names
    return [str(folder) for folder in folders]


def open_side(folder: Path, *, name: str = "", method: str = "") -> Side:
    """Return the side that a results folder is, or a method of it; raise GanbenchError if nothing is planned there."""
    with Store(folder, readonly=True) as store:
        frames, origins = store.frames(), store.origins()
    refuse_unplanned(frames.runs if len(frames.trials) else (), folder)
    try:
        suite = restore(frames.suite)
    except GanbenchError as error:
        raise GanbenchError(f"{folder}: {error}") from error
    own = {origin.key: origin for origin in origins}
    return Side(name=name, folder=folder, frames=frames, suite=suite, origins=own, method=method)


def join_sides(parts: Sequence[Side]) -> Side:
    """Return one side that several results folders with different datasets make up; name and method are the first's.

    Its suite asks for the datasets of all, by the success rules of all. A key begins with the number of its folder.
    """
    first, *others = parts
    if not others:
        return first
    success, datasets = (tuple(each for part in parts for each in getattr(part.suite, name)) for name in JOINED)
    suite = first.suite.model_copy(update={"success": success, "dataset": datasets})
    suite._text = ""
    frames = join_frames([(part.frames, part.frames.trials) for part in parts])
    return Side(
        name=first.name,
        folder=first.folder,
        frames=frames.change(suite=suite.text, runs=first.frames.runs),
        suite=suite,
        origins={f"{number}:{key}": each for number, part in enumerate(parts) for key, each in part.origins.items()},
        method=first.method,
        parts=tuple(parts),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Matched:
    """The sides of a comparison, and the `cells` of which every side has a record, in the order of the first."""

    sides: tuple[Side, ...]
    cells: pd.Index[Any]

    def trials(self, side: Side) -> pd.DataFrame:
        """Return the trials of a side in the matched cells, in their order; methods as the side calls them."""
        trials = side.cells.loc[self.cells]
        return trials.assign(method=[side.label(method) for method in self.cells.get_level_values("method")])

    @cached_property
    def frames(self) -> Frames:
        """The matched trials of all sides as one: each method of each side is a method of its own.

        Of the scores, those that all sides measured in the same way.
        """
        joined = join_frames([(side.frames, self.trials(side).reset_index(drop=True)) for side in self.sides])
        return replace(joined, scores=select_shared(joined))

    @property
    def methods(self) -> list[str]:
        """The methods of the matched cells; "" alone where methods are compared."""
        return list(dict.fromkeys(self.cells.get_level_values("method")))

    @property
    def datasets(self) -> list[str]:
        """The datasets of the matched cells, by their label in tables."""
        return list(dict.fromkeys(self.cells.get_level_values("dataset")))

    def pairs(self, dataset: str) -> tuple[tuple[str, str], ...]:
        """Return what is compared on a dataset: each method of the first side with the same of every other side."""
        here = self.cells[self.cells.get_level_values("dataset") == dataset]
        methods = dict.fromkeys(here.get_level_values("method"))
        first, *others = self.sides
        return tuple((first.label(method), other.label(method)) for method in methods for other in others)

    def count_cells(self) -> pd.DataFrame:
        """Return how many cells of each side match, by dataset and method, and why the others were left out.

        Columns: side, dataset, method, planned, matched, no_record, not_planned_elsewhere, no_record_elsewhere.
        """
        rows = []
        recorded = {side: recorded_cells(side) for side in self.sides}
        for side in self.sides:
            others = [other for other in self.sides if other is not side]
            cells = side.cells.index
            fate = pd.Series("matched", index=cells)
            fate[~all_contain([recorded[other] for other in others], cells)] = "no_record_elsewhere"
            fate[~all_contain([other.cells.index for other in others], cells)] = "not_planned_elsewhere"
            fate[~cells.isin(recorded[side])] = "no_record"
            counts = fate.groupby([cells.get_level_values("dataset"), side.cells["method"].to_numpy()], sort=False)
            for (dataset, method), own in counts:
                row = {"side": side.name, "dataset": dataset, "method": method, "planned": len(own)}
                rows.append(row | {name: int((own == name).sum()) for name in FATES})
        return pd.DataFrame(rows)

    def list_left_out(self) -> Iterator[str]:
        """Yield, for each side, the datasets, architectures, methods and seeds of which no cell matches."""
        for side in self.sides:
            parts = []
            for trait in CELL:
                here, there = (dict.fromkeys(index.get_level_values(trait)) for index in (side.cells.index, self.cells))
                parts.append(list_values(trait, [value for value in here if value not in there]))
            if named := "; ".join(filter(None, parts)):
                yield f"Without a partner in {side.name}: {named}."


def select_shared(joined: Frames) -> pd.DataFrame:
    """Return the scores by the measurements that every side has, of those sides that measured the value at all."""
    scores = joined.scores
    if scores.empty:
        return scores
    dataset = scores["key"].map(joined.trials.set_index("key")["dataset"])
    rows = scores[["name", "measurement"]].assign(dataset=dataset, side=scores["key"].str.partition(":")[0])
    sides = rows.groupby(["dataset", "name"])["side"].transform("nunique")
    return scores[rows.groupby(["dataset", "name", "measurement"])["side"].transform("nunique") == sides]


FATES = ("matched", "no_record", "not_planned_elsewhere", "no_record_elsewhere")
"""What became of a planned cell in a comparison; the first reason counts."""


def recorded_cells(side: Side) -> pd.Index[Any]:
    """Return the cells of a side whose trial has a record."""
    return side.cells.index[side.cells["status"] != "missing"]


def all_contain(indexes: Sequence[pd.Index[Any]], cells: pd.Index[Any]) -> NDArray[np.bool_]:
    """Return which of the cells [n] all of these indexes contain."""
    return np.logical_and.reduce([cells.isin(index) for index in indexes])


def match_cells(sides: Sequence[Side]) -> Matched:
    """Return the cells of which every side has a record; raise GanbenchError if there is none."""
    first, *others = (recorded_cells(side) for side in sides)
    for index in others:
        first = first[first.isin(index)]
    if not len(first):
        raise GanbenchError(explain_no_match(sides))
    return Matched(sides=tuple(sides), cells=first)


def list_import_notes(sides: Sequence[Side]) -> Iterator[str]:
    """Yield the notes on trials that were trained elsewhere, each with the name of its side; of one folder once."""
    one_folder = len({side.folder for side in sides}) == 1
    for side in sides[:1] if one_folder else sides:
        yield from (note if one_folder else f"{side.name}: {note}" for note in import_notes(side.frames))


def explain_no_match(sides: Sequence[Side]) -> str:
    """Return why no cell matches: what the sides share of each trait."""
    names = " and ".join(str(side.folder) if not side.method else side.name for side in sides)
    lines = [f"{names}: no trial of one has a partner with a record on the other side."]
    for trait in (name for name in CELL if name != "method" or not sides[0].method):
        values = [dict.fromkeys(side.cells.index.get_level_values(trait)) for side in sides]
        shared = [value for value in values[0] if all(value in other for other in values[1:])]
        counts = " and ".join(str(len(each)) for each in values)
        found = list_values(trait, shared) or f"no {trait}"
        lines.append(f"  {found} in common, of {counts}")
    missing = [f"{int((side.cells['status'] == 'missing').sum())} in {side.name}" for side in sides]
    lines.append(f"  planned without a record: {', '.join(missing)}")
    lines.append(
        "Compare results whose suites share datasets, architectures (space, options and seed), methods and seeds; "
        "`--methods` compares methods of different names."
    )
    return "\n".join(lines)
