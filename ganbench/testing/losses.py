"""The rules for losses, on scores (or whatever answer of the critic they read)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ganbench.api.training import Objective, identity
from ganbench.engine.ensemble import loop_over_seeds, map_over_seeds
from ganbench.testing.offers import dials
from ganbench.testing.purity import (
    Capture,
    detach_values,
    equal_bits,
    largest_difference,
    require_no_global_random,
    require_unchanged,
)
from ganbench.testing.rule import TOLERANCE, Subject, require, rule

ROWS, WIDTH, SEEDS = 6, 2, 3
HEADS = {"score": (), "features": (4,), "reconstruction": (WIDTH,)}
PLAYERS = ("critic", "generator")
GRID = (-0.5, 0.2, 0.8)
"""Scores at which no loss has had enough yet: margins and targets are at one and beyond."""

Sides = dict[str, dict[str, Tensor]]


@dataclass(frozen=True)
class Case:
    """A loss under test, and answers of a critic to show it."""

    subject: Subject

    @cached_property
    def objective(self) -> Objective:
        """The loss."""
        built: Objective = self.subject.build()
        return built

    @property
    def on_scores(self) -> bool:
        """Whether it reads plain scores."""
        return self.objective.head == "score"

    def sides(self, seed: int = 0, dtype: torch.dtype = torch.float64) -> Sides:
        """Give answers and samples of both sides: {side: {"x": [n, 2], "answer": ...}}."""
        rng = torch.Generator().manual_seed(seed)
        head = self.objective.head
        shapes = {"x": (WIDTH,), **({"answer": HEADS.get(head, (4,))} if head is not None else {})}
        return {
            side: {name: torch.randn(ROWS, *shape, generator=rng, dtype=dtype) for name, shape in shapes.items()}
            for side in ("real", "fake")
        }

    def scores(self, real: list[float], fake: list[float], dtype: torch.dtype = torch.float64) -> Sides:
        """Give these scores as answers."""
        given = {"real": torch.tensor(real, dtype=dtype), "fake": torch.tensor(fake, dtype=dtype)}
        return {side: {"answer": s, "x": s.new_zeros(len(s), WIDTH)} for side, s in given.items()}

    def state(self) -> Any:
        """Give the first state, in float64; empty without one."""
        state = self.objective.init() if self.objective.init else {}
        return {name: leaf.double() if leaf.is_floating_point() else leaf for name, leaf in state.items()}

    def seen(self, side: Mapping[str, Tensor]) -> Tensor:
        """Give what the loss reads of one side."""
        return self.objective.read(side.get("answer"), side["x"])

    def play(self, player: str, sides: Sides, state: Any) -> tuple[Tensor, Any]:
        """Give one player's loss and the next state."""
        needs = player == "critic" or self.objective.paired
        given = (self.seen(sides["real"]) if needs else None, self.seen(sides["fake"]))
        function: Callable[..., Any] = getattr(self.objective, player)
        return function(*given, state) if self.objective.init else (function(*given), state)

    def game(self, sides: Sides, state: Any) -> tuple[Tensor, Tensor, Any]:
        """Give both players' losses, one after the other, and the state after both."""
        critic, state = self.play("critic", sides, state)
        generator, state = self.play("generator", sides, state)
        return critic, generator, state


def cases(subject: Subject) -> list[Case]:
    """Give the cases of a loss: its defaults, and the options of its examples."""
    return [Case(variant) for variant in subject.variants()]


def leaves(sides: Sides) -> list[Tensor]:
    """Make the tensors of both sides leaves of a graph and give them."""
    return [tensor.requires_grad_() for side in sides.values() for tensor in side.values()]


@rule()
def is_an_objective(case: Case) -> None:
    """Gives a scalar for either player, of an answer that critics have."""
    objective = case.objective
    require(
        isinstance(objective, Objective), f"build gives {objective!r}. It must give an Objective(critic, generator)."
    )
    critic, generator, _ = case.game(case.sides(), case.state())
    for player, value in zip(PLAYERS, (critic, generator), strict=True):
        require(
            isinstance(value, Tensor) and value.ndim == 0,
            f"the {player}'s loss has the shape {list(getattr(value, 'shape', []))}: reduce it to one number, .mean().",
        )
    if objective.witness is not identity:
        real, fake = (case.seen(side) for side in case.sides().values())
        witness = objective.witness(real, real, fake)
        require(len(witness) == ROWS, f"`witness` gives {list(witness.shape)} for {ROWS} rows: one number for each.")


