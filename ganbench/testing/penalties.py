"""The rules for penalties, in closed form: on critics whose slope is known at every point."""

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
from ganbench.testing.small_game import DOUBLE, Slope, SmallGame, make_game

IMAGE = (3, 4, 4)
"""As many rows as an image is high, so that a coefficient [n, 1] that lands on the wrong axis still has room."""
STEEP = 1.7


def linear_critic(
    case: Case, slope: float, shape: tuple[int, ...] = IMAGE, constant: float = 0.0, turned: bool = False
) -> SmallGame:
    """Give it on D(x) = w.x + constant with |w| = slope; `turned` puts the entries of w in another order."""
    return make_game(case.part, shape, lambda ask: Slope(math.prod(shape) * ask.pack, slope, constant, turned))


def term_value(scene: SmallGame, player: str = "critic") -> float:
    """Give the term as a number."""
    return float(scene.term(player).detach())


def reorder_rows(scene: SmallGame, order: list[int]) -> SmallGame:
    """Give the scene with its rows (data, latents and draws alike) taken in this order."""

    def reordered(drawn: Mapping[str, Any]) -> Mapping[str, Any]:
        return tree_map(lambda t: t[order], drawn)

    return scene.changed(reordered)


def move_samples(scene: SmallGame) -> SmallGame:
    """Give the scene with every sample, real and fake, moved by the same amount, another one in each coordinate."""
    by = torch.linspace(0.3, 0.9, scene.g["offset"].shape[1], dtype=DOUBLE).square()
    g = {**scene.g, "offset": scene.g["offset"] + by}
    return replace(scene, g=g).changed(lambda drawn: {**drawn, "real": drawn["real"] + by.reshape(IMAGE)})


def holds_the_slope(case: Case) -> bool:
    """Say whether its critic term looks at the critic's slope alone: on a linear critic, samples are all one to it."""
    if not isinstance(case.part, Constraint) or case.part.critic is None:
        return False
    try:
        scene = linear_critic(case, STEEP)
        return abs(term_value(scene) - term_value(move_samples(scene))) <= TOLERANCE
    except Exception:
        return False  # it needs other samples than these; the rules on its own scene tell what is wrong


@rule(lambda case: bool(case.subject.offer.examples))
def follows_its_examples(case: Case) -> None:
    """Gives the values that its examples quote, on a linear critic D(x) = w.x."""
    for example in case.subject.offer.examples:
        if dict(example.options) != case.subject.options:
            continue
        length, shape = float(example.given["slope"]), tuple(example.given["shape"])
        scene = linear_critic(case, length, shape)
        for player, expected in example.expect.items():
            require(player in PLAYERS, f"an example expects {player!r}. Expect critic or generator, a player's term.")
            require(case.acts(player), f"an example expects a term of the {player}'s loss, and it has none there.")
            got = term_value(scene, player)
            require(
                math.isclose(got, expected, rel_tol=1e-5, abs_tol=1e-5),
                f"on D(x) = w.x with |w| = {length:g} and samples of {'x'.join(map(str, shape))} its {player} term is "
                f"{got:.6g}, and {expected:.6g} by {example.source}. {suspicion(case)}",
            )


def suspicion(case: Case) -> str:
    """Say what makes a wrong number likely, if it can be told."""
    try:
        norm_is_per_sample.check(case)
    except AssertionError as error:
        return str(error)
    return "Look for a factor (1/2), a missing square or root, and a mean in place of a sum over a sample's axes."


@rule(holds_the_slope)
def norm_is_per_sample(case: Case) -> None:
    """Takes the slope's norm per sample, over all axes but the batch's."""
    scene, turned = linear_critic(case, STEEP), linear_critic(case, STEEP, turned=True)
    one, other = term_value(scene), term_value(turned)
    require(
        math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9),
        f"its norm mixes rows or axes: on D(x) = w.x with |w| = {STEEP} and 3x4x4 samples it gives {one:.4g}, and "
        f"{other:.4g} for the same entries of w in another order. Use gradient.flatten(1).square().sum(1).",
    )
    many = term_value(reorder_rows(scene, [0, 1, 2, 3, 0, 1, 2, 3]))
    require(
        math.isclose(one, many, rel_tol=1e-9, abs_tol=1e-9),
        f"its norm mixes rows or axes: the same batch twice over gives {many:.4g} instead of {one:.4g}. Take the norm "
        "of each sample, and then the mean.",
    )


