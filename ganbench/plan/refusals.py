"""Settings that mean nothing: a suite, or a recipe of a third party, with one of them is refused when it is planned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ganbench.api.models import Spec
from ganbench.api.offers import KINDS, Use
from ganbench.api.schedules import parse_scalar, to_number
from ganbench.api.training import Term
from ganbench.api.trials import Recipe
from ganbench.errors import GanbenchError, WrongOption, shorten, unknown_name
from ganbench.suite import locations
from ganbench.suite.loading import explain_import
from ganbench.suite.suite import Suite

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry

LARGEST = 3.4028234e38
"""The largest number of the precision that networks train in (float32)."""

MOST_LINKS = 20
"""Tables [[method]] of which each starts `from` the one before."""


def check_suite(suite: Suite) -> None:
    """Raise GanbenchError for the suite of an import, for a question of blanks, and for what is there too often.

    That is a long chain of `from`, a metric that a dataset has twice, and methods that a rule compares twice.
    """
    if suite.imported:
        raise GanbenchError(f"{suite.where}: {explain_import(suite)}, so there is nothing that ganbench could train.")
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
    for i, dataset in enumerate(suite.dataset):
        metrics = [metric.model_dump() for metric in dataset.metrics or ()]
        if repeated := next((k for k, metric in enumerate(metrics) if metric in metrics[:k]), 0):
            place = locations.locate(suite, "dataset", i, "metrics", repeated)
            raise GanbenchError(f"{place} = {shorten(metrics[repeated])}: it appears twice; leave one out.")
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

    That is a weight or a period without a term to weigh, a period that is none, a number that training cannot hold, and
    `where` for an input. What the offer's own build refuses is refused, too.
    """
    name, scalars = f"{KINDS[kind]} {use.name!r}", registry.get(kind, use.name).options.scalars
    schedules = {key: value for key, value in options.items() if key in scalars and isinstance(value, Mapping)}
    for key, value in ({"weight": use.weight} | schedules if term else schedules).items():
        ends = [parse_scalar(value)(progress) for progress in (0.0, 1.0)]
        if any(abs(end) > LARGEST for end in ends):
            reason = f"its size exceeds {LARGEST:.2g}, the largest number that networks train with. Use a smaller one."
            raise WrongOption(f"{name}: {key} = {shorten(value)}: {reason}", key)
    built = registry.build(kind, use.name, options)
    if schedules:
        registry.build(kind, use.name, options, scalar=lambda table: parse_scalar(table)(1.0))
    if term:
        refuse_wrong_period(name, use)
        refuse_idle_weight(name, use, built)
        if kind == "inputs" and use.where:
            raise WrongOption(
                f"{name}: where = {shorten(use.where)}: `where` is for constraints. Leave it out.", "where"
            )


def refuse_wrong_period(name: str, use: Use) -> None:
    """Raise GanbenchError for a period that is no number of updates; a suite's own is checked when it is read."""
    if use.every is not None and (type(use.every) is not int or use.every < 1):
        raise WrongOption(
            f"{name}: every = {shorten(use.every)}: give an integer of 1 or more, or leave it out.", "every"
        )


def refuse_idle_weight(name: str, use: Use, built: Term) -> None:
    """Raise GanbenchError for a weight other than 1, or a period, of what adds no term to a player's loss."""
    if built.critic is not None or built.generator is not None:
        return
    weighs = isinstance(use.weight, Mapping) or to_number(use.weight) != 1
    key = "weight" if weighs else "every"
    if weighs or use.every not in (None, 1):
        reason = "it adds no term to a loss, so it acts in full at every update, whatever its weight and period."
        way_out = f"Leave `{key}` out; to switch it off, leave it out whole."
        raise WrongOption(f"{name}: {key} = {shorten(getattr(use, key))}: {reason} {way_out}", key)


def check_packs(suite: Suite, label: str, recipe: Recipe, registry: Registry) -> None:
    """Raise GanbenchError for a batch that cannot be divided into the packs of samples that a method's critic sees."""
    pack = math.prod(registry.build("inputs", part.name, part.options).pack for part in recipe.inputs)
    rows = suite.budget.batch_size
    if rows % pack:
        place = locations.locate(suite, "budget", "batch_size")
        near = [size for size in (rows - rows % pack, rows - rows % pack + pack) if size]
        reason = f"the critic of method {label!r} sees packs of {pack} samples, and {rows} is no multiple of {pack}."
        raise GanbenchError(f"{place} = {rows}: {reason} Use {' or '.join(map(str, near))}.")


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