@rule()
def follows_its_examples(case: Case) -> None:
    """Gives the values that its examples quote from the literature."""
    for example in case.subject.offer.examples:
        if dict(example.options) != case.subject.options:
            continue
        sides = case.scores(example.given["real"], example.given["fake"])
        for player, expected in example.expect.items():
            require(
                player in PLAYERS, f"an example expects {player!r}. An example of a loss expects critic or generator."
            )
            got = float(case.play(player, sides, case.state())[0].detach())
            require(
                math.isclose(got, expected, rel_tol=1e-5, abs_tol=1e-5),
                f"the {player}'s loss is {got:.6g} at {dict(example.given)}, and {expected:.6g} by {example.source}.",
            )


@rule(lambda case: case.subject.offer.stackable)
def maps_over_seeds(case: Case) -> None:
    """Gives each of several seeds trained as one what it gives that seed alone, values and gradients."""
    members = [case.sides(seed) for seed in range(SEEDS)]
    stacked = torch.utils._pytree.tree_map(lambda *each: torch.stack(each), members[0], *members[1:])
    states = {name: torch.stack([leaf] * SEEDS) for name, leaf in case.state().items()}

    def total(sides: Sides, state: Any) -> tuple[Tensor, Any]:
        critic, generator, after = case.game(sides, state)
        return critic + 0.7 * generator, after

    slope = torch.func.grad_and_value(total, has_aux=True)
    ways: dict[str, Any] = {}
    ways["gradients mapped over seeds"] = detach_values(lambda: map_over_seeds(slope)(stacked, states))
    ways["seeds in a loop"] = detach_values(lambda: loop_over_seeds(slope)(stacked, states))
    alone = [slope(member, case.state()) for member in members]
    expected = torch.utils._pytree.tree_map(lambda *each: torch.stack(each), alone[0], *alone[1:])
    for way, got in ways.items():
        gap = largest_difference(got, expected)
        require(gap <= TOLERANCE, f"{way} differ from the seed alone by {gap:.2g}: it mixes seeds, or keeps a state.")
    free = leaves(stacked)
    values, _ = map_over_seeds(total)(stacked, states)
    summed = torch.autograd.grad(values.sum(), free, allow_unused=True, materialize_grads=True)
    gap = largest_difference(summed, torch.utils._pytree.tree_leaves(expected[0]))
    require(gap <= TOLERANCE, f"one summed backward of mapped seeds differs from the seed alone by {gap:.2g}.")


@rule()
def changes_nothing_it_is_given(case: Case) -> None:
    """Leaves the scores and the state that it is given as they are."""
    sides, state = case.sides(), case.state()
    with require_unchanged("the scores or the state it is given", (sides, state)):
        case.game(sides, state)


@rule()
def draws_no_random_numbers(case: Case) -> None:
    """Draws no random numbers."""
    with require_no_global_random("a loss has none; what needs chance is an input or a constraint with `draws`"):
        case.game(case.sides(), case.state())


@rule(lambda case: case.subject.offer.stackable)
def can_be_captured(case: Case) -> None:
    """Keeps to operations that a CUDA graph can replay."""
    sides, state = case.sides(), case.state()
    free = leaves(sides)
    with Capture():
        critic, generator, _ = case.game(sides, state)
        torch.autograd.grad(critic + generator, free, allow_unused=True)


@rule(lambda case: case.objective.init is not None)
def keeps_its_state_in_form(case: Case) -> None:
    """Returns the state with the names, shapes and kinds of numbers that `init` gave, all finite."""
    assert case.objective.init is not None
    before, rows = case.objective.init(), case.sides(dtype=torch.float32)
    for player in PLAYERS:
        _, after = case.play(player, rows, before)
        require(
            after.keys() == before.keys(),
            f"the {player} returns the state {sorted(after)}, and `init` makes {sorted(before)}: return every leaf.",
        )
        for name, leaf in before.items():
            new = after[name]
            require(
                new.shape == leaf.shape and new.dtype == leaf.dtype,
                f"the {player} returns the state {name!r} as {new.dtype} {list(new.shape)}, and got it as "
                f"{leaf.dtype} {list(leaf.shape)}: keep its form.",
            )
            require(bool(new.isfinite().all()), f"the {player} makes the state {name!r} non-finite.")


@rule(lambda case: case.on_scores)
def stays_finite(case: Case) -> None:
    """Stays finite, value and gradient, for scores up to its safe_range, in single precision."""
    largest = case.subject.offer.safe_range
    for real in (-largest, 0.0, largest):
        for fake in (-largest, 0.0, largest):
            sides = case.scores([real, 0.5 * real], [fake, 0.5 * fake], torch.float32)
            free = [side["answer"].requires_grad_() for side in sides.values()]
            for player in PLAYERS:
                value, _ = case.play(player, sides, case.objective.init() if case.objective.init else {})
                slopes = torch.autograd.grad(value, free, allow_unused=True) if value.requires_grad else ()
                finite = all(slope is None or bool(slope.isfinite().all()) for slope in slopes)
                at = f"{float(value.detach()):.3g}{'' if finite else ' with a non-finite gradient'} at real = {real:g}"
                require(
                    bool(value.isfinite()) and finite,
                    f"the {player}'s loss is {at}, fake = {fake:g}: write it with softplus (no log "
                    f"of a sigmoid), or declare a safe_range below {largest:g}.",
                )


