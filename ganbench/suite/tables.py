"""The tables of a suite: datasets, budget, architectures, measurement, the engine, and what is kept."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ganbench.api.trials import Precision
from ganbench.suite.budget_units import BUDGET_UNITS
from ganbench.suite.fields import Count, Name, NotEmpty, Number, Size, Table, parse_size
from ganbench.suite.methods import OfferTable

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
    dataset in its place where one of its files, or a library that it needs, is missing. `tuned_on` names the dataset
    whose choice of configurations this one reports.
    """

    TERMS_ONLY: ClassVar[frozenset[str]] = frozenset()

    label: Name | None = Field(default=None, description="Its name in tables and success rules, if not `name`.")
    metrics: Annotated[tuple[OfferTable, ...] | None, NotEmpty] = Field(
        default=None, description="The metrics of this dataset, in place of its own and those of [measurement]."
    )
    extractor: ExtractorTable | None = Field(
        default=None, description="The extractor for this dataset, in place of that of [measurement]."
    )
    tuned_on: Name | None = Field(
        default=None,
        description="With [tuning]: the dataset on which the configurations were chosen that are reported here.",
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
    """How trials train; of a trial's key only `precision` is a part, unless it is "float32"."""

    memory: Size = Field(
        default="4 GiB", description='What the seeds that train together may take, as in "8 GiB"; less means fewer.'
    )
    together: int = Field(
        default=32,
        ge=1,
        le=1024,
        description="The most seeds that train together. On a GPU more than 32 take hardly longer, such as 256.",
    )
    precision: Precision = Field(
        default="float32",
        description="The numbers of matrix products and convolutions: float32, tf32 (on CUDA only) or bf16.",
    )

    @property
    def memory_bytes(self) -> int:
        """The memory in bytes."""
        return parse_size(self.memory)


class ImportedTable(Table):
    """A file of runs that were trained elsewhere and that `ganbench import` has put into the results folder."""

    file: Name = Field(description="The name of the file, as it was imported.")
    sha256: Annotated[str, Field(strict=True, pattern="^[0-9a-f]{64}$")] = Field(
        description="The SHA-256 of its content, 64 hexadecimal digits."
    )
    date: Annotated[str, Field(strict=True, pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$")] = Field(
        description="The day on which it was imported (UTC)."
    )
    version: Name = Field(description="The version of ganbench that imported it.")
