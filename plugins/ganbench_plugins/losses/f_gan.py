"""The f-GAN: the critic bounds an f-divergence from below, and the generator lowers the bound.

Nowozin, Cseke, Tomioka 2016, "f-GAN: Training Generative Neural Samplers using Variational Divergence Minimization",
arXiv:1606.00709. With the output activation g and the conjugate f* of its table 2, the critic's best score is a
function of p / q, and its smallest loss is -D_f(P || Q).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Literal

from ganbench import Example, Objective, Offer, hookimpl
from torch import Tensor
from torch.nn.functional import softplus

Divergence = Literal["kl", "reverse-kl", "pearson", "hellinger", "js"]

# by divergence: g(v), and f*(g(v)) written out, which is finite where g(v) rounds to the edge of the domain of f*
BOUNDS: dict[Divergence, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "kl": (lambda v: v, lambda v: (v - 1).exp()),
    "reverse-kl": (lambda v: -(-v).exp(), lambda v: v - 1),
    "pearson": (lambda v: v, lambda v: v.square() / 4 + v),
    "hellinger": (lambda v: 1 - (-v).exp(), lambda v: v.exp() - 1),
    "js": (lambda v: math.log(2) - softplus(-v), lambda v: softplus(v) - math.log(2)),
}


def build(divergence: Divergence = "kl", trick: bool = False) -> Objective:
    """Build the saddle point of equation 6; with `trick` the generator maximises E g(f) instead (section 3.2).

    `divergence` is D_f(P || Q) of the data P and the generator Q: KL(P || Q), KL(Q || P), Pearson's chi-square
    sum (p - q)^2 / q, the squared Hellinger distance sum (sqrt p - sqrt q)^2, or twice the Jensen-Shannon divergence.
    """
    activation, conjugate = BOUNDS[divergence]

    def critic(real: Tensor, fake: Tensor) -> Tensor:
        return conjugate(fake).mean() - activation(real).mean()

    def generator(real: Tensor | None, fake: Tensor) -> Tensor:
        return -(activation(fake) if trick else conjugate(fake)).mean()

    return Objective(critic, generator)


SPLIT = {"real": [math.log(3.0)], "fake": [-math.log(3.0)]}
STEP = {"real": [2.0], "fake": [-1.0]}


@hookimpl
def ganbench_losses() -> Iterator[Offer]:
    yield Offer(
        "f-gan",
        build,
        "A lower bound of an f-divergence: KL, reverse KL, Pearson, squared Hellinger or Jensen-Shannon.",
        reference="Nowozin et al. 2016, arXiv:1606.00709, equation 6 and table 2; the trick: section 3.2",
        formula=(
            "critic -E g(r) + E f*(g(f)); generator -E f*(g(f)), or -E g(f) by the trick; g(v), f*(g(v)): "
            "kl v, e^(v-1); reverse-kl -e^-v, v-1; pearson v, v^2/4+v; hellinger 1-e^-v, e^v-1; "
            "js log 2-sp(-v), sp(v)-log 2"
        ),
        examples=(
            Example(STEP, {"critic": math.exp(-2) - 2, "generator": -math.exp(-2)}, "g = v, f* = e^(t-1)"),
            Example(STEP, {"generator": 1.0}, "-g(-1)", options={"trick": True}),
            Example(
                SPLIT,
                {"critic": -math.log(3) - 1 + 1 / 3, "generator": math.log(3) + 1},
                "g = -e^-v, f* = -1 - log(-t)",
                options={"divergence": "reverse-kl"},
            ),
            Example(SPLIT, {"generator": 3.0}, "e^log 3", options={"divergence": "reverse-kl", "trick": True}),
            Example(STEP, {"critic": -2.75, "generator": 0.75}, "1/4 - 1 - 2", options={"divergence": "pearson"}),
            Example(
                SPLIT,
                {"critic": -4 / 3, "generator": 2 / 3},
                "f* = t / (1 - t): 1/3 - 1 - (1 - 1/3)",
                options={"divergence": "hellinger"},
            ),
            Example(
                SPLIT,
                {"critic": 2 * math.log(4 / 3) - 2 * math.log(2), "generator": math.log(3 / 2)},
                "the GAN's loss less log 4 (Goodfellow et al. 2014)",
                options={"divergence": "js"},
            ),
            Example(
                SPLIT,
                {"generator": math.log(2)},
                "the -log D trick, less log 2",
                options={"divergence": "js", "trick": True},
            ),
        ),
    )
