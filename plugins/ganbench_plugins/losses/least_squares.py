"""The least-squares GAN's loss: scores are regressed on targets instead of being squashed by a sigmoid.

Mao et al. 2017, "Least Squares Generative Adversarial Networks", arXiv:1611.04076.
"""

from __future__ import annotations

from collections.abc import Iterator

from ganbench import Example, Objective, Offer, Scalar, hookimpl
from torch import Tensor


def build(a: Scalar = 0.0, b: Scalar = 1.0, c: Scalar = 1.0) -> Objective:
    """Build the loss with target `a` for fake scores, `b` for real ones, and `c` for the generator (equation 2).

    The default is the paper's equation 9. (-1, 1, 0) satisfies b - c = 1 and b - a = 2; then the generator minimises a
    Pearson chi-square divergence (section 3.2.2).
    """

    def critic(real: Tensor, fake: Tensor) -> Tensor:
        return ((real - b).square().mean() + (fake - a).square().mean()) / 2

    def generator(real: Tensor | None, fake: Tensor) -> Tensor:
        return (fake - c).square().mean() / 2

    return Objective(critic, generator)


SCORES = {"real": [0.5, 1.5], "fake": [1.0, -2.0]}


@hookimpl
def ganbench_losses() -> Iterator[Offer]:
    yield Offer(
        "least-squares",
        build,
        "Regression of the scores on a target for real and another for fake.",
        reference="Mao et al. 2017, arXiv:1611.04076, equations 2 and 9",
        formula="critic E (r - b)^2 / 2 + E (f - a)^2 / 2; generator E (f - c)^2 / 2",
        safe_range=1e4,
        examples=(
            Example(SCORES, {"critic": 1.375, "generator": 2.25}, "(.25 + .25)/4 + (1 + 4)/4 and (0 + 9)/4"),
            Example(
                SCORES,
                {"critic": 1.375, "generator": 1.25},
                "(.25 + .25)/4 + (4 + 1)/4 and (1 + 4)/4",
                options={"a": -1.0, "b": 1.0, "c": 0.0},
            ),
        ),
    )
