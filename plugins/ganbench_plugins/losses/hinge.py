"""The hinge loss: scores beyond a margin of one do not change the critic's loss.

Lim, Ye 2017, "Geometric GAN", arXiv:1705.02894; Tran et al. 2017, arXiv:1702.08896; Miyato et al. 2018,
arXiv:1802.05957, equations 16 and 17.
"""

from __future__ import annotations

from collections.abc import Iterator

from ganbench import Example, Objective, Offer, hookimpl
from torch import Tensor
from torch.nn.functional import relu


def critic(real: Tensor, fake: Tensor) -> Tensor:
    """Return how far real scores are below +1 and fake scores above -1: E relu(1 - r) + E relu(1 + f)."""
    return relu(1 - real).mean() + relu(1 + fake).mean()


def generator(real: Tensor | None, fake: Tensor) -> Tensor:
    """Return the generator's loss, the negated mean score -E f."""
    return -fake.mean()


def build() -> Objective:
    """Build the hinge loss, which has no options."""
    return Objective(critic, generator)


@hookimpl
def ganbench_losses() -> Iterator[Offer]:
    yield Offer(
        "hinge",
        build,
        "A margin of one on either side for the critic, the mean score for the generator.",
        reference="Lim, Ye 2017, arXiv:1705.02894; Miyato et al. 2018, arXiv:1802.05957, equations 16 and 17",
        formula="critic E relu(1 - r) + E relu(1 + f); generator -E f",
        safe_range=1e6,
        examples=(
            Example({"real": [0.0, 0.0], "fake": [0.0]}, {"critic": 2.0, "generator": 0.0}, "2 - 2 TV at p = q"),
            Example(
                {"real": [0.5, 3.0], "fake": [-2.0, 1.0]}, {"critic": 1.25, "generator": 0.5}, "(.5 + 0)/2 + (0 + 2)/2"
            ),
        ),
    )
