"""The Sinkhorn loss: entropic optimal transport between two batches, less that within each of them.

Genevay, Peyre, Cuturi 2018, "Learning Generative Models with Sinkhorn Divergences", arXiv:1706.00292. POT solves the
transport.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt
from ganbench import Example, Objective, Offer, Spec, hookimpl
from torch import Tensor


def flatten_sample(answer: Any, x: Tensor) -> Tensor:
    """Return the samples as rows; there is no critic."""
    return x.flatten(1)


def build(
    epsilon: Annotated[float, Gt(0.0)] = 1.0,
    iterations: Annotated[int, Ge(1)] = 10,
    on: Literal["samples", "features"] = "samples",
) -> Objective:
    """Build the loss with the cost |x - y|^2; it is differentiated through the iterations, as in algorithm 1.

    `epsilon` weighs the entropy: towards 0 the loss is twice the transport cost W_2^2, towards infinity an MMD with the
    kernel -|x - y|^2. With `on="samples"` there is no critic: write `critic_steps = 0`. With `on="features"` the cost
    is of the critic's features, which the critic spreads apart (section 3); a constraint must bound them.
    """
    import ot

    def transport(x: Tensor, y: Tensor) -> Tensor:
        costs = (x.unsqueeze(1) - y.unsqueeze(0)).square().sum(2)
        weights = (costs.new_full((len(rows),), 1 / len(rows)) for rows in (x, y))
        # a threshold of zero: always the same number of iterations
        cost: Tensor = ot.sinkhorn2(
            *weights, costs, epsilon, method="sinkhorn_log", numItermax=iterations, stopThr=0.0, warn=False
        )
        return cost

    def loss(real: Tensor, fake: Tensor) -> Tensor:
        return 2 * transport(real, fake) - transport(real, real) - transport(fake, fake)

    critic_free = {"head": None, "read": flatten_sample} if on == "samples" else {"head": "features"}
    return Objective(lambda real, fake: -loss(real, fake), loss, paired=True, **critic_free)


def caution(recipe: Any, spec: Spec) -> Iterator[str]:
    """Yield a caution for a learned cost without a constraint on the critic's features."""
    if recipe.loss.options.get("on") == "features" and not recipe.constraints:
        yield (
            "'sinkhorn' on features without a constraint: the critic can scale its features up without end, and its "
            "loss has no minimum (Genevay et al. 2018, algorithm 1, clips the weights). Add 'weight-clipping'."
        )


@hookimpl
def ganbench_losses() -> Iterator[Offer]:
    yield Offer(
        "sinkhorn",
        build,
        "Entropic optimal transport between the batches; needs no critic, or trains one for the cost.",
        reference="Genevay et al. 2018, arXiv:1706.00292, section 3 and algorithm 1",
        formula="generator 2 W(x, y) - W(x, x) - W(y, y), W = sum P |x - y|^2, P after Sinkhorn's iterations",
        stackable=False,
        caution=caution,
        examples=(
            Example(
                {"real": [[0.0], [2.0]], "fake": [[1.0], [1.0]]},
                {"critic": 4 / (1 + math.e) - 2, "generator": 2 - 4 / (1 + math.e)},
                "2 - 4 s(-4 / e) - 0 for epsilon = 4",
                options={"epsilon": 4.0, "on": "features"},
            ),
        ),
    )