@rule()
def declares_whether_the_generator_sees_real_data(case: Case) -> None:
    """Reads the real scores in the generator's loss if `paired`, and not otherwise."""
    sides, state = case.sides(), case.state()
    if case.objective.paired:
        other = {**sides, "real": {name: 0.5 - 2 * tensor for name, tensor in sides["real"].items()}}
        one, two = (case.play("generator", each, state)[0] for each in (sides, other))
        require(
            not equal_bits(one, two), "paired=True, but the generator's loss never reads the real scores: leave it out."
        )
        return
    fake = case.seen(sides["fake"])
    for real in (None, torch.full_like(fake, torch.nan)):
        try:
            given = (real, fake, state) if case.objective.init else (real, fake)
            result = case.objective.generator(*given)
            value = result[0] if case.objective.init else result
            sound = bool(value.isfinite())
        except (TypeError, AttributeError):
            sound = False
        require(sound, "the generator's loss reads the real scores, which it is not given: declare paired=True.")


@rule(lambda case: case.on_scores or case.objective.head == "reconstruction")
def moves_scores_the_right_way(case: Case) -> None:
    """Teaches the critic to tell real (high) from fake (low), and the generator to look real."""
    if case.subject.options:
        return
    up = 1.0 if case.subject.offer.high_is_real else -1.0
    found = dict.fromkeys(PLAYERS, False)
    for real in GRID:
        for fake in GRID:
            seen = [torch.full((4,), at, dtype=torch.float64, requires_grad=True) for at in (real, fake)]
            for player in PLAYERS:
                slopes = push(case, player, seen)
                right = up * slopes[1] < 0 if player == "generator" else up * slopes[0] < 0 <= up * slopes[1]
                settled = player == "generator" or slopes[1] != 0 or case.objective.init is not None
                found[player] |= right and settled
    which = "real above fake" if case.subject.offer.high_is_real else "fake above real (high_is_real=False)"
    require(found["critic"], f"lowering the critic's loss nowhere puts {which}: is its sign wrong, or high_is_real?")
    toward = "up" if case.subject.offer.high_is_real else "down"
    require(found["generator"], f"lowering the generator's loss nowhere moves fake scores {toward}: is its sign wrong?")


def push(case: Case, player: str, seen: list[Tensor]) -> tuple[float, float]:
    """Give the derivatives of a player's loss when all real, and when all fake scores rise."""
    real = seen[0] if player == "critic" or case.objective.paired else None
    function: Callable[..., Any] = getattr(case.objective, player)
    value = function(real, seen[1], case.state())[0] if case.objective.init else function(real, seen[1])
    slopes = torch.autograd.grad(value, seen, allow_unused=True, materialize_grads=True)
    return float(slopes[0].sum()), float(slopes[1].sum())


@rule(lambda case: bool(case.subject.offered.options.scalars))
def follows_schedules(case: Case) -> None:
    """Reads an option annotated Scalar at every step, so that it may be a schedule."""
    for name, dial, other in dials(case.subject):
        moved: Objective = case.subject.offer.build(**{**case.subject.options, name: dial})
        dial.fill_(other)
        fresh: Objective = case.subject.offer.build(**{**case.subject.options, name: other})
        values = [play_both(case, objective) for objective in (moved, fresh)]
        require(
            largest_difference(values[0], values[1]) <= TOLERANCE,
            f"the option {name!r} is a Scalar, but a schedule of it changes nothing: use the tensor as it comes, "
            "at every call, without float().",
        )


def play_both(case: Case, objective: Objective) -> list[Tensor]:
    """Give both players' losses under another build of the loss."""
    twin = Case(case.subject)
    twin.__dict__["objective"] = objective
    return [value.detach() for value in twin.game(twin.sides(), twin.state())[:2]]


RULES = (
    is_an_objective,
    follows_its_examples,
    maps_over_seeds,
    changes_nothing_it_is_given,
    draws_no_random_numbers,
    can_be_captured,
    keeps_its_state_in_form,
    stays_finite,
    declares_whether_the_generator_sees_real_data,
    moves_scores_the_right_way,
    follows_schedules,
)
