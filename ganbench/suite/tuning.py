"""The table [tuning], and what a method varies: lists of values, which form a grid, and laws to draw from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from ganbench.api.trials import digest
from ganbench.errors import shorten
from ganbench.suite.bounds import MOST_SEEDS
from ganbench.suite.fields import Count, Table, check_seeds
from ganbench.suite.validation import Complaint, Complaints

MOST_CONFIGURATIONS = 1_000
"""The largest number of configurations of all methods of a suite together."""
DIGITS = 4
"""Numbers drawn from a law are rounded to so many significant digits, so that they can be read and written."""

LAWS = ("uniform", "log-uniform", "integers", "choice")
FORMS = (
    "it should be a list of values, as in [1e-4, 1e-3], or a law, as in { log-uniform = [0.1, 100] }. Laws: "
    f"{', '.join(LAWS)}"
)


@dataclass(frozen=True)
class Law:
    """A law that values are drawn from: its kind, and its range [low, high] or its choices."""

    kind: str
    values: tuple[Any, ...]

    def quantile(self, share: float) -> Any:
        """Return the value below which a share in [0, 1) of the law lies; a number with `DIGITS` significant digits."""
        if self.kind == "choice":
            return self.values[int(share * len(self.values))]
        low, high = self.values
        if self.kind == "integers":
            return low + int(share * (high - low + 1))
        if self.kind == "log-uniform":
            return round_digits(math.exp(math.log(low) + share * (math.log(high) - math.log(low))))
        return round_digits(low + share * (high - low))


def round_digits(number: float) -> float:
    """Return a number with `DIGITS` significant digits."""
    return float(f"{number:.{DIGITS}g}")


def draw_share(seed: int, option: str, draw: int) -> float:
    """Return a number in [0, 1) that depends on the seed, the option's name and the number of the draw only.

    So methods whose options share a name share their draws, and more draws begin with the same ones.
    """
    return int(digest(["configurations", seed, option, draw])[:13], 16) / 16**13


def parse_values(value: Any) -> tuple[Any, ...] | Law:
    """Return the values of a varied option: those of a list, or a law; raise ValueError for anything else."""
    if isinstance(value, list | tuple):
        if not value:
            raise ValueError("the list is empty. Write the values to try")
        if repeated := next((item for i, item in enumerate(value) if item in value[:i]), None):
            raise ValueError(f"{shorten(repeated)} appears twice. Leave one out")
        return tuple(value)
    if not isinstance(value, Mapping) or len(value) != 1 or next(iter(value)) not in LAWS:
        raise ValueError(FORMS)
    ((kind, values),) = value.items()
    if kind == "choice":
        if not isinstance(values, list | tuple) or not values:
            raise ValueError("choice should be a list of values, as in { choice = [1, 5] }")
        return Law(kind, tuple(values))
    types = (int,) if kind == "integers" else (int, float)
    pair = isinstance(values, list | tuple) and len(values) == 2 and all(type(each) in types for each in values)
    if not pair or not all(math.isfinite(each) for each in values) or not values[0] < values[1]:
        kinds = "two integers" if kind == "integers" else "two numbers"
        raise ValueError(f"{kind} should have {kinds}, the smaller one first")
    if kind == "log-uniform" and values[0] <= 0:
        raise ValueError("log-uniform should have two numbers above 0: the logarithm of 0 is not finite")
    return Law(kind, tuple(values))


def check_varied(varied: Any) -> dict[str, Any]:
    """Return what a method varies, unchanged; raise ValueError or Complaints for values of no form."""
    if not isinstance(varied, Mapping) or not varied:
        raise ValueError('it should be a table of options, as in { "optimizer.lr" = [1e-4, 1e-3] }')
    for option, values in varied.items():
        try:
            parse_values(values)
        except ValueError as error:
            raise Complaints([Complaint((option,), values, f"{error}.")]) from None
    return dict(varied)


_PAIR = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
_LAWS: dict[str, dict[str, Any]] = dict.fromkeys(LAWS[:2], _PAIR) | {
    "integers": _PAIR | {"items": {"type": "integer"}},
    "choice": {"type": "array", "minItems": 1},
}
_VARIED_SCHEMA: dict[str, Any] = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {
        "anyOf": [
            {"type": "array", "minItems": 1, "uniqueItems": True},
            *(
                {"type": "object", "properties": {kind: law}, "required": [kind], "additionalProperties": False}
                for kind, law in _LAWS.items()
            ),
        ]
    },
}
Varied = Annotated[Any, AfterValidator(check_varied), Field(json_schema_extra=_VARIED_SCHEMA)]
"""What a method varies: for each option a list of values, or a law."""


class TuningTable(Table):
    """How configurations are drawn, and on what the best one of each method is trained again and reported.

    Without `report_seeds` nothing is chosen: every configuration is a method of the suite.
    """

    configurations: Annotated[Count, Field(le=MOST_CONFIGURATIONS)] | None = Field(
        default=None,
        description="How many configurations each method has, where it draws some option from a law. A larger number "
        "begins with the same ones. Lists alone form a grid, and need no number.",
    )
    seed: int = Field(default=0, strict=True, ge=0, lt=2**63, description="The seed of the draws from laws.")
    report_seeds: Annotated[Any, AfterValidator(check_seeds)] = Field(
        default=None,
        description="The seeds that the best configuration of each method is reported on: a number of fresh ones, or a "
        "list that shares none with `seeds`, on which the configurations are tuned.",
        json_schema_extra={
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": MOST_SEEDS},
                {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "uniqueItems": True},
            ]
        },
    )
    report_architectures: Annotated[Count, Field(le=10**6)] | None = Field(
        default=None,
        description="Report on so many fresh architectures, drawn after those that the configurations are tuned on.",
    )
    report: Literal["best", "all"] = Field(
        default="best",
        description="What is trained on report_seeds: the best configuration of each method, or all configurations.",
    )
    unequal: str | None = Field(
        default=None,
        strict=True,
        min_length=1,
        max_length=500,
        description="Why methods have different numbers of configurations, if they have.",
    )
