"""Contract rules for offers of every kind: a suite can set their options, they build, and they have a summary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ganbench.api.offers import KINDS
from ganbench.testing.purity import require_no_global_random
from ganbench.testing.rule import ContractError, Subject, always, require, rule


@rule()
def can_be_named_in_a_suite(subject: Subject) -> None:
    """Has options that a suite can set by name."""
    str(subject.offered.options)  # it is read here, and the error names what a suite cannot set


@rule(vital=always)
def builds(subject: Subject) -> None:
    """Builds with its default options, and draws no random numbers while it builds."""
    build_without_chance(subject)


def build_without_chance(subject: Subject) -> Any:
    """Build the offer; raise ContractError if `build` draws random numbers.

    It is built again before it is blamed: its libraries may draw some when they are imported, and numbers from a fixed
    seed are the same everywhere.
    """
    way_out = "`build` must return the same in every worker, so draw them from a generator with a fixed seed"
    try:
        with require_no_global_random(way_out):
            return subject.build()
    except ContractError:
        with require_no_global_random(way_out):
            return subject.build()


@rule()
def has_a_summary(subject: Subject) -> None:
    """Has a summary of one line."""
    summary = subject.offer.summary
    kind = KINDS[subject.offered.kind]
    require(
        isinstance(summary, str) and bool(summary.strip()),
        f"it has no summary: describe in one line what this {kind} does.",
    )
    require(
        "\n" not in summary, "its summary has several lines: keep one, and move the rest to the docstring of build."
    )


def find_schedulable_options(subject: Subject) -> Iterator[tuple[str, Tensor, float]]:
    """Yield each option that may be a schedule: its name, a 0-d tensor with its default, and another value for it."""
    for name in sorted(subject.offered.options.scalars):
        start = subject.options.get(name, subject.offered.options.parameters[name].default)
        if not isinstance(start, int | float):
            continue
        yield name, torch.tensor(float(start), dtype=torch.float64), start / 2 if start else 0.25


RULES = (can_be_named_in_a_suite, builds, has_a_summary)