@rule(holds_the_slope)
def ignores_a_constant(case: Case) -> None:
    """Does not see a constant that is added to the critic."""
    one, other = term_value(linear_critic(case, STEEP)), term_value(linear_critic(case, STEEP, constant=5.0))
    require(
        math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9),
        f"a constant of 5 added to the critic changes it from {one:.4g} to {other:.4g}: a slope has none.",
    )


@rule(lambda case: isinstance(case.part, Constraint) and (case.acts("critic") or case.acts("wrap")))
def is_finite_at_a_flat_critic(case: Case) -> None:
    """Is finite, value and gradient, where the critic's slope is zero."""
    shape = IMAGE if holds_the_slope(case) else case.shape
    scene = linear_critic(case, 0.0, shape, constant=0.5).free()
    loss = scene.loss("critic")
    slopes = torch.autograd.grad(loss, list(scene.d.values()), allow_unused=True) if loss.requires_grad else ()
    finite = all(slope is None or bool(slope.isfinite().all()) for slope in slopes)
    require(
        bool(loss.isfinite()) and finite,
        f"on a constant critic the loss is {float(loss.detach()):.3g}{'' if finite else ', its gradient not finite'}: "
        "put 1e-12 under the root of the norm, for a root has no derivative at zero.",
    )


def is_a_mix(scene: SmallGame, name: str) -> bool:
    """Say whether a draw mixes real with fake: it makes no difference where the two are the same."""
    both = scene.changed(lambda drawn: {**drawn, "latent": {n: drawn["real"].flatten(1) for n in drawn["latent"]}})
    change = dict(scene.draws())[name](lambda t: 0.3 + 0.5 * t)
    same = dict(both.draws())[name](lambda t: 0.3 + 0.5 * t)
    return abs(term_value(change) - term_value(scene)) > 1e-12 and abs(term_value(same) - term_value(both)) < 1e-12


@rule(lambda case: isinstance(case.part, Constraint) and case.acts("critic") and bool(case.part.draws))
def mixes_with_one_coefficient_a_sample(case: Case) -> None:
    """Mixes a real with a fake sample by one coefficient, not one for each of its numbers."""
    scene = make_game(case.part, IMAGE, lambda ask: Bowl(math.prod(IMAGE)))
    for name in case.part.draws:
        coefficient = scene.chance["critic"]["draws"]["part"][name]
        require(
            coefficient[0].numel() == 1 or not is_a_mix(scene, name),
            f"the draw {name!r} mixes real and fake samples with {coefficient[0].numel()} coefficients each: draw one, "
            'Draw("uniform", "sample"). For D(x) = |x|^2/2 and 48 normal numbers |x^|^2/48 must scatter by '
            "sqrt(1/24) = .204, and with one coefficient a number by .141.",
        )


@rule(lambda case: isinstance(case.part, Constraint) and case.acts("critic"))
def order_of_rows_does_not_matter(case: Case) -> None:
    """Gives the same whatever the order of the samples in the batch."""
    try:
        scene = make_game(case.part, IMAGE, seed=1)
        before = term_value(scene)
    except Exception:
        scene = case.scene  # it does not go with such images
        before = term_value(scene)
    after = term_value(reorder_rows(scene, [2, 0, 3, 1]))
    require(
        math.isclose(before, after, rel_tol=1e-9, abs_tol=1e-9),
        f"it gives {before:.6g}, and {after:.6g} for the same rows in another order: some axis is taken for the batch. "
        'A draw of shape "sample" is [n, 1, ..] and broadcasts; one of shape (1,) is [n, 1] and does not.',
    )


class Bowl(Slope):
    """D(x) = |x|^2/2: its slope at x is x."""

    def __init__(self, size: int) -> None:
        super().__init__(size, length=1.0)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Give the answers."""
        return {**super().forward(x), "score": self.w.norm() * x.flatten(1).square().sum(1) / 2}


RULES = (
    follows_its_examples,
    norm_is_per_sample,
    ignores_a_constant,
    is_finite_at_a_flat_critic,
    mixes_with_one_coefficient_a_sample,
    order_of_rows_does_not_matter,
)
