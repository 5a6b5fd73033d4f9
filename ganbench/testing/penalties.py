"""Contract rules for penalties, in closed form: on critics whose slope is known at every point."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from ganbench.api.training import Constraint
from ganbench.testing.constraints import PLAYERS, Case
from ganbench.testing.rule import TOLERANCE, require, rule
from ganbench.testing.small_game import DOUBLE, LinearCritic, SmallGame, make_game

IMAGE = (3, 4, 4)
"""The image is as high as the batch size, so a coefficient [n, 1] on the wrong axis broadcasts without an error."""
SLOPE = 1.7


def linear_critic(
    case: Case, slope: float, shape: tuple[int, ...] = IMAGE, constant: float = 0.0, shuffled: bool = False
) -> SmallGame:
    """Return a game with the critic D(x) = w.x + constant, |w| = slope; `shuffled` reorders the entries of w."""
    return make_game(case.part, shape, lambda ask: LinearCritic(math.prod(shape) * ask.pack, slope, constant, shuffled))


def term_value(game: SmallGame, player: str = "critic") -> float:
    """Return the value of a player's term as a float."""
    return float(game.term(player).detach())


def reorder_samples(game: SmallGame, order: list[int]) -> SmallGame:
    """Return the game with its samples (data, latents and draws) in this order."""

    def reorder(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        return tree_map(lambda t: t[order], inputs)

    return game.change_inputs(reorder)


def move_samples(game: SmallGame) -> SmallGame:
    """Return the game with all samples moved by one vector with unequal entries, and the real ones spread as well."""
    shift = torch.linspace(0.3, 0.9, game.g["offset"].shape[1], dtype=DOUBLE).square()
    moved = replace(game, g={**game.g, "offset": game.g["offset"] + shift})
    return moved.change_inputs(lambda inputs: {**inputs, "real": 1.5 * inputs["real"] + shift.reshape(IMAGE)})


def reads_only_the_slope(case: Case) -> bool:
    """Return whether the critic term reads only the critic's slope: on a linear critic the samples do not matter."""
    if not isinstance(case.part, Constraint) or case.part.critic is None:
        return False
    try:
        game = linear_critic(case, SLOPE)
        return abs(term_value(game) - term_value(move_samples(game))) <= TOLERANCE
    except Exception:
        return False  # it needs other samples; the rules on its own game report what is wrong


@rule(lambda case: bool(case.subject.offer.examples))
def follows_its_examples(case: Case) -> None:
    """Has the values that its examples quote, on a linear critic D(x) = w.x."""
    for example in case.subject.offer.examples:
        if case.subject.complete(example.options) != case.subject.options:
            continue
        length, shape = float(example.given["slope"]), tuple(example.given["shape"])
        game = linear_critic(case, length, shape)
        for player, expected in example.expect.items():
            require(
                player in PLAYERS, f"an example expects {player!r}. Use 'critic' or 'generator', the name of a player."
            )
            require(
                case.has_function(player), f"an example expects a term in the {player}'s loss, and it has none there."
            )
            value = term_value(game, player)
            require(
                math.isclose(value, expected, rel_tol=1e-5, abs_tol=1e-5),
                f"on D(x) = w.x with |w| = {length:g} and samples of {'x'.join(map(str, shape))} its {player} term is "
                f"{value:.6g}, but its example says {expected:.6g} ({example.source}). {suggest_cause(case)}",
            )


def suggest_cause(case: Case) -> str:
    """Return the likely cause of a wrong value."""
    try:
        norm_is_per_sample.check(case)
    except AssertionError as error:
        return str(error)
    return "Look for a factor (1/2), a missing square or root, or a mean instead of a sum over a sample's axes."


@rule(reads_only_the_slope)
def norm_is_per_sample(case: Case) -> None:
    """Takes the slope's norm per sample, over all axes except the batch axis."""
    game = linear_critic(case, SLOPE)
    value, shuffled = term_value(game), term_value(linear_critic(case, SLOPE, shuffled=True))
    require(
        math.isclose(value, shuffled, rel_tol=1e-9, abs_tol=1e-9),
        f"its norm mixes samples or axes: on D(x) = w.x with |w| = {SLOPE} and 3x4x4 samples it is {value:.4g}, and "
        f"{shuffled:.4g} for the same entries of w in another order. Use gradient.flatten(1).square().sum(1).",
    )
    doubled = term_value(reorder_samples(game, [0, 1, 2, 3, 0, 1, 2, 3]))
    require(
        math.isclose(value, doubled, rel_tol=1e-9, abs_tol=1e-9),
        f"its norm mixes samples or axes: it is {value:.4g} on a batch, {doubled:.4g} on the same batch twice. Take "
        "the norm of each sample, then the mean.",
    )


@rule(reads_only_the_slope)
def ignores_a_constant(case: Case) -> None:
    """Does not change when a constant is added to the critic."""
    value, raised = term_value(linear_critic(case, SLOPE)), term_value(linear_critic(case, SLOPE, constant=5.0))
    require(
        math.isclose(value, raised, rel_tol=1e-9, abs_tol=1e-9),
        f"a constant of 5 added to the critic changes it from {value:.4g} to {raised:.4g}: read the slope only, no "
        "score.",
    )


@rule(lambda case: isinstance(case.part, Constraint) and (case.has_function("critic") or case.has_function("wrap")))
def is_finite_at_a_flat_critic(case: Case) -> None:
    """Has a finite value and a finite gradient where the critic's slope is zero."""
    shape = IMAGE if reads_only_the_slope(case) else case.shape
    game = linear_critic(case, 0.0, shape, constant=0.5).require_gradients()
    loss = game.loss("critic")
    slopes = torch.autograd.grad(loss, list(game.d.values()), allow_unused=True) if loss.requires_grad else ()
    finite = all(slope is None or bool(slope.isfinite().all()) for slope in slopes)
    require(
        bool(loss.isfinite()) and finite,
        f"on a constant critic the loss is {float(loss.detach()):.3g}{'' if finite else ', its gradient not finite'}: "
        "put 1e-12 under the root of the norm, because a root has no derivative at zero.",
    )


def is_mixing_coefficient(game: SmallGame, name: str) -> bool:
    """Return whether a draw mixes real with fake samples: it changes the term, but not where the two are equal."""
    equal = game.change_inputs(
        lambda inputs: {**inputs, "latent": {n: inputs["real"].flatten(1) for n in inputs["latent"]}}
    )

    def change_of_term(game: SmallGame) -> float:
        changed = dict(game.draw_replacers())[name](lambda t: 0.3 + 0.5 * t)
        return abs(term_value(changed) - term_value(game))

    return change_of_term(game) > 1e-12 and change_of_term(equal) < 1e-12


@rule(lambda case: isinstance(case.part, Constraint) and case.has_function("critic") and bool(case.part.draws))
def mixes_with_one_coefficient_a_sample(case: Case) -> None:
    """Mixes a real and a fake sample with one coefficient, not with one for each of its numbers."""
    game = make_game(case.part, IMAGE, lambda ask: QuadraticCritic(math.prod(IMAGE)))
    for name in case.part.draws:
        coefficient = game.inputs["critic"]["draws"]["part"][name]
        require(
            coefficient[0].numel() == 1 or not is_mixing_coefficient(game, name),
            f"the draw {name!r} mixes real and fake samples with {coefficient[0].numel()} coefficients each: draw one, "
            'Draw("uniform", "sample"). For D(x) = |x|^2/2 and 48 normal numbers the standard deviation of |x^|^2/48 '
            "must be sqrt(1/24) = .204; with one coefficient for each number it is .141.",
        )


@rule(lambda case: isinstance(case.part, Constraint) and case.has_function("critic"))
def ignores_the_order_of_samples(case: Case) -> None:
    """Does not depend on the order of the samples in the batch."""
    try:
        game = make_game(case.part, IMAGE, seed=1)
        before = term_value(game)
    except Exception:
        game = case.game  # it does not work on such images
        before = term_value(game)
    after = term_value(reorder_samples(game, [2, 0, 3, 1]))
    require(
        math.isclose(before, after, rel_tol=1e-9, abs_tol=1e-9),
        f"it is {before:.6g}, and {after:.6g} for the same samples in another order: it uses another axis as the batch "
        'axis. A draw of shape "sample" is [n, 1, ..] and broadcasts; one of shape (1,) is [n, 1] and does not.',
    )


class QuadraticCritic(LinearCritic):
    """D(x) = |x|^2/2; its slope at x is x."""

    def __init__(self, size: int) -> None:
        super().__init__(size, length=1.0)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Return the score [n] and the other answers by name."""
        return {**super().forward(x), "score": self.w.norm() * x.flatten(1).square().sum(1) / 2}


RULES = (
    follows_its_examples,
    norm_is_per_sample,
    ignores_a_constant,
    is_finite_at_a_flat_critic,
    mixes_with_one_coefficient_a_sample,
    ignores_the_order_of_samples,
)
