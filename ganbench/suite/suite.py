"""The model of a suite: one question, from a TOML file or a table. Checks all that can be checked without plugins."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from math import prod
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, PrivateAttr, field_validator, model_validator

from ganbench.errors import unknown_name
from ganbench.suite.claims import ClaimTable, find_unknown_in_claims
from ganbench.suite.configurations import Configuration, find_unequal, list_configurations
from ganbench.suite.fields import Name, NotEmpty, Table, check_seeds
from ganbench.suite.figures import FigureTable, find_unknown_in_figures
from ganbench.suite.methods import MethodTable
from ganbench.suite.success import OutcomesTable, SuccessTable
from ganbench.suite.tables import (
    ArchitecturesTable,
    BudgetTable,
    DatasetTable,
    EngineTable,
    ImportedTable,
    KeepTable,
    MeasurementTable,
)
from ganbench.suite.tuning import MOST_CONFIGURATIONS, TuningTable
from ganbench.suite.validation import Complaint, Complaints

MOST_TRIALS = 1_000_000


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
    tuning: TuningTable | None = None
    success: Annotated[tuple[SuccessTable, ...], NotEmpty] = ()
    claim: Annotated[tuple[ClaimTable, ...], NotEmpty] = ()
    figure: Annotated[tuple[FigureTable, ...], NotEmpty] = ()
    outcomes: OutcomesTable = OutcomesTable()
    keep: KeepTable = KeepTable()
    engine: EngineTable = EngineTable()
    imported: Annotated[tuple[ImportedTable, ...], NotEmpty] = ()
    scale: dict[Name, dict[str, Any]] = Field(
        default={},
        description="Other sizes of the suite, as tables [scale.NAME] of what changes; --scale NAME.",
    )
    _text: str = PrivateAttr("")
    _where: str = PrivateAttr("suite")
    _scale: str = PrivateAttr("")
    _configurations: dict[str, Configuration] = PrivateAttr(default_factory=dict)

    @field_validator("seeds", mode="before")
    @classmethod
    def _check_seeds(cls, seeds: Any) -> Any:
        return check_seeds(seeds)

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        configurations = list(_list_all_configurations(self))
        self._configurations = {each.label: each for each in configurations}
        complaints = [*_find_repeated_labels(self, [each.label for each in configurations])]
        complaints += [
            *_find_repeated(self),
            *_find_misplaced(self),
            *_find_unknown_in_rules(self),
            *_find_mistuned(self),
        ]
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
    def declared_methods(self) -> tuple[str, ...]:
        """The methods in order, however many configurations each has: those in `methods`, then those with a table."""
        return tuple(dict.fromkeys([*self.methods, *(table.name for table in self.method)]))

    @property
    def method_names(self) -> tuple[str, ...]:
        """The methods that tables compare: with tuning the declared ones, else each configuration of these."""
        if self.tunes:
            return self.declared_methods
        return tuple(label for name in self.declared_methods for label in self.configurations_of(name) or [name])

    @property
    def configurations(self) -> Mapping[str, Configuration]:
        """The configurations of all methods that vary something, by label, in order."""
        return self._configurations

    def configurations_of(self, method: str) -> list[str]:
        """Return the labels of a method's configurations in order; none if it varies nothing."""
        return [label for label, each in self._configurations.items() if each.method == method]

    def declared_name(self, label: str) -> str:
        """Return the declared method that a label in tables belongs to: itself, unless it is a configuration."""
        return self._configurations[label].method if label in self._configurations else label

    @property
    def tunes(self) -> bool:
        """Whether the best configuration of each method is chosen, and reported on fresh seeds."""
        return self.tuning is not None and self.tuning.report_seeds is not None

    @property
    def report_seed_list(self) -> tuple[int, ...]:
        """The seeds that chosen configurations are reported on; those of a number follow the largest tuning seed."""
        seeds = self.tuning.report_seeds if self.tuning is not None else ()
        first = max(self.seed_list) + 1
        return tuple(range(first, first + seeds)) if isinstance(seeds, int) else tuple(seeds or ())

    @property
    def tuned_datasets(self) -> tuple[str, ...]:
        """The labels of the datasets on which configurations are trained: with tuning, those without `tuned_on`."""
        return tuple(table.title for table in self.dataset if table.tuned_on is None)

    def method_table(self, name: str) -> MethodTable | None:
        """Return the suite's [[method]] table of a method, or None if it is an unchanged recipe."""
        return next((table for table in self.method if table.name == name), None)


