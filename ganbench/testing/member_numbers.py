"""Contract rules for options annotated Scalar of which the members of one batch have different values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from ganbench.engine.ensemble import map_over_seeds
from ganbench.engine.scalars import ScheduledScalars, bind
from ganbench.errors import GanbenchError
from ganbench.testing import constraints, dynamics, loss_case
from ganbench.testing.offers import find_schedulable_options
from ganbench.testing.optimizers import COUNTING_LOSS, FLAT
from ganbench.testing.purity import detach_values, largest_difference
from ganbench.testing.rule import TOLERANCE, Subject, require, rule
from ganbench.testing.small_game import CPU, DOUBLE, train

MEMBERS = 3


def has_numbers(case: Any) -> bool:
    """Return whether an offer has options of which the members of a batch may have different values."""
    return bool(case.subject.offered.options.scalars)


def iterate_shared(subject: Subject) -> Iterator[tuple[str, Any, ScheduledScalars, Sequence[Any]]]:
    """Yield each Scalar option with the offer built for members with different values of it, and built for each.

    The scalars are those of the first build. Values that the offer refuses are left out.
    """
    for name, start, other in find_schedulable_options(subject):
        values = [float(start), other, (float(start) + other) / 2]
        try:
            alone = [subject.offer.build(**{**subject.options, name: value}) for value in values]
        except GanbenchError:
            continue
        scalars = ScheduledScalars(CPU, DOUBLE)
        yield name, subject.offer.build(**{**subject.options, name: scalars.spread(values)}), scalars, alone


def require_equal_members(name: str, together: Any, alone: Sequence[Any]) -> None:
    """Raise ContractError unless each member of a tree of tensors [S, ...] is as it is alone, [1, ...]."""
    for i, expected in enumerate(alone):
        gap = largest_difference(tree_map(lambda t, i=i: t[i : i + 1], together), expected)
        require(
            gap <= TOLERANCE,
            f"members with different values of the option {name!r} end {gap:.2g} away from where each ends alone: "
            "compute with it at every call, by torch's functions only.",
        )


@rule(lambda case: has_numbers(case) and case.subject.offer.stackable)
def loss_reads_numbers_of_members(case: loss_case.Case) -> None:
    """Has the values of each member alone where the members of a batch have different values of a Scalar option."""
    members = [case.sides(seed) for seed in range(MEMBERS)]
    stacked = tree_map(lambda *leaves: torch.stack(leaves), members[0], *members[1:])

    def make_step(objective: Any) -> Callable[..., Any]:
        rebuilt = loss_case.Case(case.subject)
        rebuilt.__dict__["objective"] = objective

        def total(sides: loss_case.Sides, state: Any) -> tuple[Tensor, Any]:
            critic, generator, after = rebuilt.play_both(sides, state)
            return critic + 0.7 * generator, after

        return torch.func.grad_and_value(total, has_aux=True)

    for name, together, scalars, alone in iterate_shared(case.subject):
        states = {leaf: torch.stack([value] * MEMBERS) for leaf, value in case.state().items()}
        numbers = tuple(handle.stacked for handle in scalars.handles)
        step = map_over_seeds(bind(scalars.handles, make_step(together)))
        mapped = detach_values(partial(step, stacked, states, numbers))
        expected = [make_step(objective)(members[i], case.state()) for i, objective in enumerate(alone)]
        require_equal_members(name, mapped, [tree_map(lambda t: t.unsqueeze(0), each) for each in expected])


@rule(has_numbers)
def term_reads_numbers_of_members(case: constraints.Case) -> None:
    """Trains members with different values of a Scalar option together to the same result as each alone."""
    for name, together, scalars, alone in iterate_shared(case.subject):
        mode: Any = "stack" if case.stackable else "loop"
        mapped = train(together, case.shape, mode=mode, scalars=scalars, parts_alone=alone)
        expected = [train(part, case.shape, mode="loop", seeds=(i,)) for i, part in enumerate(alone)]
        require_equal_members(name, mapped, expected)


@rule(lambda case: has_numbers(case) and bool(case.moves))
def dynamics_read_numbers_of_members(case: dynamics.DynamicsCase) -> None:
    """Trains members with different values of a Scalar option together to the same result as each alone."""
    for name, together, scalars, alone in iterate_shared(case.subject):
        mode: Any = "stack" if case.subject.offer.stackable else "loop"
        fixed: dict[str, Any] = {"part": None, "shape": FLAT, "objective": COUNTING_LOSS}
        mapped = train(**fixed, mode=mode, dynamics=together, scalars=scalars)
        expected = [train(**fixed, mode="loop", seeds=(i,), dynamics=each) for i, each in enumerate(alone)]
        require_equal_members(name, mapped, expected)


LOSS_RULES = (loss_reads_numbers_of_members,)
TERM_RULES = (term_reads_numbers_of_members,)
DYNAMICS_RULES = (dynamics_read_numbers_of_members,)
