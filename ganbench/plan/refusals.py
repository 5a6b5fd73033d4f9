"""Settings that mean nothing: a suite, or a recipe of a third party, with one of them is refused when it is planned."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ganbench.api.data import Source
from ganbench.api.models import Spec
from ganbench.api.offers import KINDS, Use
from ganbench.api.schedules import is_ramp, parse_scalar, to_number
from ganbench.errors import GanbenchError, WrongOption, shorten, unknown_name
from ganbench.suite import locations
from ganbench.suite.suite import Suite

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry

LARGEST = 3.4028234e38
"""The largest number of the precision that networks train in (float32)."""

MOST_LINKS = 20
"""Tables [[method]] of which each starts `from` the one before."""


def check_suite(suite: Suite) -> None:
    """Raise GanbenchError for a question of blanks, a long chain of `from`, and methods that a rule compares twice."""
    if not suite.question.strip():
        place = locations.locate(suite, "question")
        raise GanbenchError(f"{place} = {shorten(suite.question)}: it is blank. Write what the suite asks.")
    links: dict[str, int] = {}
    for i, table in enumerate(suite.method):
        links[table.name] = links.get(table.from_ or "", 0) + 1
        if links[table.name] > MOST_LINKS:
            place = locations.locate(suite, "method", i, "from")
            reason = f"it starts from a table that starts from another, more than {MOST_LINKS} in all."
            raise GanbenchError(f"{place} = {shorten(table.from_)}: {reason} Start from a recipe, or an earlier table.")
    for i, rule in enumerate(suite.success):
        seen: set[frozenset[str]] = set()
        for k, pair in enumerate(rule.compare):
            if frozenset(pair) in seen:
                place = locations.locate(suite, "success", i, "compare", k)
                reason = "the two are compared twice, and the correction for several tests would count both."
                raise GanbenchError(f"{place} = {shorten(list(pair))}: {reason} Leave one out.")
            seen.add(frozenset(pair))


def check_use(registry: Registry, kind: str, use: Use, options: Mapping[str, Any], *, term: bool) -> None:
    """Build what is used, at the start and at the end of its schedules; raise GanbenchError if something has no effect.

    That is a weight or a period without a term to weigh (`refuse_idle_weight`), a number that training cannot hold, and
    `where` for an input. What the offer's own build refuses is refused, too.
    """
    name = f"{KINDS[kind]} {use.name!r}"
    for key, value in list_schedules(use, options, term=term):
        ends = [parse_scalar(value)(progress) for progress in (0.0, 1.0)]
        if any(abs(end) > LARGEST for end in ends):
            reason = f"its size exceeds {LARGEST:.2g}, the largest number that networks train with. Use a smaller one."
            raise WrongOption(f"{name}: {key} = {shorten(value)}: {reason}", key)
    built = registry.build(kind, use.name, options)
    if any(isinstance(value, Mapping) for value in options.values()):
        registry.build(kind, use.name, options, scalar=lambda table: parse_scalar(table)(1.0))
    if term:
        refuse_idle_weight(name, use, built)
        if kind == "inputs" and use.where:
            raise WrongOption(
                f"{name}: where = {shorten(use.where)}: `where` is for constraints. Leave it out.", "where"
            )


def list_schedules(use: Use, options: Mapping[str, Any], *, term: bool) -> Iterator[tuple[str, Any]]:
    """Yield the name and the value of a term's weight, and of each option that is a schedule."""
    if term:
        yield "weight", use.weight
    for key, value in options.items():
        if is_ramp(value):
            yield key, value


def refuse_idle_weight(name: str, use: Use, built: Any) -> None:
    """Raise GanbenchError for a weight other than 1, or a period, of what adds no term to a player's loss."""
    if built.critic is not None or built.generator is not None:
        return
    weighs = isinstance(use.weight, Mapping) or to_number(use.weight) != 1
    key = "weight" if weighs else "every"
    if weighs or use.every not in (None, 1):
        reason = "it adds no term to a loss, so it acts in full at every update, whatever its weight and period."
        way_out = f"Leave `{key}` out; to switch it off, leave it out whole."
        raise WrongOption(f"{name}: {key} = {shorten(getattr(use, key))}: {reason} {way_out}", key)


def check_where(use: Use, spec: Spec, place: str) -> None:
    """Raise GanbenchError, which begins with `place`, for a condition on architectures that none can meet.

    That is an unknown property, and a value that is not plain: a table, a date, a time, or NaN.
    """
    for key, value in use.where.items():
        if key not in spec:
            raise unknown_name("architecture property", key, spec, place)
        plain = isinstance(value, bool | int | float | str | list | tuple)
        if not plain or (isinstance(value, float) and math.isnan(value)):
            raise GanbenchError(
                f"{place}: {key} = {shorten(value)}: no architecture has such a value, so the constraint would never "
                f"be used. Write a number, a string, true or false, as in {{ {key} = {shorten(spec[key])} }}."
            )


def check_samples(source: Source, place: str) -> None:
    """Raise GanbenchError, which begins with `place`, if a dataset has numbers that are not finite.

    Samples that cannot be drawn are left to the checks before training, which say why.
    """
    from ganbench.evaluation.data_cautions import draw_some

    try:
        finite = bool(draw_some(source).isfinite().all())
    except Exception:  # a third party's `draw` or `take` may raise anything
        return
    if not finite:
        raise GanbenchError(f"{place}: some of its samples are not finite numbers. Change its options, or its data.")
