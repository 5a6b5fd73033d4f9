"""Weight decay of the critic as a term of its loss; unlike AdamW's decay, an adaptive optimizer rescales it.

Gulrajani et al. 2017, arXiv:1704.00028, used 1e-3 in normalised critics of their random architectures (section 5.1).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ganbench import Constraint, Offer, Play, Spec, hookimpl
from torch import Tensor


def decay(play: Play) -> Tensor:
    """Return half the sum of the critic's squared weights, without biases and norm layers (one axis)."""
    squares = [weight.square().sum() for weight in play.critic_parameters.values() if weight.ndim >= 2]
    return sum(squares[1:], squares[0]) / 2


def build() -> Constraint:
    """Build the term; its weight is the decay rate."""
    return Constraint(critic=decay)


BOUNDS = {"weight-clipping", "gradient-penalty", "r1", "r2", "dragan", "spectral-norm", "gradient-normalisation"}
"""The constraints that bound a critic's slope."""


def caution(recipe: Any, spec: Spec) -> Iterator[str]:
    """Yield a caution for weight decay as the only constraint of a Wasserstein critic."""
    if recipe.loss.name == "wasserstein" and not BOUNDS & {part.name for part in recipe.constraints}:
        yield (
            "'weight-decay' in place of clipping does not bound the critic's slope; other constraints on its weights "
            "had the same problems as clipping (Gulrajani et al. 2017, section 3). Add 'gradient-penalty'."
        )


@hookimpl
def ganbench_constraints() -> Iterator[Offer]:
    yield Offer(
        "weight-decay",
        build,
        "Half the squared norm of the critic's weights, added to its loss.",
        reference="Gulrajani et al. 2017, arXiv:1704.00028, section 5.1",
        formula="1/2 sum |W|^2; weight = decay rate",
        caution=caution,
    )
