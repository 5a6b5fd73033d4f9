"""Offers, the components that plugins provide; and the records of methods and of reports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Protocol

from ganbench.api.models import Spec

NONE: Mapping[str, Any] = MappingProxyType({})

KINDS = {
    "losses": "loss",
    "constraints": "constraint",
    "dynamics": "dynamics",
    "inputs": "input",
    "architectures": "architecture",
    "datasets": "dataset",
    "metrics": "metric",
    "extractors": "extractor",
    "optimizers": "optimizer",
    "methods": "method",
    "executors": "executor",
    "reports": "report",
    "watch": "watcher",
}
"""The kinds of offers, with the word for one offer of each kind. The hook of kind K is `ganbench_K`."""


@dataclass(frozen=True)
class Example:
    """A value from the literature; the contract tests assert that the offer agrees with it to 1e-5.

    For a loss, `given` has the scores `real` and `fake`, lists of floats.
    For a constraint, `given` has the `slope` |w| of a linear critic D(x) = w.x, and the `shape` of a sample.
    `expect` maps "critic", "generator" or both to the value of that player's loss, or of its term for a constraint.
    `source` says where the value comes from: the paper and the equation.
    `options` are passed to the offer's `build`.
    """

    given: Mapping[str, Any]
    expect: Mapping[str, float]
    source: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Offer:
    """A component that a plugin provides, such as a loss or a dataset, under a name that suites can use.

    `name` has 1 to 100 printable characters and is unique among the offers of its kind.
    `build(**options)` returns the component. Its signature lists the options, with their types and defaults.
    `summary` is one sentence, `reference` the paper and its equation, `formula` the mathematics in raw scores.
    Raise `version` whenever a default or the mathematics changes. Results of the old version are then stale.
    With `high_is_real=False` a low score means real; the default is that a high score means real.
    With `stackable=False` the seeds of a batch are trained in a plain loop instead of being stacked.
    `safe_range` is the largest |score| at which a loss and its gradient stay finite.
    `examples` are values from the literature, which the contract tests assert.
    `metrics` are the metrics that score models on a dataset, unless the suite names others.
    `caution(recipe, spec)` yields the warnings of papers about this offer in this recipe and architecture. Planning
    prints them.
    `proportional_to` is the Scalar option of an optimizer, such as "lr", to which every step is proportional, decay of
    weights included. Members with different values of it are then stepped by one optimizer. "" means none.
    """

    name: str
    build: Callable[..., Any]
    summary: str
    _: KW_ONLY
    reference: str = ""
    formula: str = ""
    version: int = 1
    high_is_real: bool = True
    stackable: bool = True
    safe_range: float = 30.0
    examples: tuple[Example, ...] = ()
    metrics: tuple[str, ...] = ()
    caution: Callable[[Any, Spec], Iterable[str]] | None = None
    proportional_to: str = field(default="", metadata={"since": "0.2"})


@dataclass(frozen=True, init=False)
class Use:
    """The use of an offer in a suite or a method: `Use("gradient-penalty", weight=10.0)`.

    `name` is the offer's name.
    `weight` multiplies a term; it is a number or a schedule.
    `every` replaces the period of the term's lazy regularisation.
    `where` restricts a constraint to architectures whose spec has these values: `where={"critic_normalised": True}`.
    `options` and all further keywords are options of the offer.
    """

    name: str
    weight: Any
    every: int | None
    where: Mapping[str, Any]
    options: Mapping[str, Any]

    def __init__(
        self,
        name: str,
        *,
        weight: Any = 1.0,
        every: int | None = None,
        where: Mapping[str, Any] = NONE,
        options: Mapping[str, Any] = NONE,
        **more: Any,
    ) -> None:
        set_ = object.__setattr__
        set_(self, "name", name)
        set_(self, "weight", weight)
        set_(self, "every", every)
        set_(self, "where", dict(where))
        set_(self, "options", {**options, **more})


@dataclass(frozen=True, kw_only=True)
class Method:
    """A named recipe, as plain data: what a suite means by `methods = ["wgan-gp"]`.

    `loss` is the use of a loss. `constraints` are those of the constraints and `inputs` those of the inputs, in order.
    `dynamics` is the rule by which the players update; None is the default rule, one player after the other.
    `optimizer` is used for both players, except for a player that has its own; None is the default optimizer.
    `critic_optimizer` is the critic's own. `generator_optimizer` is the generator's own.
    `critic_steps` is the number of critic steps per generator step: an integer, or a schedule such as
    `{"steps": [[25, 100], ["inf", 5]]}`.
    `order` says which player updates first in each generator step.
    `critic_norm` is the kind of normalisation that a normalised critic uses; with "none" it has none.
    `ema` is the decay per generator step of an exponential moving average of the generator's weights. The averaged
    weights are evaluated. 0 means that there is no average. For the first `ema_start` generator steps the average is
    the weights themselves. With an `ema_rampup` r above 0, the half-life of the average is at most r times the
    generator steps since then, so that the first weights are soon forgotten (StyleGAN2-ADA: 0.05).
    `critic_ema` is the decay of an average of the critic's weights, with the same start and ramp-up. Metrics of the
    networks see the averaged critic; training does not.
    `plateau` scales each member's updates, of both players, by a factor once a signal has stopped falling. Its keys are
    those of `api.schedules.PLATEAU`.
    """

    loss: Use
    constraints: tuple[Use, ...] = ()
    inputs: tuple[Use, ...] = ()
    dynamics: Use | None = None
    optimizer: Use | None = None
    critic_optimizer: Use | None = None
    generator_optimizer: Use | None = None
    critic_steps: Any = 1
    order: Literal["critic-first", "generator-first"] = "critic-first"
    critic_norm: Literal["batch", "layer", "none"] = "layer"
    ema: float = 0.0
    ema_start: int = 0
    ema_rampup: float = 0.0
    critic_ema: float = field(default=0.0, metadata={"since": "0.2"})
    plateau: Mapping[str, Any] | None = field(default=None, metadata={"since": "0.2"})


class Table(Protocol):
    """What a report sees: one table of raw numbers and text. Names, labels and errors in it are not escaped.

    `title` is the table's title, `frame` a pandas DataFrame with all values, and `notes` the sentences below the table.
    `columns` are the columns that a reader sees, and `heading(column)` is the text above one of them.
    `cells(write)` returns the rows under these columns. It formats each value with `write(value)`, and writes intervals
    and totals beside their number. For print, `label` is the name by which a paper refers to the table, empty for none,
    and `wraps` maps a column of text to how many digits it may be wide before its cells are broken into lines.
    """

    @property
    def title(self) -> str:
        """The title of the table."""

    @property
    def frame(self) -> Any:
        """The values as a pandas DataFrame."""

    @property
    def notes(self) -> tuple[str, ...]:
        """The sentences below the table."""

    @property
    def columns(self) -> list[str]:
        """The names of the columns that a reader sees."""

    def heading(self, column: str) -> str:
        """Return the text above a column."""

    def cells(self, write: Callable[[Any], str]) -> list[list[str]]:
        """Return the rows under `columns` as text: a rate as "0.2 [0.1, 0.3]", a count as "3 of 48 (at 120)"."""

    @property
    def label(self) -> str:
        """The name by which a paper refers to the table, empty for none."""

    @property
    def wraps(self) -> Mapping[str, int]:
        """How many digits a column of text may be wide in print, by its name."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """A format for tables.

    `render(table)` returns one table as text or bytes. The core writes it to a file whose name ends in `suffix`.
    `styles` are the styles of print that users may ask for: with "paper", `render` gets the few tables of a paper.
    """

    suffix: str
    render: Callable[[Table], str | bytes]
    styles: tuple[str, ...] = ()
