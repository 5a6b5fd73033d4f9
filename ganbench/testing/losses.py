"""Contract rules for losses, on scores or on another answer of the critic that they read."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from ganbench.api.training import Objective, identity
from ganbench.engine.ensemble import loop_over_seeds, map_over_seeds
from ganbench.testing.loss_case import BATCH_SIZE, Case, Sides, require_gradients
from ganbench.testing.offers import find_schedulable_options
from ganbench.testing.purity import (
    Capture,
    detach_values,
    equal_bits,
    largest_difference,
    require_equal_calls,
    require_no_global_random,
    require_unchanged,
)
from ganbench.testing.rule import TOLERANCE, always, require, rule

SEEDS = 3
PLAYERS = ("critic", "generator")
GRID = (-0.5, 0.2, 0.8)
"""Scores at which every loss still has a gradient: margins and targets are at one and beyond."""


@rule(vital=always)
def is_an_objective(case: Case) -> None:
    """Returns a scalar for each player, from an answer that critics have."""
    objective = case.objective
    require(
        isinstance(objective, Objective),
        f"build returns {objective!r}. It must return an Objective(critic, generator).",
    )
    critic, generator, _ = case.play_both(case.sides(), case.state())
    for player, value in zip(PLAYERS, (critic, generator), strict=True):
        require(
            isinstance(value, Tensor) and value.ndim == 0,
            f"the {player}'s loss has the shape {list(getattr(value, 'shape', []))}: reduce it to one number, .mean().",
        )
    if objective.witness is not identity:
        real, fake = (case.read(side) for side in case.sides().values())
        witness = objective.witness(real, real, fake)
        require(
            tuple(witness.shape) == (BATCH_SIZE,),
            f"`witness` returns {list(witness.shape)} for {BATCH_SIZE} samples: return one number for each.",
        )


@rule()
def follows_its_examples(case: Case) -> None:
    """Has the values that its examples quote from the literature."""
    for example in case.subject.offer.examples:
        if case.subject.complete(example.options) != case.subject.options:
            continue
        sides = case.scores(example.given["real"], example.given["fake"])
        for player, expected in example.expect.items():
            require(
                player in PLAYERS,
                f"an example expects {player!r}. Use 'critic' or 'generator', the name of a player.",
            )
            value = float(case.play(player, sides, case.state())[0].detach())
            require(
                math.isclose(value, expected, rel_tol=1e-5, abs_tol=1e-5),
                f"the {player}'s loss is {value:.6g} at {dict(example.given)}, but its example says {expected:.6g} "
                f"({example.source}).",
            )


@rule(lambda case: case.subject.offer.stackable)
def maps_over_seeds(case: Case) -> None:
    """Has the same values and gradients for seeds trained together as for each seed alone."""
    members = [case.sides(seed) for seed in range(SEEDS)]
    stacked = tree_map(lambda *leaves: torch.stack(leaves), members[0], *members[1:])
    states = {name: torch.stack([leaf] * SEEDS) for name, leaf in case.state().items()}

    def total(sides: Sides, state: Any) -> tuple[Tensor, Any]:
        critic, generator, after = case.play_both(sides, state)
        return critic + 0.7 * generator, after

    gradient = torch.func.grad_and_value(total, has_aux=True)
    ways: dict[str, Any] = {}
    ways["gradients mapped over seeds"] = detach_values(lambda: map_over_seeds(gradient)(stacked, states))
    ways["seeds in a loop"] = detach_values(lambda: loop_over_seeds(gradient)(stacked, states))
    alone = [gradient(member, case.state()) for member in members]
    expected = tree_map(lambda *leaves: torch.stack(leaves), alone[0], *alone[1:])
    for way, results in ways.items():
        gap = largest_difference(results, expected)
        require(gap <= TOLERANCE, f"{way} differ from the seed alone by {gap:.2g}: it mixes seeds, or keeps a state.")


@rule()
def leaves_its_inputs_unchanged(case: Case) -> None:
    """Does not change the scores and the state that it receives."""
    sides, state = case.sides(), case.state()
    with require_unchanged("the scores or the state that it receives", (sides, state)):
        case.play_both(sides, state)


@rule(vital=always)
def draws_no_random_numbers(case: Case) -> None:
    """Draws no random numbers."""
    with require_no_global_random("a loss must not; use an input or a constraint with `draws`"):
        case.play_both(case.sides(), case.state())


@rule()
def repeats_its_values(case: Case) -> None:
    """Has equal values for equal scores in each of many calls, and keeps no state in Python."""
    fresh = Case(case.subject)
    require_equal_calls(fresh.objective, lambda _: fresh.play_both(fresh.sides(), fresh.state()))


@rule(lambda case: case.subject.offer.stackable)
def can_be_captured(case: Case) -> None:
    """Uses only operations that a CUDA graph can replay."""
    sides, state = case.sides(), case.state()
    leaves = require_gradients(sides)
    with Capture():
        critic, generator, _ = case.play_both(sides, state)
        torch.autograd.grad(critic + generator, leaves, allow_unused=True)


@rule(lambda case: case.objective.init is not None, vital=always)
def keeps_the_form_of_its_state(case: Case) -> None:
    """Returns the state with the names, shapes and kinds of numbers that `init` returned, all finite."""
    assert case.objective.init is not None
    before, sides = case.objective.init(), case.sides(dtype=torch.float32)
    for player in PLAYERS:
        _, after = case.play(player, sides, before)
        require(
            after.keys() == before.keys(),
            f"the {player} returns the state {sorted(after)}, and `init` returns {sorted(before)}: return every leaf.",
        )
        for name, leaf in before.items():
            new = after[name]
            require(
                new.shape == leaf.shape and new.dtype == leaf.dtype,
                f"the {player} returns the state {name!r} as {new.dtype} {list(new.shape)}, and receives it as "
                f"{leaf.dtype} {list(leaf.shape)}: keep its dtype and shape.",
            )
            require(bool(new.isfinite().all()), f"the {player} makes the state {name!r} non-finite.")


@rule(lambda case: case.on_scores)
def stays_finite(case: Case) -> None:
    """Has a finite value and a finite gradient for scores up to its safe_range, in single precision."""
    largest = case.subject.offer.safe_range
    for real in (-largest, 0.0, largest):
        for fake in (-largest, 0.0, largest):
            sides = case.scores([real, 0.5 * real], [fake, 0.5 * fake], torch.float32)
            scores = [side["answer"].requires_grad_() for side in sides.values()]
            for player in PLAYERS:
                value, _ = case.play(player, sides, case.objective.init() if case.objective.init else {})
                slopes = torch.autograd.grad(value, scores, allow_unused=True) if value.requires_grad else ()
                finite = all(slope is None or bool(slope.isfinite().all()) for slope in slopes)
                result = f"{float(value.detach()):.3g}{'' if finite else ' with a non-finite gradient'}"
                require(
                    bool(value.isfinite()) and finite,
                    f"the {player}'s loss is {result} at real = {real:g}, fake = {fake:g}: write it with softplus (no "
                    f"log of a sigmoid), or declare a safe_range below {largest:g}.",
                )


@rule(lambda case: not case.on_scores)
def stays_finite_on_a_collapsed_batch(case: Case) -> None:
    """Has a finite value and a finite gradient where all samples, and so the critic's answers to them, are equal."""
    sides = tree_map(torch.ones_like, case.sides())
    leaves = require_gradients(sides)
    for player in PLAYERS:
        value, _ = case.play(player, sides, case.state())
        slopes = torch.autograd.grad(value, leaves, allow_unused=True) if value.requires_grad else ()
        finite = all(slope is None or bool(slope.isfinite().all()) for slope in slopes)
        require(
            bool(value.isfinite()) and finite,
            f"the {player}'s loss is {float(value.detach()):.3g}{'' if finite else ' with a non-finite gradient'} "
            "where all samples are equal: put 1e-12 under the root of a distance; a root has no derivative at zero.",
        )


