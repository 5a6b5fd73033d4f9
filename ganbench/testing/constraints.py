"""The rules for constraints and inputs, on the engine's own Play of small networks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from ganbench.api.training import Constraint, Input, Term
from ganbench.errors import GanbenchError
from ganbench.testing.offers import dials
from ganbench.testing.purity import Capture, largest_difference, require_no_global_random, require_unchanged
from ganbench.testing.rule import TOLERANCE, Subject, require, rule
from ganbench.testing.small_game import NAME, ROWS, SmallGame, by_gradients, make_game, train

SHAPES = ((2,), (1, 8, 8), (3, 16, 16))
PLAYERS = ("critic", "generator")


@dataclass(frozen=True)
class Case:
    """A constraint or an input under test."""

    subject: Subject

    @cached_property
    def part(self) -> Term:
        """What the offer builds."""
        built: Term = self.subject.build()
        return built

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """The first shape of data on which it works at all; flat if on none, so that its own error is told."""
        for shape in SHAPES:
            try:
                scene = make_game(self.part, shape)
                scene.loss("critic")
                scene.loss("generator")
                return shape
            except Exception:  # the rules tell what is wrong
                continue
        return SHAPES[0]

    @cached_property
    def scene(self) -> SmallGame:
        """It in a game of smooth perceptrons."""
        return make_game(self.part, self.shape)

    @property
    def stackable(self) -> bool:
        """Whether seeds are trained as one with it."""
        return bool(self.subject.offer.stackable)

    def acts(self, name: str) -> bool:
        """Say whether one of its functions is there."""
        return getattr(self.part, name, None) is not None


def cases(subject: Subject) -> list[Case]:
    """Give the cases of a term: its defaults, and the options of its examples."""
    return [Case(variant) for variant in subject.variants()]


@rule()
def does_something(case: Case) -> None:
    """Has at least one function for the engine to call, and lazy terms are due at some step."""
    part, kind = case.part, Constraint if case.subject.offered.kind == "constraints" else Input
    require(isinstance(part, kind), f"build gives {part!r}. It must give one of ganbench.{kind.__name__}.")
    names = ["critic", "generator", "reparametrise", "wrap", "project", "view"]
    idle = not any(case.acts(name) for name in names)
    asks = isinstance(part, Input) and (part.latent or part.heads or part.pack > 1)
    require(
        not idle or bool(asks), "it does nothing: none of its functions is set, so a suite that asks for it gets none."
    )
    require(part.every >= 1, f"every = {part.every}: a term is due at every k-th step, k >= 1.")


@rule(lambda case: case.stackable)
def maps_over_seeds(case: Case) -> None:
    """Trains several seeds as one to where it trains each alone, mapped, looped and by vmap(grad)."""
    mapped = train(case.part, case.shape, mode="stack")
    ways = {
        "in a loop": train(case.part, case.shape, mode="loop"),
        "by vmap(grad)": train(case.part, case.shape, mode="stack", dynamics=by_gradients()),
    }
    for way, other in ways.items():
        gap = largest_difference(mapped, other)
        require(gap <= TOLERANCE, f"three seeds end {gap:.2g} apart {way} and mapped: it mixes seeds or keeps a state.")
    for i in range(3):
        alone = train(case.part, case.shape, mode="loop", seeds=(i,))
        gap = largest_difference(tree_map(lambda t, i=i: t[i : i + 1], mapped), alone)
        require(gap <= TOLERANCE, f"a seed ends {gap:.2g} away from where it ends alone: it looks at other seeds.")


@rule(lambda case: not case.stackable)
def repeats_in_a_loop(case: Case) -> None:
    """Trains to the same end twice, in a plain loop over seeds."""
    one, other = (train(case.part, case.shape, mode="loop") for _ in range(2))
    require(
        largest_difference(one, other) == 0,
        "two runs of one seed end apart: it keeps a state outside `init`, or throws dice.",
    )


@rule()
def draws_no_random_numbers(case: Case) -> None:
    """Draws no random numbers but those that it declares."""
    with require_no_global_random("declare the numbers as `draws={...: Draw(...)}` and read `play.draws`"):
        for player in PLAYERS:
            case.scene.loss(player)


@rule(lambda case: case.stackable)
def can_be_captured(case: Case) -> None:
    """Keeps to operations that a CUDA graph can replay."""
    scene = case.scene.free()
    with Capture():
        for player, own in (("critic", scene.d), ("generator", scene.g)):
            torch.autograd.grad(scene.loss(player), list(own.values()), allow_unused=True)
        if isinstance(case.part, Constraint) and case.part.project is not None:
            case.part.project(case.scene.d, case.scene.progress)


@rule()
def changes_nothing_it_is_given(case: Case) -> None:
    """Leaves samples, draws, parameters and state as they are."""
    scene = case.scene
    given = (scene.g, scene.d, scene.chance, scene.state)
    with require_unchanged("what it is given (samples, draws, parameters or state)", given), torch.no_grad():
        for player in PLAYERS:
            scene.loss(player)
        if isinstance(case.part, Constraint) and case.part.project is not None:
            case.part.project({name: 100 * weights for name, weights in scene.d.items()}, scene.progress)
            case.part.project(scene.d, scene.progress)


def collect_effects(scene: SmallGame) -> list[Tensor]:
    """Give all that a part can change: both losses at three points of the run."""
    points = [replace(scene, progress=torch.full_like(scene.progress, at)) for at in (0.0, 0.5, 1.0)]
    return [point.loss(player).detach() for point in points for player in PLAYERS]


def nudge(draw: Tensor, row: int) -> Tensor:
    """Give a draw with the numbers of one row moved (of one in each group of ROWS, where samples are packed)."""
    mine = torch.arange(len(draw)) % ROWS == row
    return draw + 0.25 * mine.reshape(-1, *[1] * (draw.ndim - 1))


@rule(lambda case: bool(case.part.draws))
def reads_every_draw(case: Case) -> None:
    """Reads every number that it declares to draw, for every row."""
    plain = collect_effects(case.scene)
    for name, with_change in case.scene.draws():
        other = with_change(lambda t: 0.3 + 0.5 * t)
        require(
            largest_difference(collect_effects(other), plain) > 0,
            f"it declares the draw {name!r} and never reads it: leave it out.",
        )
        for row in range(ROWS):
            one = with_change(partial(nudge, row=row))
            require(
                largest_difference(collect_effects(one), plain) > 0,
                f"the draw {name!r} of row {row} changes nothing: every sample must read its own, not the first row's.",
            )


@rule(lambda case: case.acts("critic") or case.acts("generator"))
def pulls_at_its_player(case: Case) -> None:
    """Has a gradient in the parameters of the player to whose loss it is added."""
    scene = case.scene.free()
    for player, own in (("critic", scene.d), ("generator", scene.g)):
        if not case.acts(player):
            continue
        value = scene.term(player)
        require(value.ndim == 0, f"its {player} term has the shape {list(value.shape)}: reduce it to one number.")
        slopes = torch.autograd.grad(value, list(own.values()), allow_unused=True) if value.requires_grad else ()
        require(
            any(slope is not None and bool(slope.abs().sum() > 0) for slope in slopes),
            f"its {player} term has no gradient in the {player}'s parameters: it is detached, constant, or on the "
            "wrong side.",
        )


@rule(lambda case: case.part.init is not None)
def keeps_its_state_in_form(case: Case) -> None:
    """Returns the state with the names, shapes and kinds of numbers that `init` gave, all finite."""
    before = case.scene.state[NAME]
    for player in PLAYERS:
        after = case.scene.remembered(player)[1]["state"][NAME]
        require(
            after.keys() == before.keys(),
            f"the {player}'s step returns the state {sorted(after)}, and `init` makes {sorted(before)}: return all.",
        )
        for name, leaf in before.items():
            new = after[name]
            require(
                new.shape == leaf.shape, f"the state {name!r} comes as {list(leaf.shape)}, goes as {list(new.shape)}."
            )
            kinds = (new.is_floating_point(), leaf.is_floating_point())
            require(kinds[0] == kinds[1], f"the state {name!r} comes as {leaf.dtype} and goes as {new.dtype}.")
            require(bool(new.isfinite().all()), f"the {player}'s step makes the state {name!r} non-finite.")


@rule(lambda case: isinstance(case.part, Input) and bool(case.part.heads))
def reads_the_heads_it_asks_for(case: Case) -> None:
    """Reads every head that it asks of the critic, in one of its terms."""
    assert isinstance(case.part, Input)
    scene = case.scene.free()
    values = [scene.term(player) for player in PLAYERS if case.acts(player)]
    for head in case.part.heads:
        own = [weights for name, weights in scene.d.items() if name.startswith(f"heads.{head}.")]
        read = [
            slope
            for value in values
            if value.requires_grad
            for slope in torch.autograd.grad(value, own, allow_unused=True, retain_graph=True)
        ]
        require(any(slope is not None for slope in read), f"it asks for the head {head!r} and no term reads it.")


@rule(lambda case: bool(case.subject.offered.options.scalars))
def follows_schedules(case: Case) -> None:
    """Reads an option annotated Scalar at every step, so that it may be a schedule."""
    for name, dial, other in dials(case.subject):
        moved = case.subject.offer.build(**{**case.subject.options, name: dial})
        dial.fill_(other)
        try:
            fresh = case.subject.offer.build(**{**case.subject.options, name: other})
        except GanbenchError:
            continue
        values = [collect_changed_effects(case.scene, part) for part in (moved, fresh)]
        require(
            largest_difference(values[0], values[1]) <= TOLERANCE,
            f"the option {name!r} is a Scalar, but a schedule of it changes nothing: use the tensor as it comes, "
            "at every call, without float().",
        )


def collect_changed_effects(scene: SmallGame, part: Term) -> list[Tensor]:
    """Give all that another build of the part changes in the same scene, the projection included."""
    values = collect_effects(replace(scene, part=part))
    if isinstance(part, Constraint) and part.project is not None:
        values += [new.detach() for _, new in sorted(part.project(scene.d, scene.progress).items())]
    return values


RULES = (
    does_something,
    maps_over_seeds,
    repeats_in_a_loop,
    draws_no_random_numbers,
    can_be_captured,
    changes_nothing_it_is_given,
    reads_every_draw,
    pulls_at_its_player,
    keeps_its_state_in_form,
    reads_the_heads_it_asks_for,
    follows_schedules,
)
