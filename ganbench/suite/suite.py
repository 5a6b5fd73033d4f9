"""The model of a suite: one question, from a TOML file or a table. Checks all that can be checked without plugins."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Iterator, Mapping
from functools import partial
from math import prod
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, PrivateAttr, field_validator, model_validator

from ganbench.errors import unknown_name
from ganbench.suite.bounds import MOST_SEEDS
from ganbench.suite.claims import ClaimTable, find_unknown_in_claims
from ganbench.suite.fields import Name, NotEmpty, Table
from ganbench.suite.figures import FigureTable, find_unknown_in_figures
from ganbench.suite.methods import MethodTable
from ganbench.suite.success import OutcomesTable, SuccessTable
from ganbench.suite.tables import (
    ArchitecturesTable,
    BudgetTable,
    DatasetTable,
    EngineTable,
    KeepTable,
    MeasurementTable,
)
from ganbench.suite.validation import Complaint, Complaints

MOST_TRIALS = 100_000


class Suite(Table):
    """One question: methods x datasets x architectures x seeds, a budget, and what counts as success."""

    question: str = Field(
        strict=True, min_length=1, description='The question of the suite, as in question = "Does ...?"'
    )
    seeds: int | tuple[int, ...] = Field(
        default=1, description="The number of seeds (n means 0 to n-1), or a list of seeds."
    )
    methods: tuple[Name, ...] = Field(default=(), description="The names of recipes, or of [[method]] tables.")
    method: Annotated[tuple[MethodTable, ...], NotEmpty] = Field(
        default=(), description="The methods that the suite defines, as tables [[method]] with a name."
    )
    budget: BudgetTable = Field(description="Write a table [budget] with generator_steps, updates, samples or flops.")
    architectures: ArchitecturesTable = ArchitecturesTable()
    dataset: Annotated[tuple[DatasetTable, ...], NotEmpty] = Field(
        description="Write at least one table [[dataset]] with a name."
    )
    measurement: MeasurementTable = MeasurementTable()
    success: Annotated[tuple[SuccessTable, ...], NotEmpty] = ()
    claim: Annotated[tuple[ClaimTable, ...], NotEmpty] = ()
    figure: Annotated[tuple[FigureTable, ...], NotEmpty] = ()
    outcomes: OutcomesTable = OutcomesTable()
    keep: KeepTable = KeepTable()
    engine: EngineTable = EngineTable()
    scale: dict[Name, dict[str, Any]] = Field(
        default={},
        description="Other sizes of the suite, as tables [scale.NAME] of what changes; --scale NAME.",
    )
    _text: str = PrivateAttr("")
    _where: str = PrivateAttr("suite")
    _scale: str = PrivateAttr("")

    @field_validator("seeds", mode="before")
    @classmethod
    def _check_seeds(cls, seeds: Any) -> Any:
        is_list = isinstance(seeds, list | tuple)
        items, least, most = (seeds, 0, 2**63 - 1) if is_list else ([seeds], 1, MOST_SEEDS)
        if not items or any(type(item) is not int or not least <= item <= most for item in items):
            raise ValueError(
                f"it should be a number of seeds from 1 to {MOST_SEEDS}, or a list of integers >= 0 and below 2**63"
            )
        return seeds

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        complaints = [*_find_repeated(self), *_find_misplaced(self), *_find_unknown_in_rules(self)]
        if complaints:
            raise Complaints(complaints)
        return self

    def __eq__(self, other: object) -> bool:
        """Return whether two suites have the same content; their texts and files may differ."""
        return isinstance(other, Suite) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]

    @property
    def text(self) -> str:
        """The suite as it was written in its file; JSON if it came from a table in Python."""
        return self._text or json.dumps(self.model_dump(mode="json", by_alias=True, exclude_unset=True), indent=2)

    @property
    def where(self) -> str:
        """The suite's file, which opens error messages."""
        return self._where

    @property
    def name(self) -> str:
        """The name of the suite, with that of its scale, which is also that of its results folder."""
        return Path(self._where).stem + f"-{self._scale}" * bool(self._scale)

    @property
    def seed_list(self) -> tuple[int, ...]:
        """The seeds as a list, in order."""
        return tuple(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds

    @property
    def method_names(self) -> tuple[str, ...]:
        """The methods in order: those in the list `methods`, then those that only have a table."""
        return tuple(dict.fromkeys([*self.methods, *(table.name for table in self.method)]))

    def method_table(self, name: str) -> MethodTable | None:
        """Return the suite's [[method]] table of a method, or None if it is an unchanged recipe."""
        return next((table for table in self.method if table.name == name), None)


TABLES: Mapping[str, type[BaseModel]] = {
    "": Suite,
    "method": MethodTable,
    "budget": BudgetTable,
    "architectures": ArchitecturesTable,
    "dataset": DatasetTable,
    "measurement": MeasurementTable,
    "success": SuccessTable,
    "claim": ClaimTable,
    "figure": FigureTable,
    "outcomes": OutcomesTable,
    "keep": KeepTable,
    "engine": EngineTable,
}
"""The models of a suite's tables, by key; "" is the suite itself."""


def _find_repeated(suite: Suite) -> Iterator[Complaint]:
    """Yield a complaint for each name, seed, metric and rule that appears twice."""
    lists: list[tuple[str, str, Iterable[Any]]] = [
        ("methods", "", suite.methods),
        ("method", "name", [table.name for table in suite.method]),
        ("dataset", "label", [title for table in suite.dataset for title in table.titles]),
        ("seeds", "", suite.seed_list),
        ("measurement", "metrics", [metric.model_dump() for metric in suite.measurement.metrics or ()]),
        (
            "success",
            "dataset",
            [(rule.dataset, rule.at, rule.metric, rule.condition, rule.sustained) for rule in suite.success],
        ),
    ]
    reasons = {
        "dataset": "it appears twice; give each a label of its own.",
        "method": "it appears twice; give each a name of its own.",
        "success": "it appears twice with the same metric, condition, `at` and `sustained`; leave one out.",
    }
    for key, inner, values in lists:
        seen: set[Any] = set()
        for i, value in enumerate(values):
            path = (key, inner, i) if key == "measurement" else (key, i, inner) if inner else (key, i)
            if (frozen := _freeze(value)) in seen:
                shown = value[0] if isinstance(value, tuple) else value
                yield Complaint(path, shown, reasons.get(key, "it appears twice; leave one out."))
            seen.add(frozen)


def _freeze(value: Any) -> Any:
    """Return a value that can be put into a set, and equals another if the values do."""
    if isinstance(value, Mapping):
        return frozenset((key, _freeze(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return tuple(map(_freeze, value))
    return value if isinstance(value, Hashable) else repr(value)


def _find_misplaced(suite: Suite) -> Iterator[Complaint]:
    """Yield a complaint if there are no methods or too many trials, and for wrong `from` and `add_constraints`."""
    if not suite.method_names:
        yield Complaint(("methods",), None, 'missing. Name a recipe, as in methods = ["ns-gan"], or add a [[method]].')
    grid = len(suite.dataset), suite.architectures.sample, len(suite.method_names), len(suite.seed_list)
    if prod(grid) > MOST_TRIALS:
        product = f"datasets x architectures x methods x seeds = {' x '.join(map(str, grid))} = {prod(grid)} trials"
        reason = f"{product}, but at most {MOST_TRIALS} are allowed. Ask for fewer, or split the suite."
        yield Complaint(("seeds",), None, reason)
    last = {table.name: i for i, table in enumerate(suite.method)}
    for i, table in enumerate(suite.method):
        if last.get(table.from_ or "", i) > i:
            yield Complaint(
                ("method", i, "from"), table.from_, "its table comes later. Move that table above this one."
            )
        if table.constraints is not None and table.add_constraints:
            reason = "`constraints` lists all constraints, so none are left to add to. Write one of the two."
            yield Complaint(("method", i, "add_constraints"), [each.name for each in table.add_constraints], reason)


def _find_unknown_in_rules(suite: Suite) -> Iterator[Complaint]:
    """Yield a complaint for each dataset and method in a success rule or a claim that the suite does not have."""
    titles = {title for table in suite.dataset for title in table.titles}
    methods = dict.fromkeys(suite.method_names)
    for i, rule in enumerate(suite.success):
        if rule.dataset not in titles:
            explain = partial(unknown_name, "[[dataset]] called", rule.dataset, titles)
            yield Complaint(("success", i, "dataset"), rule.dataset, explain)
        for k, pair in enumerate(rule.compare):
            for name in pair:
                if name not in methods:
                    explain = partial(unknown_name, "method of this suite called", name, methods)
                    yield Complaint(("success", i, "compare", k), list(pair), explain)
            if pair[0] == pair[1]:
                yield Complaint(
                    ("success", i, "compare", k),
                    list(pair),
                    "a method cannot be compared with itself. Name two methods.",
                )
    yield from find_unknown_in_claims(suite.claim, titles, methods)
    yield from find_unknown_in_figures(suite.figure, titles, methods)