@rule(vital=lambda case: not case.objective.paired)
def declares_whether_the_generator_sees_real_data(case: Case) -> None:
    """Reads the real scores in the generator's loss if and only if it declares `paired`."""
    sides, state = case.sides(), case.state()
    if case.objective.paired:
        changed = {**sides, "real": {name: 0.5 - 2 * tensor for name, tensor in sides["real"].items()}}
        before, after = (case.play("generator", answers, state)[0] for answers in (sides, changed))
        require(
            not equal_bits(before, after),
            "paired=True, but the generator's loss never reads the real scores: remove paired=True.",
        )
        return
    fake = case.read(sides["fake"])
    for real in (None, torch.full_like(fake, torch.nan)):
        try:
            arguments = (real, fake, state) if case.objective.init else (real, fake)
            result = case.objective.generator(*arguments)
            value = result[0] if case.objective.init else result
            finite = bool(value.isfinite())
        except (TypeError, AttributeError):
            finite = False
        require(finite, "the generator's loss reads the real scores, which it does not receive: declare paired=True.")


@rule(lambda case: case.on_scores or case.objective.head == "reconstruction")
def moves_scores_in_the_right_direction(case: Case) -> None:
    """Moves the critic's real scores up and its fake scores down, and the generator's fake scores up."""
    if case.subject.options != case.subject.complete({}):
        return
    up = 1.0 if case.subject.offer.high_is_real else -1.0
    is_right, more = dict.fromkeys(PLAYERS, False), case.read(case.sides()["real"]).shape[1:]
    for real in GRID:
        for fake in GRID:
            scores = [torch.full((4, *more), score, dtype=torch.float64, requires_grad=True) for score in (real, fake)]
            for player in PLAYERS:
                slopes = differentiate_scores(case, player, scores)
                agrees = up * slopes[1] < 0 if player == "generator" else up * slopes[0] < 0 <= up * slopes[1]
                reads_fake = player == "generator" or slopes[1] != 0 or case.objective.init is not None
                is_right[player] |= agrees and reads_fake
    order = "real above fake" if case.subject.offer.high_is_real else "fake above real (high_is_real=False)"
    require(
        is_right["critic"],
        f"minimising the critic's loss never puts {order}: check its sign, and high_is_real.",
    )
    direction = "up" if case.subject.offer.high_is_real else "down"
    require(
        is_right["generator"],
        f"minimising the generator's loss never moves fake scores {direction}: check its sign.",
    )


