"""Penalties on the critic's slope, the norm of its gradient: towards a target, or on its square.

Gulrajani et al. 2017, "Improved Training of Wasserstein GANs", arXiv:1704.00028, equation 3; Mescheder, Geiger, Nowozin
2018, "Which Training Methods for GANs do actually Converge?", arXiv:1801.04406, equation 9; Kodali, Abernethy, Hays,
Kira 2017, "On Convergence and Stability of GANs", arXiv:1705.07215, algorithm 1. The slope is taken per sample, over
all axes of the sample; a norm over other axes is the most common bug in public GAN code.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from ganbench import Constraint, Draw, Example, Offer, Play, Scalar, Spec, hookimpl
from torch import Tensor
from torch.func import grad


def squared_slopes(play: Play, x: Tensor) -> Tensor:
    """Return |grad D(x)|^2 of each sample, [n].

    Row i of the gradient of the summed scores is the gradient of sample i's own score.
    """
    gradient = grad(lambda at: play.critic(at).sum())(x)
    return gradient.flatten(1).square().sum(1)


def build_gradient_penalty(
    target: Scalar = 1.0,
    sides: Literal["two", "one"] = "two",
    centre: Literal["interpolates", "real", "fake"] = "interpolates",
) -> Constraint:
    """Build E (|grad D(x^)| - target)^2; with `sides="one"` slopes below the target cost nothing.

    `centre` says where: at x^ = e x + (1 - e) x~ with one e ~ U[0, 1] per sample, at the real, or at the fake samples.
    """

    def place(play: Play) -> Tensor:
        if centre == "interpolates":
            mix = play.draws["mix"]
            return mix * play.real + (1 - mix) * play.fake
        return play.real if centre == "real" else play.fake

    def penalty(play: Play) -> Tensor:
        norms = (squared_slopes(play, place(play)) + 1e-12).sqrt()  # at zero the square root has no finite derivative
        excess = norms - target
        return (excess.relu() if sides == "one" else excess).square().mean()

    return Constraint(critic=penalty, draws={"mix": Draw("uniform", "sample")} if centre == "interpolates" else {})


def build_r1() -> Constraint:
    """Build 1/2 E|grad D(x)|^2 at real samples.

    The weight of this term is the paper's gamma, which is twice the `reg_param` of the paper's code.
    """
    return Constraint(critic=lambda play: squared_slopes(play, play.real).mean() / 2)


def build_r2() -> Constraint:
    """Build 1/2 E|grad D(x~)|^2 at fake samples; the weight of this term is the paper's gamma."""
    return Constraint(critic=lambda play: squared_slopes(play, play.fake).mean() / 2)


def build_dragan(noise: Literal["uniform", "gaussian"] = "uniform", scale: Scalar = 0.5) -> Constraint:
    """Build E (|grad D(x + delta)| - 1)^2 at real samples x.

    "uniform" is the authors' code: delta = a `scale` s U with one a ~ U[0, 1] per sample, U ~ U[0, 1] per number, which
    is not centred, and the one standard deviation s of all numbers in the batch. "gaussian" is the paper:
    delta ~ N(0, `scale`^2 I); its c is `scale`^2.
    """

    def place(play: Play) -> Tensor:
        if noise == "gaussian":
            return play.real + scale * play.draws["noise"]
        return play.real + play.draws["share"] * scale * play.real.std() * play.draws["noise"]

    def penalty(play: Play) -> Tensor:
        norms = (squared_slopes(play, place(play)) + 1e-12).sqrt()  # at zero the square root has no finite derivative
        return (norms - 1).square().mean()

    draws = {"noise": Draw("normal" if noise == "gaussian" else "uniform", "data")}
    return Constraint(critic=penalty, draws=draws if noise == "gaussian" else {**draws, "share": Draw("uniform")})


def caution(recipe: Any, spec: Spec) -> Iterator[str]:
    """Yield a caution for batch norm in a critic whose slope is penalised per sample."""
    if recipe.critic_norm == "batch" and spec.get("critic_normalised"):
        yield (
            "a penalty on the critic's slope with batch norm in the critic: the slope of one sample then depends on "
            "its whole batch (Gulrajani et al. 2017, section 4). Use critic_norm = 'layer'."
        )


STEEP = {"slope": 1.7, "shape": [3, 4, 4]}
FLAT = {"slope": 0.3, "shape": [3, 4, 4]}


@hookimpl
def ganbench_constraints() -> Iterator[Offer]:
    yield Offer(
        "gradient-penalty",
        build_gradient_penalty,
        "Holds the critic's slope at a target on lines between real and fake samples.",
        reference="Gulrajani et al. 2017, arXiv:1704.00028, equation 3 (one-sided: section 4)",
        formula="E (|grad D(x^)| - t)^2, x^ = e x + (1 - e) x~, e ~ U[0, 1] per sample",
        caution=caution,
        examples=(
            Example(STEEP, {"critic": 0.49}, "(1.7 - 1)^2"),
            Example(STEEP, {"critic": 0.49}, "(1.7 - 1)^2, above the target", options={"sides": "one"}),
            Example(FLAT, {"critic": 0.49}, "(.3 - 1)^2"),
            Example(FLAT, {"critic": 0.0}, "below the target", options={"sides": "one"}),
            Example(STEEP, {"critic": 2.89}, "1.7^2", options={"target": 0.0, "centre": "real"}),
        ),
    )
    yield Offer(
        "r1",
        build_r1,
        "Holds the critic's slope down at real samples.",
        reference="Mescheder et al. 2018, arXiv:1801.04406, equation 9",
        formula="1/2 E|grad D(x)|^2; weight = gamma",
        caution=caution,
        examples=(Example(STEEP, {"critic": 1.445}, "1.7^2 / 2"),),
    )
    yield Offer(
        "r2",
        build_r2,
        "Holds the critic's slope down at fake samples.",
        reference="Mescheder et al. 2018, arXiv:1801.04406, section 4.1",
        formula="1/2 E|grad D(x~)|^2; weight = gamma",
        caution=caution,
        examples=(Example(STEEP, {"critic": 1.445}, "1.7^2 / 2"),),
    )
    yield Offer(
        "dragan",
        build_dragan,
        "Holds the critic's slope at 1 near real samples.",
        reference="Kodali et al. 2017, arXiv:1705.07215, algorithm 1; noise of the authors' code",
        formula="E (|grad D(x + delta)| - 1)^2, delta = a s U / 2, a ~ U[0, 1] per sample, s = std of the batch",
        caution=caution,
        examples=(
            Example(STEEP, {"critic": 0.49}, "(1.7 - 1)^2"),
            Example(STEEP, {"critic": 0.49}, "(1.7 - 1)^2, the paper's noise", options={"noise": "gaussian"}),
        ),
    )
