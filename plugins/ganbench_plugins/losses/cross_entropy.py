"""The losses of the first GAN: cross-entropy for the critic, and one of two opposing losses for the generator.

Goodfellow et al. 2014, "Generative Adversarial Nets", arXiv:1406.2661; Salimans et al. 2016, arXiv:1606.03498, section
3.4 for smoothed labels. Scores are logits: D = sigmoid(score).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from ganbench import Example, Objective, Offer, Scalar, hookimpl
from torch import Tensor
from torch.nn.functional import softplus


def critic(real: Tensor, fake: Tensor) -> Tensor:
    """Return the cross-entropy of classifying real and fake scores, sp(-r) + sp(f)."""
    return softplus(-real).mean() + softplus(fake).mean()


def saturating(real: Tensor | None, fake: Tensor) -> Tensor:
    """Return the minimax game's generator loss, log(1 - D(G(z))) = -sp(f).

    Its gradient vanishes where the critic is sure of a fake.
    """
    return -softplus(fake).mean()


def non_saturating(real: Tensor | None, fake: Tensor) -> Tensor:
    """Return the -log D trick's generator loss, sp(-f); its gradient is largest where the critic is sure of a fake."""
    return softplus(-fake).mean()


def build_minimax() -> Objective:
    """Build the zero-sum game of Goodfellow et al., equation 1."""
    return Objective(critic, saturating)


def build_non_saturating(real_label: Scalar = 1.0, fake_label: Scalar = 0.0) -> Objective:
    """Build the game with the -log D trick; labels other than 1 and 0 smooth the critic's targets only.

    One-sided smoothing, `real_label=0.9` only, moves the optimal critic to D* = .9 p / (p + q).
    """

    def smoothed(real: Tensor, fake: Tensor) -> Tensor:
        on_real = real_label * softplus(-real) + (1 - real_label) * softplus(real)
        on_fake = fake_label * softplus(-fake) + (1 - fake_label) * softplus(fake)
        return on_real.mean() + on_fake.mean()

    is_plain = all(not isinstance(label, Tensor) for label in (real_label, fake_label))
    return Objective(critic if is_plain and (real_label, fake_label) == (1.0, 0.0) else smoothed, non_saturating)


UNSURE = {"real": [0.0, 0.0], "fake": [0.0]}
SPLIT = {"real": [math.log(3.0)], "fake": [-math.log(3.0)]}


@hookimpl
def ganbench_losses() -> Iterator[Offer]:
    yield Offer(
        "minimax",
        build_minimax,
        "The zero-sum game: the critic minimises cross-entropy, the generator maximises it.",
        reference="Goodfellow et al. 2014, arXiv:1406.2661, equation 1",
        formula="critic E sp(-r) + E sp(f); generator -E sp(f); sp(t) = log(1 + e^t)",
        examples=(
            Example(UNSURE, {"critic": math.log(4.0), "generator": -math.log(2.0)}, "Goodfellow 2014, Theorem 1"),
            Example(SPLIT, {"critic": 2 * math.log(4 / 3), "generator": -math.log(4 / 3)}, "D = 3/4 and 1/4, by hand"),
        ),
    )
    yield Offer(
        "non-saturating",
        build_non_saturating,
        "Cross-entropy for the critic, -log D for the generator; the critic's labels may be smoothed.",
        reference="Goodfellow et al. 2014, arXiv:1406.2661, section 3; Salimans et al. 2016, arXiv:1606.03498",
        formula="critic E[a sp(-r) + (1-a) sp(r)] + E[b sp(-f) + (1-b) sp(f)]; generator E sp(-f); labels a, b = 1, 0",
        examples=(
            Example(UNSURE, {"critic": math.log(4.0), "generator": math.log(2.0)}, "Goodfellow 2014, Theorem 1"),
            Example(SPLIT, {"critic": 2 * math.log(4 / 3), "generator": math.log(4)}, "D = 3/4 and 1/4, by hand"),
            Example(
                SPLIT,
                {"critic": 2 * math.log(4 / 3) + 0.1 * math.log(3.0), "generator": math.log(4)},
                "sp(r) - sp(-r) = r: smoothing adds (1 - a) E r",
                options={"real_label": 0.9},
            ),
        ),
    )
