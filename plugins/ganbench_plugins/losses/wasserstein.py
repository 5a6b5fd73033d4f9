"""The Wasserstein GAN's loss: the difference of the critic's mean scores. A constraint must keep the critic Lipschitz.

Arjovsky, Chintala, Bottou 2017, "Wasserstein GAN", arXiv:1701.07875.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ganbench import Example, Objective, Offer, Spec, hookimpl
from torch import Tensor


def critic(real: Tensor, fake: Tensor) -> Tensor:
    """Return the negated estimate of the Wasserstein distance, E f - E r (equation 2, for a 1-Lipschitz critic)."""
    return fake.mean() - real.mean()


def generator(real: Tensor | None, fake: Tensor) -> Tensor:
    """Return -E f, which moves the generator's samples up the critic's slope."""
    return -fake.mean()


def build() -> Objective:
    """Build the loss; without a constraint on the critic it has no minimum."""
    return Objective(critic, generator)


def caution(recipe: Any, spec: Spec) -> Iterator[str]:
    """Yield a caution for a recipe without a constraint on the critic."""
    if not recipe.constraints:
        yield (
            "'wasserstein' without a constraint: the critic's loss has no minimum, and its value no meaning as a "
            "distance (Arjovsky et al. 2017, section 3). Add 'gradient-penalty', 'weight-clipping' or 'spectral-norm'."
        )


@hookimpl
def ganbench_losses() -> Iterator[Offer]:
    yield Offer(
        "wasserstein",
        build,
        "The difference of the mean scores; needs a Lipschitz constraint on the critic.",
        reference="Arjovsky et al. 2017, arXiv:1701.07875, equation 2 and algorithm 1",
        formula="critic E f - E r; generator -E f",
        safe_range=1e6,
        caution=caution,
        examples=(
            Example(
                {"real": [2.0, 4.0], "fake": [-1.0, 0.0, 4.0]}, {"critic": -2.0, "generator": -1.0}, "means 3 and 1"
            ),
        ),
    )
