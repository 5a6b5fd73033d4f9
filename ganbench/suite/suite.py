"""A suite: one question, as a TOML file or a table says it. Checked here as far as it goes without any plugin."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, Field, PrivateAttr, field_validator, model_validator

from ganbench.errors import unknown
from ganbench.suite.budget_units import BUDGET_UNITS
from ganbench.suite.fields import Count, Name, Number, Some, Table
from ganbench.suite.methods import MethodTable, OfferTable
from ganbench.suite.success import OutcomesTable, SuccessTable
from ganbench.suite.validation import Complaint, Complaints

DEFAULTS: Mapping[str, str] = MappingProxyType(
    {
        "executor": "local",
        "executor here": "in-process",
        "optimizer": "adam",
        "dynamics": "alternating",
        "architecture": "mlp",
    }
)
"""The offers that the core itself names: what a suite means where it says nothing."""

MOST_SEEDS = 10_000
MOST_TRIALS = 100_000
MOST_SNAPSHOTS = 10_000
MOST_SAMPLES = 10_000_000


class DatasetTable(OfferTable):
    """A dataset; `label` tells two of one name apart, `metrics` replace its own and those of [measurement]."""

    TERMS_ONLY: ClassVar[frozenset[str]] = frozenset()

    label: Name | None = None
    metrics: Annotated[tuple[OfferTable, ...] | None, Some] = None

    @property
    def title(self) -> str:
        """What tables and success rules call it."""
        return self.label or self.name


class BudgetTable(Table):
    """How long each trial trains, in one of four units."""

    generator_steps: Count | None = Field(default=None, description=BUDGET_UNITS["generator_steps"].description)
    updates: Count | None = Field(default=None, description=BUDGET_UNITS["updates"].description)
    samples: Count | None = Field(default=None, description=BUDGET_UNITS["samples"].description)
    flops: Annotated[Number, Field(gt=0)] | None = Field(default=None, description=BUDGET_UNITS["flops"].description)
    batch_size: Annotated[Count, Field(le=MOST_SAMPLES)] = 64
    snapshots: Annotated[Count, Field(le=MOST_SNAPSHOTS)] = Field(
        default=5, description="How many times a model is evaluated, the last at the end."
    )

    @model_validator(mode="after")
    def _one_unit(self) -> Self:
        given = [unit for unit in BUDGET_UNITS if getattr(self, unit) is not None]
        if len(given) != 1:
            raise ValueError(
                f"{' and '.join(given) or 'no budget'} given; write exactly one of {', '.join(BUDGET_UNITS)}"
            )
        return self

    @property
    def unit(self) -> str:
        """What the budget is counted in."""
        return next(unit for unit in BUDGET_UNITS if getattr(self, unit) is not None)

    @property
    def amount(self) -> float:
        """How many of the unit."""
        return float(getattr(self, self.unit))


class ArchitecturesTable(Table):
    """The space that architectures are drawn from, without replacement, and how many."""

    space: Name = DEFAULTS["architecture"]
    sample: Count = 1
    seed: int = Field(default=0, strict=True, ge=0, lt=2**63)
    options: dict[str, Any] = Field(default={}, description="The space's own options, as [architectures.options].")


class MeasurementTable(Table):
    """How models are judged: by what, and on how many samples."""

    samples: Annotated[int, Field(strict=True, ge=2, le=MOST_SAMPLES)] = 2000
    metrics: Annotated[tuple[OfferTable, ...] | None, Some] = Field(
        default=None, description="In place of the datasets' own."
    )


class Suite(Table):
    """One question: methods x datasets x architectures x seeds, a budget, and what counts as success."""

    question: str = Field(strict=True, min_length=1, description='What the suite asks, as in question = "Does ...?"')
    seeds: int | tuple[int, ...] = Field(default=1, description="How many (n means 0 to n-1), or a list.")
    methods: tuple[Name, ...] = Field(default=(), description="Names of recipes, or of [[method]] tables.")
    method: Annotated[tuple[MethodTable, ...], Some] = Field(
        default=(), description="Methods of the suite's own, as [[method]] tables."
    )
    budget: BudgetTable = Field(description="A table [budget] with generator_steps, updates, samples or flops.")
    architectures: ArchitecturesTable = ArchitecturesTable()
    dataset: Annotated[tuple[DatasetTable, ...], Some] = Field(
        description="At least one table [[dataset]] with a name."
    )
    measurement: MeasurementTable = MeasurementTable()
    success: Annotated[tuple[SuccessTable, ...], Some] = ()
    outcomes: OutcomesTable = OutcomesTable()
    _text: str = PrivateAttr("")
    _where: str = PrivateAttr("suite")

    @field_validator("seeds", mode="before")
    @classmethod
    def _seeds(cls, given: Any) -> Any:
        several = isinstance(given, list | tuple)
        items = given if several else [given]
        most = 2**63 - 1 if several else MOST_SEEDS
        if not items or any(type(item) is not int or not (0 if several else 1) <= item <= most for item in items):
            raise ValueError(f"it should be a number of seeds from 1 to {MOST_SEEDS}, or a list of integers >= 0")
        return given

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        found = [*_repeated(self), *_misplaced(self), *_unsuccessful(self)]
        if found:
            raise Complaints(found)
        return self

    def __eq__(self, other: object) -> bool:
        """Compare what is asked; the text and the file it came from do not count."""
        return isinstance(other, Suite) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]

    @property
    def text(self) -> str:
        """The suite as it was written; JSON where it was given in Python."""
        return self._text or json.dumps(self.model_dump(mode="json", by_alias=True, exclude_unset=True), indent=2)

    @property
    def where(self) -> str:
        """What complaints call the suite: its file."""
        return self._where

    @property
    def name(self) -> str:
        """What its results folder is called."""
        return Path(self._where).stem

    @property
    def seed_list(self) -> tuple[int, ...]:
        """The seeds, one by one."""
        return tuple(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds

    @property
    def method_names(self) -> tuple[str, ...]:
        """The methods in order: those listed, then those that only have a table."""
        return tuple(dict.fromkeys([*self.methods, *(table.name for table in self.method)]))

    def method_table(self, name: str) -> MethodTable | None:
        """Give the suite's own table of a method, None where it is a recipe as it stands."""
        return next((table for table in self.method if table.name == name), None)


