"""The methods of a suite: recipes, and those that its tables make of recipes or of each other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pydantic import ValidationError

from ganbench.api.offers import Method
from ganbench.errors import GanbenchError, UnknownOffer, shorten, unknown_name
from ganbench.plan.differences import describe_method
from ganbench.suite import locations
from ganbench.suite.configurations import Configuration, change_method
from ganbench.suite.methods import MethodTable
from ganbench.suite.suite import Suite
from ganbench.suite.validation import Complaints, list_complaints

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry


@dataclass(frozen=True)
class Recipes:
    """Finds the methods of a suite by their labels; every error message begins with the place in the suite."""

    suite: Suite
    registry: Registry

    @cached_property
    def known(self) -> dict[str, Method]:
        """The methods that were resolved, by label."""
        return {}

    def find(self, label: str) -> Method:
        """Return the method with this label, resolved once."""
        if label not in self.known:
            self.known[label] = self.resolve(label)
        return self.known[label]

    def describe_all(self) -> dict[str, str]:
        """Return a line on each method: how it differs from its recipe, and what its configurations vary."""
        lines = {}
        for label in self.suite.method_names:
            table, count = self.suite.method_table(label), len(self.suite.configurations_of(label))
            varied = (
                f"; {count} configurations vary {', '.join(table.vary)}" if table is not None and table.vary else ""
            )
            lines[label] = self.describe(label) + varied
        return lines

    def resolve(self, label: str) -> Method:
        """Return the method with this label: a recipe, or the suite's own, which may start from another method."""
        if label in self.suite.configurations:
            return self.configure(self.suite.configurations[label])
        table, recipes = self.suite.method_table(label), self.registry.names("methods")
        if table is not None and table.from_ is None and table.loss is not None and label not in recipes:
            return self.apply_table(table, None)
        start = (table.from_ if table is not None else None) or label
        if start != label and self.suite.method_table(start) is not None:
            base = self.resolve(start)
        else:
            if start not in recipes:
                known, place = {*recipes, *self.suite.method_names} - {start}, self.locate_start(label, start)
                raise UnknownOffer(str(unknown_name("method", start, known, place)), "methods", start)
            base = self.registry.build("methods", start, {})
        return base if table is None else self.apply_table(table, base)

    def apply_table(self, table: MethodTable, base: Method | None) -> Method:
        """Return the recipe that a table makes of `base`; raise GanbenchError, with its place, if it cannot."""
        try:
            return table.apply(base)
        except Complaints as error:
            path, value, reason = error.complaints[0]
            place = locations.locate(self.suite, "method", self.suite.method.index(table), *path)
            raise GanbenchError(f"{place} = {shorten(value)}: {reason}") from None

    def configure(self, configuration: Configuration) -> Method:
        """Return a method in one of its configurations; raise GanbenchError, with its place, if that cannot be."""
        name, settings = configuration.method, configuration.settings
        table = self.suite.method_table(name)
        assert table is not None
        try:
            return change_method(self.resolve(name), table, settings)
        except (Complaints, ValidationError) as error:
            given = error.complaints if isinstance(error, Complaints) else list_complaints(error, {"": MethodTable})
            path, value, reason = given[0]
            option = next((option for option in settings if option.split(".")[0] == path[0]), None) or path[-1]
            place = locations.locate(self.suite, "method", self.suite.method.index(table), "vary", str(option))
            why = reason() if callable(reason) else reason
            raise GanbenchError(f"{place} = {shorten(value)}: {why}") from None

    def locate_start(self, label: str, start: str) -> str:
        """Return the place where a method's start is named: in its table, if the start is not the label itself."""
        tables = [table.name for table in self.suite.method]
        if start != label:
            return locations.locate(self.suite, "method", tables.index(label), "from")
        return locations.locate_method(self.suite, label)

    def describe(self, label: str) -> str:
        """Return a line on a method: how it differs from the recipe, or else the suite's own method, at its root."""
        root = self.find_root(self.suite.declared_name(label))
        base = None
        if root in self.registry.names("methods"):
            base = self.registry.build("methods", root, {})
        elif root != label:
            base = self.resolve(root)
        return describe_method(label, self.resolve(label), root, base, self.registry)

    def find_root(self, label: str) -> str:
        """Return the method that starts from no other in the suite, and that this one starts from in the end."""
        table = self.suite.method_table(label)
        start = (table.from_ if table is not None else None) or label
        return label if start == label else self.find_root(start)
