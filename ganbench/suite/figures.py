"""The table [[figure]]: what a suite draws of its own values, data first."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from ganbench.errors import unknown_name
from ganbench.suite.claims import When, Where
from ganbench.suite.fields import Name, NotEmpty, Number, Table
from ganbench.suite.validation import Complaint, Complaints

Axis = Literal["step", "position", "datasets", "methods"]
Kind = Literal["lines", "histogram", "surface"]
Dimension = Literal["value", "dataset", "method"]


class FigureTable(Table):
    """A figure of a suite: values over steps, positions of a profile, datasets or methods, in one or more panels."""

    name: Name = Field(description="The name of its files.")
    title: str = Field(default="", strict=True, max_length=200, description="The title above it.")
    kind: Kind = Field(default="lines", description="lines: median and quartiles; histogram; surface: level sets.")
    values: Annotated[tuple[Name, ...], NotEmpty] = Field(
        min_length=1, description="The names of metrics' values, signals or profiles."
    )
    x: Axis = Field(default="step", description="What runs along the horizontal axis.")
    datasets: Annotated[tuple[Name, ...], NotEmpty] = Field(default=(), description="The datasets. Default: all.")
    methods: Annotated[tuple[Name, ...], NotEmpty] = Field(default=(), description="The methods. Default: all.")
    at: When = Field(default="final", description='The snapshot, unless x = "step".')
    where: Where | None = Field(
        default=None, description="The architectures, as in { critic_width = 256 }. Default: all."
    )
    places: tuple[Number, ...] = Field(
        default=(), description="The numbers that the datasets or methods stand for along x, in their order."
    )
    panel: Dimension = Field(default="value", description="What each panel has one of.")
    marks: tuple[Number, ...] = Field(default=(), description="Where horizontal lines are drawn.")
    x_label: str = Field(default="", strict=True, max_length=100, description="What stands below the horizontal axis.")

    @property
    def named(self) -> bool:
        """Whether the horizontal axis has the names of datasets or methods, in no numeric order."""
        return self.x in ("datasets", "methods") and not self.places

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        if complaints := list(self._find_faults()):
            raise Complaints(complaints)
        return self

    def _find_faults(self) -> Iterator[Complaint]:
        """Yield a complaint for each key that does not fit the kind or the horizontal axis."""
        if self.kind != "lines" and self.x != "position":
            yield Complaint(("x",), self.x, f'a {self.kind} is drawn of a profile, over its positions: x = "position".')
        listed = {"datasets": self.datasets, "methods": self.methods}.get(self.x)
        if listed is not None and not listed:
            yield Complaint((self.x,), None, f'missing. x = "{self.x}" needs them, in their order.')
        if self.places and listed is None:
            yield Complaint(("places",), list(self.places), 'it belongs to x = "datasets" or "methods". Leave it out.')
        if self.places and listed and len(self.places) != len(listed):
            reason = f"there are {len(listed)} {self.x}, and a number for each is needed."
            yield Complaint(("places",), list(self.places), reason)
        if self.x != "step" and self.at in ("best", "mean"):
            yield Complaint(("at",), self.at, 'it should be "first", "final" or a generator step.')


def find_unknown_in_figures(
    figures: Sequence[FigureTable], datasets: Collection[str], methods: Collection[str]
) -> Iterator[Complaint]:
    """Yield a complaint for each dataset and method in a figure that the suite does not have, and for equal names."""
    known: dict[str, tuple[str, Collection[str]]] = {
        "datasets": ("[[dataset]] called", datasets),
        "methods": ("method of this suite called", methods),
    }
    names = [figure.name for figure in figures]
    for i, figure in enumerate(figures):
        if figure.name in names[:i]:
            yield Complaint(("figure", i, "name"), figure.name, "it appears twice; give each a name of its own.")
        for key, (kind, wanted) in known.items():
            listed: tuple[Any, ...] = getattr(figure, key)
            for k, name in enumerate(listed):
                if name not in wanted:
                    yield Complaint(("figure", i, key, k), name, partial(unknown_name, kind, name, wanted))