TABLES: Mapping[str, type[BaseModel]] = {
    "": Suite,
    "method": MethodTable,
    "budget": BudgetTable,
    "architectures": ArchitecturesTable,
    "dataset": DatasetTable,
    "measurement": MeasurementTable,
    "success": SuccessTable,
    "outcomes": OutcomesTable,
}
"""The models by the key under which they stand in a suite."""


def schema() -> dict[str, Any]:
    """Give the JSON Schema of suites, with which editors complete them."""
    return Suite.model_json_schema(by_alias=True)


def _repeated(suite: Suite) -> Iterator[Complaint]:
    """Find names and seeds that stand twice."""
    lists: list[tuple[str, str, Iterable[Any]]] = [
        ("methods", "", suite.methods),
        ("method", "name", [table.name for table in suite.method]),
        ("dataset", "label", [table.title for table in suite.dataset]),
        ("seeds", "", suite.seed_list),
        ("measurement", "metrics", [(one.name, one.options) for one in suite.measurement.metrics or ()]),
        ("success", "dataset", [(rule.dataset, rule.at, rule.metric, rule.condition) for rule in suite.success]),
    ]
    ways_out = {"dataset": "give each a label of its own", "method": "give each a name of its own"}
    for key, inner, values in lists:
        seen: list[Any] = []
        for i, value in enumerate(values):
            path = (key, inner, i) if key == "measurement" else (key, i, inner) if inner else (key, i)
            if value in seen:
                yield Complaint(path, value, f"stands here twice; {ways_out.get(key, 'leave one out')}.")
            seen.append(value)


def _misplaced(suite: Suite) -> Iterator[Complaint]:
    """Find a suite without methods, and tables that start from a later one."""
    if not suite.method_names:
        yield Complaint(("methods",), None, 'missing. Name a recipe, as in methods = ["ns-gan"], or add a [[method]].')
    grid = len(suite.dataset), suite.architectures.sample, len(suite.method_names), len(suite.seed_list)
    if prod(grid) > MOST_TRIALS:
        said = "{} datasets x {} architectures x {} methods x {} seeds".format(*grid)
        reason = f"{said} are {prod(grid)} trials, over {MOST_TRIALS}. Ask for fewer, or split the suite."
        yield Complaint(("seeds",), None, reason)
    names = [table.name for table in suite.method]
    for i, table in enumerate(suite.method):
        if table.from_ in names[i + 1 :]:
            yield Complaint(("method", i, "from"), table.from_, "this table comes later. Move it above this one.")
        if table.constraints is not None and table.add_constraints:
            reason = "with `constraints` nothing is inherited to add to. Write one of the two."
            yield Complaint(("method", i, "add_constraints"), [each.name for each in table.add_constraints], reason)


def _unsuccessful(suite: Suite) -> Iterator[Complaint]:
    """Find success rules that name what is not in the suite."""
    titles = [table.title for table in suite.dataset]
    for i, rule in enumerate(suite.success):
        if rule.dataset not in titles:
            yield Complaint(("success", i, "dataset"), rule.dataset, str(unknown("dataset", rule.dataset, titles)))
        for k, pair in enumerate(rule.compare):
            for name in pair:
                if name not in suite.method_names:
                    reason = str(unknown("method", name, suite.method_names))
                    yield Complaint(("success", i, "compare", k), list(pair), reason)
            if pair[0] == pair[1]:
                yield Complaint(("success", i, "compare", k), list(pair), "a method against itself. Name two methods.")
