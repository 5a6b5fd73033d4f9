"""The model of a suite: one question, from a TOML file or a table. Checks all that can be checked without plugins."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Iterator, Mapping
from functools import partial
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, Field, PrivateAttr, field_validator, model_validator

from ganbench.api.trials import Precision
from ganbench.errors import unknown_name
from ganbench.suite.bounds import MOST_SEEDS
from ganbench.suite.budget_units import BUDGET_UNITS
from ganbench.suite.fields import Count, Name, NotEmpty, Number, Size, Table, parse_size
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
"""The offers that a suite uses if it names no others; the core knows no other names."""

OWN = "own"
"""The extractor that a dataset brings, by the name that suites give it."""

MOST_TRIALS = 100_000
MOST_SNAPSHOTS = 10_000
MOST_SAMPLES = 10_000_000


class ExtractorTable(OfferTable):
    """An extractor: its name, or a table with its name and options; "own" is that of the dataset."""

    @model_validator(mode="after")
    def _check_own(self) -> Self:
        if self.name == OWN and self.options:
            raise ValueError(f"{OWN!r} is the dataset's own extractor, which has no options. Leave them out")
        return self


class DatasetTable(OfferTable):
    """A dataset; `label` distinguishes two of the same name.

    `metrics` replace its own and those of [measurement]; `extractor` replaces that of [measurement]. `fallback` is the
    dataset in its place where one of its files, or a library that it needs, is missing.
    """

    TERMS_ONLY: ClassVar[frozenset[str]] = frozenset()

    label: Name | None = Field(default=None, description="Its name in tables and success rules, if not `name`.")
    metrics: Annotated[tuple[OfferTable, ...] | None, NotEmpty] = Field(
        default=None, description="The metrics of this dataset, in place of its own and those of [measurement]."
    )
    extractor: ExtractorTable | None = Field(
        default=None, description="The extractor for this dataset, in place of that of [measurement]."
    )
    fallback: DatasetTable | None = Field(
        default=None, description="The dataset in its place where one of its files or libraries is missing."
    )

    @property
    def title(self) -> str:
        """The name of the dataset in tables and success rules."""
        return self.label or self.name

    @property
    def titles(self) -> tuple[str, ...]:
        """The title, and those of its fallbacks in order."""
        return (self.title, *(self.fallback.titles if self.fallback else ()))


class BudgetTable(Table):
    """How long each trial trains, in one of four units."""

    generator_steps: Count | None = Field(default=None, description=BUDGET_UNITS["generator_steps"].description)
    updates: Count | None = Field(default=None, description=BUDGET_UNITS["updates"].description)
    samples: Count | None = Field(default=None, description=BUDGET_UNITS["samples"].description)
    flops: Annotated[Number, Field(gt=0)] | None = Field(default=None, description=BUDGET_UNITS["flops"].description)
    batch_size: Annotated[Count, Field(le=MOST_SAMPLES)] = Field(default=64, description="Samples of one update.")
    snapshots: Annotated[Count, Field(le=MOST_SNAPSHOTS)] = Field(
        default=5, description="How many times each model is evaluated; the last time is at the end."
    )

    @model_validator(mode="after")
    def _check_one_unit(self) -> Self:
        units = [unit for unit in BUDGET_UNITS if getattr(self, unit) is not None]
        if len(units) != 1:
            raise ValueError(
                f"it has {' and '.join(units) or 'no unit'}. Write exactly one of {', '.join(BUDGET_UNITS)}"
            )
        return self

    @property
    def unit(self) -> str:
        """The unit of the budget, such as "updates"."""
        return next(unit for unit in BUDGET_UNITS if getattr(self, unit) is not None)

    @property
    def amount(self) -> float:
        """The budget in its unit."""
        return float(getattr(self, self.unit))


class ArchitecturesTable(Table):
    """The space of architectures, and how many are drawn from it without replacement."""

    space: Name = Field(default=DEFAULTS["architecture"], description="The name of the space.")
    sample: Count = Field(default=1, description="How many different architectures are drawn.")
    seed: int = Field(default=0, strict=True, ge=0, lt=2**63, description="The seed of the draws.")
    options: dict[str, Any] = Field(
        default={}, description="The options of the space go into a table [architectures.options]."
    )


class MeasurementTable(Table):
    """How models are evaluated: the metrics, and the number of samples."""

    samples: Annotated[int, Field(strict=True, ge=2, le=MOST_SAMPLES)] = Field(
        default=2000, description="How many samples of each model are scored."
    )
    metrics: Annotated[tuple[OfferTable, ...] | None, NotEmpty] = Field(
        default=None, description="The metrics of every dataset, in place of the datasets' own."
    )
    extractor: ExtractorTable | None = Field(
        default=None,
        description='The extractor whose features metrics compare; "own", the default, is each dataset\'s own.',
    )
    normalisation: Literal["batch", "standing"] = Field(
        default="batch",
        description="How a generator with batch normalisation is evaluated: by the statistics of each batch of the "
        "training's size, or by standing ones.",
    )


class KeepTable(Table):
    """What is kept of each trial beside its numbers; no part of a trial's key."""

    generators: Literal["final", "best", "snapshots", "none"] = Field(
        default="final",
        description="The generators that are kept: the final one, also that of the best snapshot, that of every "
        "snapshot, or none.",
    )
    precision: Literal["float32", "float16"] = Field(
        default="float32", description="How precisely weights and their averages are kept; they train in float32."
    )


class EngineTable(Table):
    """How trials train; `memory` is no part of a trial's key, `precision` is, unless it is "float32"."""

    memory: Size = Field(
        default="4 GiB", description='What the seeds that train together may take, as in "8 GiB"; less means fewer.'
    )
    precision: Precision = Field(
        default="float32",
        description="The numbers of matrix products and convolutions: float32, tf32 (on CUDA only) or bf16.",
    )

    @property
    def memory_bytes(self) -> int:
        """The memory in bytes."""
        return parse_size(self.memory)


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
    outcomes: OutcomesTable = OutcomesTable()
    keep: KeepTable = KeepTable()
    engine: EngineTable = EngineTable()
    _text: str = PrivateAttr("")
    _where: str = PrivateAttr("suite")

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
        """The name of the suite, which is also that of its results folder."""
        return Path(self._where).stem

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
    """Yield a complaint for each dataset and method in a success rule that the suite does not have."""
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
