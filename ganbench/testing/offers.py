"""The rules for offers of every kind: they can be named in a suite, built, and explained."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import torch
from torch import Tensor

from ganbench.api.offers import KINDS
from ganbench.testing.purity import require_no_global_random
from ganbench.testing.rule import Subject, require, rule


@rule()
def can_be_named_in_a_suite(subject: Subject) -> None:
    """Has options that a suite can give by name, each with a default."""
    parameters = subject.offered.options.parameters.values()
    bare = [one.name for one in parameters if one.default is inspect.Parameter.empty]
    require(not bare, f"its options {bare} have no default: give them one in build's signature.")


@rule()
def builds(subject: Subject) -> None:
    """Builds under its defaults, and without throwing dice."""
    subject.build()  # libraries that it imports may throw dice while they do, once
    with require_no_global_random("what is built must be the same everywhere"):
        subject.build()


@rule()
def explains_itself(subject: Subject) -> None:
    """Says in one line what it is."""
    summary = subject.offer.summary
    kind = KINDS[subject.offered.kind]
    require(
        isinstance(summary, str) and bool(summary.strip()), f"it has no summary: say in a line what this {kind} does."
    )
    require(
        "\n" not in summary, "its summary has several lines: say it in one, and the rest in the docstring of build."
    )


def dials(subject: Subject) -> Iterator[tuple[str, Tensor, float]]:
    """Give each option that may be a schedule: its name, a tensor at its default, and another value for it."""
    for name in sorted(subject.offered.options.scalars):
        start = subject.options.get(name, subject.offered.options.parameters[name].default)
        if not isinstance(start, int | float):
            continue
        yield name, torch.tensor(float(start), dtype=torch.float64), start / 2 if start else 0.25


RULES = (can_be_named_in_a_suite, builds, explains_itself)
