"""Contract rules for constraints and inputs, on the engine's own Play of small networks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from ganbench.api.training import Constraint, Input, Term
from ganbench.errors import GanbenchError
from ganbench.testing.offers import find_schedulable_options
from ganbench.testing.purity import (
    Capture,
    largest_difference,
    require_equal_calls,
    require_no_global_random,
    require_unchanged,
)
from ganbench.testing.rule import TOLERANCE, Subject, always, require, rule
from ganbench.testing.small_game import BATCH_SIZE, NAME, SmallGame, make_game, make_gradient_dynamics, train

SHAPES = ((2,), (1, 8, 8), (3, 16, 16))
PLAYERS = ("critic", "generator")
PROGRESS = (0.0, 0.5, 1.0)
"""Points of the run at which a part is called."""


@dataclass(frozen=True)
class Case:
    """A constraint or an input under test."""

    subject: Subject

    @cached_property
    def part(self) -> Term:
        """The constraint or input that the offer builds."""
        built: Term = self.subject.build()
        return built

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """The first shape of data that the part works on; flat if it works on none, so that its error is reported."""
        return next(filter(self.works_on, SHAPES), SHAPES[0])

    def works_on(self, shape: tuple[int, ...]) -> bool:
        """Return whether both losses can be computed with the part on samples of this shape."""
        try:
            game = make_game(self.part, shape)
            game.loss("critic")
            game.loss("generator")
        except Exception:  # the rules report what is wrong
            return False
        return True

    @cached_property
    def game(self) -> SmallGame:
        """The part in a game of smooth perceptrons."""
        return make_game(self.part, self.shape)

    @property
    def stackable(self) -> bool:
        """Whether seeds are trained together with it."""
        return bool(self.subject.offer.stackable)

    def has_function(self, name: str) -> bool:
        """Return whether the part has this function."""
        return getattr(self.part, name, None) is not None


def cases(subject: Subject) -> list[Case]:
    """Return the cases of a term: its default options, and the options of each example."""
    return [Case(variant) for variant in subject.variants()]


@rule(vital=always)
def does_something(case: Case) -> None:
    """Has at least one function for the engine to call, and a lazy term is due at some step."""
    part, kind = case.part, Constraint if case.subject.offered.kind == "constraints" else Input
    require(isinstance(part, kind), f"build returns {part!r}. It must return a ganbench.{kind.__name__}.")
    names = ["critic", "generator", "reparametrise", "wrap", "project", "view"]
    has_functions = any(case.has_function(name) for name in names)
    has_requests = isinstance(part, Input) and (part.latent or part.heads or part.pack > 1 or part.conditional)
    require(
        has_functions or bool(has_requests), "it does nothing: none of its functions is set. Set one, such as `critic`."
    )
    require(part.every >= 1, f"every = {part.every}: a term is due at every k-th step, with k >= 1.")


@rule(lambda case: case.stackable)
def maps_over_seeds(case: Case) -> None:
    """Trains mapped seeds to the same result as each alone, and by vmap(grad)."""
    mapped = train(case.part, case.shape, mode="stack")
    nested = train(case.part, case.shape, mode="stack", dynamics=make_gradient_dynamics())
    gap = largest_difference(mapped, nested)
    require(
        gap <= TOLERANCE,
        f"three seeds trained by vmap(grad) end {gap:.2g} away from mapped seeds: it mixes seeds, or keeps a state "
        "outside `init`.",
    )
    for i in range(3):
        alone = train(case.part, case.shape, mode="loop", seeds=(i,))
        gap = largest_difference(tree_map(lambda t, i=i: t[i : i + 1], mapped), alone)
        require(gap <= TOLERANCE, f"a mapped seed ends {gap:.2g} away from where it ends alone: it reads other seeds.")


@rule(lambda case: not case.stackable)
def repeats_in_a_loop(case: Case) -> None:
    """Trains to the same result twice, in a plain loop over seeds."""
    first, second = (train(case.part, case.shape, mode="loop") for _ in range(2))
    require(
        largest_difference(first, second) == 0,
        "two runs of one seed end apart: it keeps a state outside `init`, or draws random numbers itself.",
    )


@rule(vital=always)
def draws_no_random_numbers(case: Case) -> None:
    """Draws no random numbers except those that it declares."""
    with require_no_global_random("declare the numbers as `draws={...: Draw(...)}` and read `play.draws`"):
        for player in PLAYERS:
            case.game.loss(player)


@rule()
def repeats_its_values(case: Case) -> None:
    """Has equal values for equal inputs in each of many calls, at any progress, and keeps no state in Python."""
    part = case.subject.build()
    games = [replace(case.game, part=part, progress=torch.full_like(case.game.progress, at)) for at in PROGRESS]

    def call(point: int) -> list[Tensor]:
        game = games[point]
        values = [game.loss(player) for player in PLAYERS]
        if isinstance(part, Constraint) and part.project is not None:
            values += [new for _, new in sorted(part.project(game.d, game.progress).items())]
        return values

    require_equal_calls(part, call, len(games))


@rule(lambda case: case.stackable)
def can_be_captured(case: Case) -> None:
    """Uses only operations that a CUDA graph can replay."""
    game = case.game.require_gradients()
    with Capture():
        for player, parameters in (("critic", game.d), ("generator", game.g)):
            torch.autograd.grad(game.loss(player), list(parameters.values()), allow_unused=True)
        if isinstance(case.part, Constraint) and case.part.project is not None:
            case.part.project(case.game.d, case.game.progress)


@rule()
def leaves_its_inputs_unchanged(case: Case) -> None:
    """Leaves samples, draws, parameters and state as they are."""
    game = case.game
    arguments = (game.g, game.d, game.inputs, game.state)
    with require_unchanged("its arguments (samples, draws, parameters or state)", arguments), torch.no_grad():
        for player in PLAYERS:
            game.loss(player)
        if isinstance(case.part, Constraint) and case.part.project is not None:
            case.part.project({name: 100 * weights for name, weights in game.d.items()}, game.progress)
            case.part.project(game.d, game.progress)


def collect_effects(game: SmallGame) -> list[Tensor]:
    """Return all that a part can change: both losses at three points of the run."""
    points = [replace(game, progress=torch.full_like(game.progress, at)) for at in PROGRESS]
    return [point.loss(player).detach() for point in points for player in PLAYERS]


def shift_row(draw: Tensor, row: int) -> Tensor:
    """Return a draw with the numbers of one row shifted (one in every BATCH_SIZE rows where samples are packed)."""
    is_shifted = torch.arange(len(draw)) % BATCH_SIZE == row
    return draw + 0.25 * is_shifted.reshape(-1, *[1] * (draw.ndim - 1))


@rule(lambda case: bool(case.part.draws))
def reads_every_draw(case: Case) -> None:
    """Reads every number that it declares as a draw, for every sample."""
    shape = next(filter(case.works_on, reversed(SHAPES)), case.shape)  # grey images have no saturation to change
    game = make_game(case.part, shape)
    plain = collect_effects(game)
    for name, with_change in game.draw_replacers():
        changed = with_change(lambda t: 0.3 + 0.5 * t)
        require(
            largest_difference(collect_effects(changed), plain) > 0,
            f"it declares the draw {name!r} and never reads it: remove it, or read it.",
        )
        for row in range(BATCH_SIZE):
            shifted = with_change(partial(shift_row, row=row))
            require(
                largest_difference(collect_effects(shifted), plain) > 0,
                f"the draw {name!r} of sample {row} changes nothing: every sample must read its own draw, not the "
                "first sample's.",
            )


@rule(lambda case: case.has_function("critic") or case.has_function("generator"))
def has_a_gradient_in_its_player(case: Case) -> None:
    """Has a gradient in the parameters of the player whose loss it is added to."""
    game = case.game.require_gradients()
    for player, parameters in (("critic", game.d), ("generator", game.g)):
        if not case.has_function(player):
            continue
        value = game.term(player)
        require(
            value.ndim == 0, f"its {player} term has the shape {list(value.shape)}: reduce it to one number, .mean()."
        )
        slopes = torch.autograd.grad(value, list(parameters.values()), allow_unused=True) if value.requires_grad else ()
        require(
            any(slope is not None and bool(slope.abs().sum() > 0) for slope in slopes),
            f"its {player} term has no gradient in the {player}'s parameters: it is detached, constant, or set for "
            "the wrong player.",
        )


@rule(lambda case: case.part.init is not None, vital=always)
def keeps_the_form_of_its_state(case: Case) -> None:
    """Returns the state with the names, shapes and kinds of numbers that `init` returned, all finite."""
    before = case.game.state[NAME]
    for player in PLAYERS:
        after = case.game.loss_and_state(player)[1]["state"][NAME]
        require(
            after.keys() == before.keys(),
            f"the {player}'s step returns the state {sorted(after)}, and `init` returns {sorted(before)}: return every "
            "leaf.",
        )
        for name, leaf in before.items():
            new = after[name]
            require(
                new.shape == leaf.shape,
                f"the state {name!r} is {list(leaf.shape)} in `init` and {list(new.shape)} after a step: keep it.",
            )
            require(
                new.is_floating_point() == leaf.is_floating_point(),
                f"the state {name!r} is {leaf.dtype} in `init` and {new.dtype} after a step: keep its dtype.",
            )
            require(bool(new.isfinite().all()), f"the {player}'s step makes the state {name!r} non-finite.")


@rule(lambda case: isinstance(case.part, Input) and bool(case.part.heads))
def reads_the_heads_it_requests(case: Case) -> None:
    """Reads every critic head that it requests, in one of its terms."""
    assert isinstance(case.part, Input)
    game = case.game.require_gradients()
    values = [game.term(player) for player in PLAYERS if case.has_function(player)]
    for head in case.part.heads:
        weights = [p for name, p in game.d.items() if name.startswith(f"heads.{head}.")]
        slopes = [
            slope
            for value in values
            if value.requires_grad
            for slope in torch.autograd.grad(value, weights, allow_unused=True, retain_graph=True)
        ]
        require(
            any(slope is not None for slope in slopes),
            f"it requests the head {head!r} and no term reads it: remove the head, or read it.",
        )


@rule(lambda case: bool(case.subject.offered.options.scalars))
def follows_schedules(case: Case) -> None:
    """Reads an option annotated Scalar at every step, so that it may be a schedule."""
    for name, schedule, value in find_schedulable_options(case.subject):
        scheduled = case.subject.offer.build(**{**case.subject.options, name: schedule})
        schedule.fill_(value)
        try:
            fresh = case.subject.offer.build(**{**case.subject.options, name: value})
        except GanbenchError:
            continue
        effects = [collect_rebuilt_effects(case.game, part) for part in (scheduled, fresh)]
        require(
            largest_difference(effects[0], effects[1]) <= TOLERANCE,
            f"the option {name!r} is a Scalar, but a schedule of it changes nothing: use the tensor itself at every "
            "call, without float().",
        )


def collect_rebuilt_effects(game: SmallGame, part: Term) -> list[Tensor]:
    """Return all that another build of the part changes in the same game, its projection included."""
    values = collect_effects(replace(game, part=part))
    if isinstance(part, Constraint) and part.project is not None:
        values += [new.detach() for _, new in sorted(part.project(game.d, game.progress).items())]
    return values


RULES = (
    does_something,
    maps_over_seeds,
    repeats_in_a_loop,
    draws_no_random_numbers,
    repeats_its_values,
    can_be_captured,
    leaves_its_inputs_unchanged,
    reads_every_draw,
    has_a_gradient_in_its_player,
    keeps_the_form_of_its_state,
    reads_the_heads_it_requests,
    follows_schedules,
)