def differentiate_scores(case: Case, player: str, scores: list[Tensor]) -> tuple[float, float]:
    """Return the derivatives of a player's loss by the real scores and by the fake scores, each moved together."""
    real = scores[0] if player == "critic" or case.objective.paired else None
    function: Callable[..., Any] = getattr(case.objective, player)
    value = function(real, scores[1], case.state())[0] if case.objective.init else function(real, scores[1])
    slopes = torch.autograd.grad(value, scores, allow_unused=True, materialize_grads=True)
    return float(slopes[0].sum()), float(slopes[1].sum())


@rule(lambda case: bool(case.subject.offered.options.scalars))
def follows_schedules(case: Case) -> None:
    """Reads an option annotated Scalar at every step, so that it may be a schedule."""
    for name, schedule, value in find_schedulable_options(case.subject):
        scheduled: Objective = case.subject.offer.build(**{**case.subject.options, name: schedule})
        schedule.fill_(value)
        fresh: Objective = case.subject.offer.build(**{**case.subject.options, name: value})
        values = [play_rebuilt(case, objective) for objective in (scheduled, fresh)]
        require(
            largest_difference(values[0], values[1]) <= TOLERANCE,
            f"the option {name!r} is a Scalar, but a schedule of it changes nothing: use the tensor itself at every "
            "call, without float().",
        )


def play_rebuilt(case: Case, objective: Objective) -> list[Tensor]:
    """Return both players' losses with another build of the loss."""
    rebuilt = Case(case.subject)
    rebuilt.__dict__["objective"] = objective
    return [value.detach() for value in rebuilt.play_both(rebuilt.sides(), rebuilt.state())[:2]]


RULES = (
    is_an_objective,
    follows_its_examples,
    maps_over_seeds,
    leaves_its_inputs_unchanged,
    draws_no_random_numbers,
    repeats_its_values,
    can_be_captured,
    keeps_the_form_of_its_state,
    stays_finite,
    stays_finite_on_a_collapsed_batch,
    declares_whether_the_generator_sees_real_data,
    moves_scores_in_the_right_direction,
    follows_schedules,
)
