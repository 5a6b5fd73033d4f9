"""The table [[claim]]: a statement of the literature, and the test of it on the results of the suite."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from ganbench.errors import unknown_name
from ganbench.suite.conditions import parse
from ganbench.suite.fields import Name, NotEmpty, Number, Table
from ganbench.suite.toml_lines import Path
from ganbench.suite.validation import Complaint, Complaints

Test = Literal[
    "converges", "diverges", "cycles", "less", "greater", "within", "monotone", "correlates", "always", "absent"
]
"""The tests of claims; docs/reference/claims.md defines each."""

SERIES_TESTS = ("converges", "diverges", "cycles")
RATE_TESTS = ("always", "absent")
RANK_TESTS = ("monotone", "correlates")
PAIR_TESTS = ("less", "greater", "within", "correlates")

When = Literal["first", "final", "best", "mean"] | Annotated[int, Field(strict=True, ge=0, le=10**12)]
"""The snapshot that a claim reads: the first, the last, the best one, the mean of all, or the last one up to a step."""

Along = Literal["step", "position", "datasets", "methods", "trials"]
"""What a series runs along: generator steps, the positions of a profile, datasets or methods in `order`, or trials."""

Where = Annotated[dict[Name, bool | int | float | str], Field(min_length=1)]
"""The architectures whose factors have these values."""

Direction = Literal["rises", "falls", "neither"]

ALLOWED: dict[str, tuple[str, ...]] = {
    "value": ("converges", "diverges", "cycles", "less", "greater", "within", "monotone", "correlates"),
    "condition": RATE_TESTS,
    "outcome": RATE_TESTS,
    "than": PAIR_TESTS,
    "target": ("converges", "diverges", "cycles", "less", "greater", "within"),
    "tolerance": ("converges", "cycles", "within"),
    "relative": ("within",),
    "factor": ("diverges", "less", "greater"),
    "along": RANK_TESTS,
    "order": RANK_TESTS,
    "direction": RANK_TESTS,
    "strength": RANK_TESTS,
}
"""The tests that each key belongs to; keys that are not here belong to all."""

NEEDED: dict[Test, tuple[str, ...]] = {
    "converges": ("value", "tolerance"),
    "diverges": ("value",),
    "cycles": ("value",),
    "less": ("value",),
    "greater": ("value",),
    "within": ("value", "tolerance"),
    "monotone": ("value", "direction"),
    "correlates": ("value", "than", "direction"),
    "always": (),
    "absent": (),
}
"""The keys that each test needs."""


def _normalise_condition(text: str) -> str:
    return str(parse(text))


class SideTable(Table):
    """What a claim compares with: each key that is left out is that of the claim itself."""

    value: Name | None = Field(default=None, description="The name of a metric's value, a signal or a profile.")
    dataset: Name | None = Field(default=None, description="The name (or label) of a [[dataset]].")
    method: Name | None = Field(default=None, description="The name of a method of the suite.")
    at: When | None = Field(default=None, description='"first", "final", "best", "mean", or a generator step.')
    position: Number | None = Field(default=None, description="The position in a profile, such as the layer.")
    where: Where | None = Field(default=None, description="The architectures, as in { critic_width = 256 }.")


class ClaimTable(Table):
    """A claim: its text, its source, and the test of it. docs/reference/claims.md defines every test."""

    text: str = Field(strict=True, min_length=1, max_length=1000, description="The claim in words.")
    source: str = Field(
        default="", strict=True, max_length=1000, description="The paper, with its table, figure or equation."
    )
    test: Test = Field(description="How it is tested: less, greater, within, monotone, converges, always, ...")
    dataset: Name | None = Field(default=None, description="The [[dataset]] that it is about; default: the only one.")
    method: Name | None = Field(default=None, description="The method that it is about; default: the only one.")
    value: Name | None = Field(default=None, description="The name of a metric's value, a signal or a profile.")
    condition: Annotated[str, Field(strict=True), AfterValidator(_normalise_condition)] | None = Field(
        default=None, description='What is always true, or never, as in "modes >= 8 and high-quality > 0.8".'
    )
    outcome: Name | None = Field(
        default=None, description='What always happens, or never: an outcome, such as "collapsed" or "diverged".'
    )
    at: When = Field(default="final", description='"first", "final", "best", "mean", or a generator step.')
    position: Number | None = Field(default=None, description="The position in a profile, such as the layer.")
    where: Where | None = Field(
        default=None, description="The architectures that it is about, as in { critic_width = 256 }. Default: all."
    )
    than: SideTable | None = Field(
        default=None, description='What the value is compared with, as in { method = "wgan-gp" }.'
    )
    target: Number | None = Field(default=None, description="The number that the value is compared with.")
    tolerance: Annotated[Number, Field(gt=0)] | None = Field(
        default=None, description="The largest distance from the target that counts as equal to it."
    )
    relative: bool = Field(
        default=False, strict=True, description="Whether the tolerance is a share of what is compared with."
    )
    factor: Annotated[Number, Field(ge=1)] | None = Field(
        default=None, description="The value must be smaller (or larger) by more than this factor. Default 1."
    )
    along: Along | None = Field(default=None, description="What the series runs along. Default: step.")
    order: Annotated[tuple[Name, ...], NotEmpty] = Field(
        default=(), description="The datasets or methods in the order in which the value should rise or fall."
    )
    direction: Direction | None = Field(
        default=None, description='"rises", "falls", or "neither": of the value, or of it with the other one.'
    )
    strength: Annotated[Number, Field(ge=0, lt=1)] | None = Field(
        default=None, description="The rank correlation that must be exceeded. Default 0.5."
    )
    rate: Annotated[Number, Field(gt=0, lt=1)] = Field(
        default=0.5,
        description="The share of trials for which the claim must hold (with absent: may not be reached). Default 0.5.",
    )
    inference: bool = Field(
        default=True,
        strict=True,
        description="false: the verdict is about these trials alone, as where nothing is random.",
    )

    @model_validator(mode="after")
    def _check_completeness(self) -> Self:
        if complaints := list(self._find_gaps()):
            raise Complaints(complaints)
        return self

    @property
    def runs_along(self) -> Along:
        """What the series of a rank test runs along."""
        return self.along or "step"

    def _find_gaps(self) -> Iterator[Complaint]:
        """Yield a complaint for each key that the test needs and has not, and for each that it does not read."""
        given = self.model_fields_set
        for key in NEEDED[self.test]:
            if getattr(self, key) is None:
                yield Complaint((key,), None, f"missing. The test {self.test!r} needs it.")
        for key in given & ALLOWED.keys():
            if self.test not in ALLOWED[key]:
                owners = ", ".join(ALLOWED[key])
                reason = f"the test {self.test!r} does not read it; it belongs to {owners}. Leave it out."
                yield Complaint((key,), getattr(self, key), reason)
        if self.test in RATE_TESTS and (self.condition is None) == (self.outcome is None):
            yield Complaint(("condition",), self.condition, "write exactly one of `condition` and `outcome`.")
        if self.test in ("less", "greater", "within") and (self.than is None) == (self.target is None):
            yield Complaint(("than",), None, "write exactly one of `than` (another value) and `target` (a number).")
        if self.than is not None and not self.than.model_fields_set:
            yield Complaint(("than",), None, "it is empty, so nothing differs. Say what does.")
        if self.than is not None and self.than.where is not None and set(self.than.where) != set(self.where or ()):
            reason = (
                "both sides must name the same factors, so that they are paired by all others. Add them to `where`."
            )
            yield Complaint(("than", "where"), dict(self.than.where), reason)
        yield from self._find_wrong_series()

    def _find_wrong_series(self) -> Iterator[Complaint]:
        """Yield a complaint for each mistake in what a rank test runs along."""
        if self.test not in RANK_TESTS:
            return
        listed = self.runs_along in ("datasets", "methods")
        if listed and len(self.order) < 4:
            reason = f"along = {self.along!r} needs at least four of them, in the order of the claim."
            yield Complaint(("order",), list(self.order) or None, reason)
        if self.order and not listed:
            yield Complaint(("order",), list(self.order), 'it belongs to along = "datasets" or "methods".')
        if len(set(self.order)) < len(self.order):
            yield Complaint(("order",), list(self.order), "it has a name twice. Leave one out.")
        if self.along == "position" and self.at in ("best", "mean"):
            reason = 'along = "position" reads one snapshot: "first", "final" or a generator step.'
            yield Complaint(("at",), self.at, reason)
        if self.test == "monotone" and self.along == "trials":
            reason = "trials have no order. Use along = step, position, datasets or methods, or the test correlates."
            yield Complaint(("along",), self.along, reason)


def find_unknown_in_claims(
    claims: Sequence[ClaimTable], datasets: Collection[str], methods: Collection[str]
) -> Iterator[Complaint]:
    """Yield a complaint for each dataset and method in a claim that the suite does not have."""
    known = {"dataset": ("[[dataset]] called", datasets), "method": ("method of this suite called", methods)}
    for i, claim in enumerate(claims):
        named: list[tuple[Path, str, Any]] = [(("claim", i, key), key, getattr(claim, key)) for key in known]
        if claim.than is not None:
            named += [(("claim", i, "than", key), key, getattr(claim.than, key)) for key in known]
        if claim.order:
            named += [(("claim", i, "order", k), str(claim.along)[:-1], name) for k, name in enumerate(claim.order)]
        for path, key, name in named:
            kind, names = known[key]
            if name is not None and name not in names:
                yield Complaint(path, name, partial(unknown_name, kind, name, names))


def share_p_values(claim: ClaimTable, holds: int, unknown: int, units: int) -> tuple[float, float]:
    """Return the one-sided p-values for and against a claim that holds for `holds` of `units` units.

    Exact binomial tests of the share against the claim's rate (C. J. Clopper, E. S. Pearson, Biometrika 26, 1934).
    Units of which it is `unknown` speak for neither side. NaN without units.
    """
    from scipy.stats import binom

    if not units:
        return math.nan, math.nan
    more = float(binom.sf(holds - 1, units, claim.rate))
    fewer = float(binom.cdf(holds + unknown, units, claim.rate))
    return (fewer, more) if claim.test == "absent" else (more, fewer)


def least_p(claim: ClaimTable, units: int) -> tuple[float, float]:
    """Return the smallest two-sided p-values that so many units can give: for a claim, and against it."""
    every, none = share_p_values(claim, units, 0, units), share_p_values(claim, 0, 0, units)
    best, worst = (none, every) if claim.test == "absent" else (every, none)
    return min(1.0, 2 * best[0]), min(1.0, 2 * worst[1])
