"""DRAGAN: the critic's slope is held at 1 in a neighbourhood of the real samples.

Kodali, Abernethy, Hays, Kira 2017, "On Convergence and Stability of GANs", arXiv:1705.07215, algorithm 1, and the
authors' code.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from ganbench import Constraint, Draw, Example, Offer, Play, Scalar, hookimpl
from torch import Tensor

from ganbench_plugins.constraints.gradient_penalties import STEEP, caution, squared_slopes


def build(noise: Literal["uniform", "gaussian"] = "uniform", scale: Scalar = 0.5) -> Constraint:
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


@hookimpl
def ganbench_constraints() -> Iterator[Offer]:
    yield Offer(
        "dragan",
        build,
        "Holds the critic's slope at 1 near real samples.",
        reference="Kodali et al. 2017, arXiv:1705.07215, algorithm 1; noise of the authors' code",
        formula="E (|grad D(x + delta)| - 1)^2, delta = a s U / 2, a ~ U[0, 1] per sample, s = std of the batch",
        caution=caution,
        examples=(
            Example(STEEP, {"critic": 0.49}, "(1.7 - 1)^2"),
            Example(STEEP, {"critic": 0.49}, "(1.7 - 1)^2, the paper's noise", options={"noise": "gaussian"}),
        ),
    )
