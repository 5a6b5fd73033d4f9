"""Path length regularisation of the generator: equal steps of the latent shall move the sample equally far.

Karras, Laine, Aittala, Hellsten, Lehtinen, Aila 2020, "Analyzing and Improving the Image Quality of StyleGAN",
arXiv:1912.04958, equation 4 and appendix B.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from ganbench import Constraint, Draw, Offer, Parameters, Play, Scalar, State, hookimpl
from torch import Tensor
from torch.func import grad


def build(decay: Scalar = 0.01) -> Constraint:
    """Build E (|J' y| - a)^2, J the generator's Jacobian at the latent, y ~ N(0, I) a random image.

    As in the authors' code y is divided by the root of the number of pixels, so lengths do not depend on the size of
    the image; data without pixels are not divided. a is a moving average of the lengths, which goes `decay` of the way
    to the batch's mean: the signal `path-length.mean`. Lazy: every fourth update of the generator; the authors' weight
    is 2. The latent is the generator's whole input, where the authors take the intermediate one of their mapping.
    """

    def init(parameters: Parameters, rng: torch.Generator) -> State:
        return {"mean": torch.zeros(())}

    def term(play: Play, state: State) -> tuple[Tensor, State]:
        y = play.draws["y"]
        y = y / math.sqrt(math.prod(y.shape[2:]))
        gradient = grad(lambda z: (play.generator(z) * y).sum())(play.latent)
        # at zero the square root has no finite derivative
        lengths = (gradient.square().sum(1) + 1e-12).sqrt()
        mean = state["mean"] + decay * (lengths.detach().mean() - state["mean"])
        return (lengths - mean).square().mean(), {"mean": mean}

    return Constraint(generator=term, init=init, draws={"y": Draw("normal", "data")}, every=4)


@hookimpl
def ganbench_constraints() -> Iterator[Offer]:
    yield Offer(
        "path-length",
        build,
        "Holds the generator's path lengths near their moving average, every fourth step.",
        reference="Karras et al. 2020, arXiv:1912.04958, equation 4; scale, decay and period of the authors' code",
        formula="E (|J' y| - a)^2, y ~ N(0, I) / sqrt(pixels), a <- a + .01 (mean |J' y| - a)",
    )