TABLES: Mapping[str, type[BaseModel]] = {
    "": Suite,
    "method": MethodTable,
    "budget": BudgetTable,
    "architectures": ArchitecturesTable,
    "dataset": DatasetTable,
    "tuning": TuningTable,
    "measurement": MeasurementTable,
    "success": SuccessTable,
    "claim": ClaimTable,
    "figure": FigureTable,
    "outcomes": OutcomesTable,
    "keep": KeepTable,
    "engine": EngineTable,
    "imported": ImportedTable,
}
"""The models of a suite's tables, by key; "" is the suite itself."""


def _list_all_configurations(suite: Suite) -> Iterator[Configuration]:
    """Yield the configurations of the methods that vary something; raise Complaints if there are too few of one."""
    for i, table in enumerate(suite.method):
        if table.vary is not None:
            try:
                yield from list_configurations(table, suite.tuning)
            except Complaints as error:
                raise Complaints([each._replace(path=("method", i, *each.path)) for each in error.complaints]) from None


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


def _find_repeated_labels(suite: Suite, labels: Sequence[str]) -> Iterator[Complaint]:
    """Yield a complaint for each configuration whose label another one has, or a method that varies nothing."""
    seen = set(suite.declared_methods)
    for label in labels:
        if label in seen:
            yield Complaint(("method",), label, "it appears twice, as configuration and as method. Rename the method.")
        seen.add(label)


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
    labels = len(suite.configurations) if suite.tunes else len(suite.method_names)
    grid = len(suite.dataset), suite.architectures.sample, labels, len(suite.seed_list)
    if prod(grid) > MOST_TRIALS and not suite.imported:  # whose grid may have gaps
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


def _find_mistuned(suite: Suite) -> Iterator[Complaint]:
    """Yield a complaint for each key of [tuning] that cannot mean anything here, and for unequal configurations."""
    tuning, tuned = suite.tuning, set(suite.tuned_datasets)
    counts = {name: len(suite.configurations_of(name)) or 1 for name in suite.declared_methods}
    yield from find_unequal(counts, len(suite.configurations) > 0, tuning)
    for i, table in enumerate(suite.dataset):
        if table.tuned_on is not None and not suite.tunes:
            reason = "nothing is chosen in this suite. Add [tuning] with report_seeds, or leave it out."
            yield Complaint(("dataset", i, "tuned_on"), table.tuned_on, reason)
        elif table.tuned_on is not None and table.tuned_on not in tuned:
            explain = partial(unknown_name, "[[dataset]] without tuned_on called", table.tuned_on, tuned)
            yield Complaint(("dataset", i, "tuned_on"), table.tuned_on, explain)
    if tuning is None:
        return
    if len(suite.configurations) > MOST_CONFIGURATIONS:
        reason = f"{len(suite.configurations)} configurations in all, but at most {MOST_CONFIGURATIONS} are allowed."
        yield Complaint(("tuning", "configurations"), tuning.configurations, f"{reason} Ask for fewer.")
    if not suite.configurations:
        reason = 'no method varies anything. Add it, as in [[method]] with vary = { "optimizer.lr" = [1e-4, 1e-3] }.'
        yield Complaint(("tuning",), None, reason)
    if tuning.report_seeds is None:
        for key in ("report_architectures", "report"):
            if key in tuning.model_fields_set:
                yield Complaint(
                    ("tuning", key), getattr(tuning, key), "it needs report_seeds, as in report_seeds = [100, 101]."
                )
        return
    if shared := sorted(set(suite.seed_list) & set(suite.report_seed_list)):
        reason = f"the configurations are tuned on {shared} too. What is reported needs seeds that chose nothing."
        yield Complaint(("tuning", "report_seeds"), list(suite.report_seed_list), reason)
    ruled = {rule.dataset for rule in suite.success if rule.metric is not None}
    for title in suite.tuned_datasets:
        if title not in ruled:
            reason = f"{title!r} has no rule with a metric, by which a configuration would be chosen. Add one."
            yield Complaint(("success",), None, reason)
