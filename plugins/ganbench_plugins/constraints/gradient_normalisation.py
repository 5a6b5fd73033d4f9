"""Gradient normalisation: the critic is divided by its own slope, so that every point has a slope of at most 1.

Wu, Shuai, Tam, Chiu 2021, "Gradient Normalization for Generative Adversarial Networks", arXiv:2109.02235.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ganbench import Constraint, Offer, Spec, hookimpl
from torch import Tensor
from torch.func import grad


def wrap(critic: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return the critic D / (|grad D| + |D|), [n], whose values lie in (-1, 1)."""

    def normalised(x: Tensor) -> Tensor:
        def total(at: Tensor) -> tuple[Tensor, Tensor]:
            scores = critic(at)
            return scores.sum(), scores

        gradient, scores = grad(total, has_aux=True)(x)
        # at zero the square root has no finite derivative
        slopes = (gradient.flatten(1).square().sum(1) + 1e-12).sqrt()
        normalised: Tensor = scores / (slopes + scores.abs())
        return normalised

    return normalised


def build() -> Constraint:
    """Build the wrapped critic; it costs a derivative in every call, and a second one in training."""
    return Constraint(wrap=wrap)


def caution(recipe: Any, spec: Spec) -> Iterator[str]:
    """Yield a caution for batch norm in a critic that is divided by its slope per sample."""
    if recipe.critic_norm == "batch" and spec.get("critic_normalised"):
        yield (
            "'gradient-normalisation' with batch norm in the critic: the slope of one sample then depends on its whole "
            "batch (Wu et al. 2021 use no normalisation there). Use critic_norm = 'layer'."
        )


@hookimpl
def ganbench_constraints() -> Iterator[Offer]:
    yield Offer(
        "gradient-normalisation",
        build,
        "Divides the critic by its own slope at each point, and bounds its scores by 1.",
        reference="Wu et al. 2021, arXiv:2109.02235, equation 9",
        formula="D(x) / (|grad D(x)| + |D(x)|)",
        caution=caution,
    )
