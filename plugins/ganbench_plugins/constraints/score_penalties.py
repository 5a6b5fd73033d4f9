"""Penalties on the critic's scores: their drift from zero, and their distance from averages of the other side.

Karras, Aila, Laine, Lehtinen 2018, "Progressive Growing of GANs", arXiv:1710.10196, appendix A.1; Tseng, Jiang, Liu,
Yang, Yang 2021, "Regularizing Generative Adversarial Networks under Limited Data", arXiv:2104.03310.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import torch
from ganbench import Constraint, Offer, Parameters, Play, Scalar, State, hookimpl
from torch import Tensor


def build_drift() -> Constraint:
    """Build E D(x)^2 at real samples, which keeps a Wasserstein critic's free constant near zero; weight 1e-3."""
    return Constraint(critic=lambda play: play.scores_real.square().mean())


def build_lecam(decay: Scalar = 0.99, sides: Literal["two", "one"] = "two") -> Constraint:
    """Build E (D(x) - F)^2 + E (D(G(z)) - R)^2, with moving averages R and F of the mean scores of real and of fake.

    With `sides="one"`, as in the authors' code, only real scores above F and fake ones below R cost something.

    The averages have this `decay` a critic step; the first one is the first batch's mean. They are the signals
    `lecam.real` and `lecam.fake`. The authors' weights are 1e-4 to 0.3, by the size of the data.
    """

    def init(parameters: Parameters, rng: torch.Generator) -> State:
        return {name: torch.zeros(()) for name in ("real", "fake", "steps")}

    def term(play: Play, state: State) -> tuple[Tensor, State]:
        keep = decay * state["steps"]  # which is 0 before the first batch, and then 1
        real, fake = (
            keep * state[side] + (1 - keep) * scores.detach().mean()
            for side, scores in (("real", play.scores_real), ("fake", play.scores_fake))
        )
        above, below = play.scores_real - fake, real - play.scores_fake
        if sides == "one":
            above, below = above.relu(), below.relu()
        value = above.square().mean() + below.square().mean()
        return value, {"real": real, "fake": fake, "steps": (state["steps"] + 1).clamp(max=1)}

    return Constraint(critic=term, init=init)


def caution(recipe: Any, spec: Any) -> Iterator[str]:
    """Yield a caution for a drift term where the loss already fixes the scores' constant."""
    if recipe.loss.name in ("non-saturating", "minimax", "least-squares", "hinge"):
        yield (
            f"'drift' with the loss {recipe.loss.name!r}: it is for losses that only compare scores, such as "
            "'wasserstein' (Karras et al. 2018, appendix A.1); this one fixes their level by itself."
        )


@hookimpl
def ganbench_constraints() -> Iterator[Offer]:
    yield Offer(
        "drift",
        build_drift,
        "Keeps the critic's scores of real samples near zero.",
        reference="Karras et al. 2018, arXiv:1710.10196, appendix A.1 (weight 1e-3)",
        formula="E D(x)^2",
        caution=caution,
    )
    yield Offer(
        "lecam",
        build_lecam,
        "Draws the critic's scores towards moving averages of the other side, for small datasets.",
        reference="Tseng et al. 2021, arXiv:2104.03310, equations 5 and 6; one-sided: the authors' code",
        formula="E (D(x) - F)^2 + E (D(G(z)) - R)^2, R and F moving averages of E D(x) and E D(G(z))",
    )
