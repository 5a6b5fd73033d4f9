"""Weight clipping: how the first Wasserstein GAN bounds the critic's slope.

Arjovsky, Chintala, Bottou 2017, "Wasserstein GAN", arXiv:1701.07875, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ganbench import Constraint, Offer, Parameters, Scalar, Spec, hookimpl
from torch import Tensor


def build(bound: Scalar = 0.01) -> Constraint:
    """Build the projection of every parameter of the critic onto [-bound, bound] after the optimizer's step."""
    limit: Any = bound  # torch's type stubs do not accept the union of float and tensor

    def project(parameters: Parameters, progress: Tensor) -> Parameters:
        return {name: weights.clamp(-limit, limit) for name, weights in parameters.items()}

    return Constraint(project=project)


def caution(recipe: Any, spec: Spec) -> Iterator[str]:
    """Yield a caution for momentum in the optimizer of a clipped critic."""
    optimizer = recipe.critic_optimizer
    usual = {"adam": {"beta1": 0.5}, "adamw": {"beta1": 0.5}}.get(optimizer.name, {})
    options = {**usual, **optimizer.options}
    if options.get("beta1", 0) > 0 or options.get("momentum", 0) > 0:
        yield (
            f"'weight-clipping' with momentum ({optimizer.name!r}): training becomes unstable at times (Arjovsky et "
            "al. 2017, section 4). Use 'rmsprop', or beta1 = 0."
        )


@hookimpl
def ganbench_constraints() -> Iterator[Offer]:
    yield Offer(
        "weight-clipping",
        build,
        "Clips every parameter of the critic after each of its steps.",
        reference="Arjovsky et al. 2017, arXiv:1701.07875, algorithm 1, line 7",
        formula="w <- clip(w, -c, c)",
        caution=caution,
    )
