"""What a plugin yields: offers by kind, and the records of recipes and reports, which name other offers."""

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
    "optimizers": "optimizer",
    "methods": "method",
    "executors": "executor",
    "reports": "report",
}
"""The kinds of offers and what one of each is called; the hook of kind K is `ganbench_K`."""


@dataclass(frozen=True)
class Example:
    """A value the literature gives; the contract tests assert it to 1e-5.

    For a loss, `given` holds scores (`real` and `fake`, lists of floats) and `expect` any of `critic`, `generator`.
    For a constraint, `given` holds a linear critic D(x) = w.x (`slope` = |w|) and the `shape` of a sample; `expect`
    any of `critic`, `generator`, the value of that player's term.
    """

    given: Mapping[str, Any]
    expect: Mapping[str, float]
    source: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Offer:
    """One variant under a name that suites can use. `build(**options)` makes it; its signature lists the options.

    `version` rises when a default or the mathematics changes: old results are then stale. `safe_range` is the largest
    |score| at which a loss stays finite. With `stackable=False` seeds are trained in a plain loop. `metrics` are the
    metrics that a dataset is judged by unless the suite names others. `caution(recipe, spec)` yields what papers warn
    of when the offer is used in this recipe with this architecture; planning prints it.
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


@dataclass(frozen=True, init=False)
class Use:
    """An offer by name with options, as suites and recipes write it: `Use("gradient-penalty", weight=10.0)`.

    `weight` scales a term (a number or a schedule), `every` overrides its lazy period, and `where` keeps a constraint
    only for architectures whose spec has these values, as in `where={"critic_normalised": True}`.
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
    """A recipe, names and numbers only: what a suite means by `methods = ["wgan-gp"]`.

    `optimizer` serves both players unless one has its own. `critic_steps` per generator step is a number or a schedule
    such as `{"steps": [[25, 100], ["inf", 5]]}`. `critic_norm` is what a normalised critic uses. `ema` is the decay of
    the generator's averaged weights that are evaluated (0: none).
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
    critic_norm: Literal["batch", "layer"] = "layer"
    ema: float = 0.0


class Table(Protocol):
    """What a report sees: a table of raw numbers and of text that strangers wrote, nothing escaped yet.

    `frame` is a pandas DataFrame, `notes` are sentences below it. `columns` are those that a reader sees and `heading`
    what stands above one; `cells(write)` gives the rows under them, each value as `write(value)` writes it, with the
    interval or the total beside its number.
    """

    @property
    def title(self) -> str:
        """What the table is called."""

    @property
    def frame(self) -> Any:
        """The values, a row each."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader must know."""

    @property
    def columns(self) -> list[str]:
        """The columns that a reader sees."""

    def heading(self, column: str) -> str:
        """Give what stands above a column."""

    def cells(self, write: Callable[[Any], str]) -> list[list[str]]:
        """Give the rows under `columns`: "0.2 [0.1, 0.3]" of a rate, "3 of 48 (at 120)" of a count."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """A way to write tables: `render(table)` gives one as text or bytes, the core puts it into a file with `suffix`."""

    suffix: str
    render: Callable[[Table], str | bytes]
