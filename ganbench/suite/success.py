"""The tables [[success]] and [outcomes]: what counts as success, and the thresholds of outcomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal, Protocol, Self

from pydantic import (
    AfterValidator,
    Field,
    model_validator,
)

from ganbench.errors import shorten
from ganbench.suite.conditions import parse
from ganbench.suite.fields import Name, NotEmpty, Number, Table
from ganbench.suite.validation import Complaint, Complaints

At = Literal["final", "best"]
"""The snapshot that decides success: the last one, or the one with the best value."""


class SuccessRule(Protocol):
    """What counts as success on a dataset: a metric value beyond a threshold, a condition, or both.

    A suite declares its rules as `SuccessTable`; the sensitivity analysis evaluates the same results by other rules.
    """

    @property
    def dataset(self) -> str: ...
    @property
    def metric(self) -> str | None: ...
    @property
    def at(self) -> At: ...
    @property
    def sustained(self) -> int: ...
    @property
    def thresholds(self) -> tuple[float, ...]: ...
    @property
    def primary(self) -> float | None: ...
    @property
    def condition(self) -> str | None: ...
    @property
    def compare(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def smallest_effect(self) -> float | None: ...


def _normalise_condition(text: str) -> str:
    return str(parse(text))


class SuccessTable(Table):
    """A suite's rule for success on a dataset: a metric value beyond a threshold, a condition, or both."""

    dataset: Name = Field(description="The name (or label) of a [[dataset]].")
    metric: Name | None = Field(default=None, description='The name of a metric\'s value, such as "fid".')
    at: At = Field(
        default="final", description="The snapshot that decides: the last one, or the one with the best value."
    )
    sustained: Annotated[int, Field(strict=True, ge=1, le=10**6)] = Field(
        default=1, description="The number of last snapshots at each of which the rule must be met, with at = final."
    )
    thresholds: Annotated[tuple[Number, ...], NotEmpty] = Field(
        default=(), description="The thresholds in the order of rising difficulty, as in [90, 60, 40]."
    )
    primary: Number | None = Field(default=None, description="The threshold that the significance tests use.")
    condition: Annotated[str, Field(strict=True), AfterValidator(_normalise_condition)] | None = Field(
        default=None,
        description='Must be true, in addition to a threshold or alone, as in "modes >= 8 and high-quality > 0.8".',
    )
    compare: tuple[tuple[Name, Name], ...] = Field(
        default=(),
        description='Pairs of methods to compare, as in [["a", "b"]]. Default: the first method with every other, '
        "and no configurations of a sweep.",
    )
    smallest_effect: Annotated[Number, Field(gt=0, lt=1)] | None = Field(
        default=None, description="The smallest difference of success rates that matters to you, such as 0.1."
    )
    allow_trivial: bool = Field(
        default=False, strict=True, description="Run the suite even if an untrained baseline passes a threshold."
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_primary(cls, table: Any) -> Any:
        thresholds = table.get("thresholds") if isinstance(table, Mapping) else None
        if isinstance(thresholds, list | tuple) and len(thresholds) == 1:
            return {"primary": thresholds[0]} | dict(table)
        return table

    @model_validator(mode="after")
    def _check_completeness(self) -> Self:
        if complaints := list(self._find_gaps()):
            raise Complaints(complaints)
        return self

    def _find_gaps(self) -> Iterator[Complaint]:
        """Yield a complaint for each missing part of the rule, and for thresholds that neither rise nor fall."""
        if self.metric is None and self.condition is None:
            reason = "missing. Name a metric's value, or write a condition in place of metric and thresholds."
            yield Complaint(("metric",), None, reason)
        elif self.metric is None:
            for key in ("thresholds", "primary"):
                if value := getattr(self, key):
                    shown = list(value) if isinstance(value, tuple) else value
                    yield Complaint(
                        (key,), shown, "it needs a metric. Name one, or leave it out: a condition needs none."
                    )
        elif not self.thresholds:
            yield Complaint(("thresholds",), None, "missing. Write them in rising difficulty, as in [90, 60, 40].")
        elif self.primary is None:
            yield Complaint(("primary",), None, "missing. Choose the threshold that the significance tests use.")
        elif self.primary not in self.thresholds:
            reason = (
                f"it is not one of the thresholds. Choose one of {shorten(list(self.thresholds))}, or add it to them."
            )
            yield Complaint(("primary",), self.primary, reason)
        if self.sustained > 1 and self.at != "final":
            reason = 'it counts the last snapshots, so it needs at = "final". Write that, or leave one of the two out.'
            yield Complaint(("sustained",), self.sustained, reason)
        steps = [later - earlier for earlier, later in pairwise(self.thresholds)]
        if not (all(step > 0 for step in steps) or all(step < 0 for step in steps)):
            reason = "they must all rise or all fall. Write them in the order of rising difficulty."
            yield Complaint(("thresholds",), list(self.thresholds), reason)


class OutcomesTable(Table):
    """The thresholds of the outcomes, where a suite changes the defaults."""

    exploded: Annotated[Number, Field(gt=1)] | None = Field(
        default=None, description="A loss or the weights exceed their start by this factor. Default 1e4."
    )
    collapsed: Annotated[Number, Field(gt=0)] | None = Field(
        default=None, description="The mean distance of samples is below this share of the data's. Default 0.05."
    )
    degraded: Annotated[Number, Field(gt=1)] | None = Field(
        default=None, description="The final score is worse than the best by more than this factor. Default 1.5."
    )
    critic_dead: Annotated[Number, Field(gt=0)] | None = Field(
        default=None, description="The norm of the generator's gradient is below this. Default 1e-8."
    )
    oscillating: Annotated[Number, Field(gt=0, le=1)] | None = Field(
        default=None, description="The autocorrelation at the period is above this. Default 0.5."
    )
    periods: Annotated[int, Field(strict=True, ge=2, le=10**12)] | None = Field(
        default=None, description="The smallest number of periods of an oscillation. Default 3."
    )
