"""The tables [[success]] and [outcomes]: what counts as success, and when an outcome holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal, Protocol, Self

from pydantic import (
    AfterValidator,
    Field,
    model_validator,
)

from ganbench.suite.conditions import parse
from ganbench.suite.fields import Name, Number, Some, Table
from ganbench.suite.validation import Complaint, Complaints

At = Literal["final", "best"]
"""At which snapshot success is decided: the last one, or the one with the best value."""


class SuccessRule(Protocol):
    """What counts as success on a dataset: a metric value beyond a threshold, a condition, or both.

    `SuccessTable` is the rule as a suite declares it; the sensitivity analysis reads the same results by other rules.
    """

    @property
    def dataset(self) -> str: ...
    @property
    def metric(self) -> str | None: ...
    @property
    def at(self) -> At: ...
    @property
    def thresholds(self) -> tuple[float, ...]: ...
    @property
    def primary(self) -> float | None: ...
    @property
    def condition(self) -> str | None: ...
    @property
    def compare(self) -> tuple[tuple[str, str], ...]: ...


def _condition(text: str) -> str:
    return str(parse(text))


class SuccessTable(Table):
    """When a trial of a dataset is a success: a metric value beyond a threshold, a condition, or both."""

    dataset: Name = Field(description="The name (or label) of a [[dataset]].")
    metric: Name | None = Field(default=None, description='The name of a metric\'s value, such as "fid".')
    at: At = "final"
    thresholds: Annotated[tuple[Number, ...], Some] = Field(
        default=(), description="Of rising difficulty, as in [90, 60, 40]."
    )
    primary: Number | None = Field(default=None, description="The one threshold that tests of significance are about.")
    condition: Annotated[str, Field(strict=True), AfterValidator(_condition)] | None = Field(
        default=None,
        description='What must hold beside every threshold, or alone, as in "modes >= 8 and high-quality > 0.8".',
    )
    compare: tuple[tuple[Name, Name], ...] = Field(default=(), description='Pairs of methods, as in [["a", "b"]].')
    allow_trivial: bool = Field(
        default=False, strict=True, description="Go on although a sampler that nobody trained passes a threshold."
    )

    @model_validator(mode="before")
    @classmethod
    def _only_threshold(cls, given: Any) -> Any:
        thresholds = given.get("thresholds") if isinstance(given, Mapping) else None
        if isinstance(thresholds, list | tuple) and len(thresholds) == 1:
            return {"primary": thresholds[0]} | dict(given)
        return given

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if found := list(self._gaps()):
            raise Complaints(found)
        return self

    def _gaps(self) -> Iterator[Complaint]:
        """Find what is missing of a rule, and thresholds that are no ladder."""
        if self.metric is None and self.condition is None:
            reason = "missing. Name a metric's value, or write a condition in place of metric and thresholds."
            yield Complaint(("metric",), None, reason)
        elif self.metric is None:
            for key in ("thresholds", "primary"):
                if value := getattr(self, key):
                    yield Complaint((key,), value, "of what? Name a metric, or leave it out: a condition needs none.")
        elif not self.thresholds:
            yield Complaint(("thresholds",), None, "missing. Of rising difficulty, as in [90, 60, 40].")
        elif self.primary is None:
            yield Complaint(("primary",), None, "missing. The one threshold that tests of significance are about.")
        elif self.primary not in self.thresholds:
            reason = f"not among the thresholds. Choose one of {list(self.thresholds)}, or add it."
            yield Complaint(("primary",), self.primary, reason)
        steps = [later - earlier for earlier, later in pairwise(self.thresholds)]
        if not (all(step > 0 for step in steps) or all(step < 0 for step in steps)):
            reason = "they must all rise or all fall. Put them in the order of rising difficulty."
            yield Complaint(("thresholds",), list(self.thresholds), reason)


class OutcomesTable(Table):
    """From where on an outcome holds, in place of the usual thresholds."""

    exploded: Annotated[Number, Field(gt=1)] | None = Field(
        default=None, description="Times its start that a loss or the weights reach. Usually 1e4."
    )
    collapsed: Annotated[Number, Field(gt=0)] | None = Field(
        default=None, description="Share of the data's mean pairwise distance. Usually 0.05."
    )
    degraded: Annotated[Number, Field(gt=1)] | None = Field(
        default=None, description="Factor by which the final score is worse than the best. Usually 1.5."
    )
    critic_dead: Annotated[Number, Field(gt=0)] | None = Field(
        default=None, description="Norm of the generator's gradient. Usually 1e-8."
    )
    oscillating: Annotated[Number, Field(gt=0, le=1)] | None = Field(
        default=None, description="Autocorrelation at the period. Usually 0.5."
    )
    periods: Annotated[int, Field(strict=True, ge=2)] | None = Field(
        default=None, description="Periods that an oscillation lasts at the least. Usually 3."
    )
