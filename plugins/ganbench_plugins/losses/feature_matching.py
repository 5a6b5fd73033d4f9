"""Feature matching: the generator matches the mean of the critic's features instead of fooling the critic.

Salimans et al. 2016, "Improved Techniques for Training GANs", arXiv:1606.03498, section 3.1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from ganbench import Example, Objective, Offer, hookimpl
from torch import Tensor
from torch.nn.functional import softplus


def score(features: Tensor) -> Tensor:
    """Return (h_1 - h_2 + h_3 - ...) / sqrt k of features [n, k]: the critic's last layer, with fixed weights.

    The loss reads one answer of the critic. Where the layer before is trained, fixed weights lose nothing:
    w relu(a) = +-relu(|w| a).
    """
    return (features[:, ::2].sum(1) - features[:, 1::2].sum(1)) / math.sqrt(features.shape[1])


def critic(real: Tensor, fake: Tensor) -> Tensor:
    """Return the cross-entropy of the scores, sp(-r) + sp(f), which the critic minimises in the usual way."""
    return softplus(-score(real)).mean() + softplus(score(fake)).mean()


def generator(real: Tensor, fake: Tensor) -> Tensor:
    """Return |E h(x) - E h(G(z))|^2 of features [n, k]."""
    return (real.mean(0) - fake.mean(0)).square().sum()


def build() -> Objective:
    """Build the game on the critic's features, which a penalty sees as their score."""
    return Objective(critic, generator, head="features", witness=lambda seen, real, fake: score(seen), paired=True)


# scores log 3 and -log 3, means (1, 1 - log 3) and (1, 1 + log 3) of two features, times sqrt 2
LOG = math.log(3.0) * math.sqrt(2.0)


@hookimpl
def ganbench_losses() -> Iterator[Offer]:
    yield Offer(
        "feature-matching",
        build,
        "Cross-entropy for the critic; the generator matches the mean of the critic's features.",
        reference="Salimans et al. 2016, arXiv:1606.03498, section 3.1",
        formula="critic E sp(-r) + E sp(f), r = (h_1 - h_2 + ...) / sqrt k; generator |E h(x) - E h(G)|^2",
        examples=(
            Example(
                {"real": [[1.0, 1.0 - LOG]], "fake": [[1.0, 1.0 + LOG]]},
                {"critic": 2 * math.log(4 / 3), "generator": 8 * math.log(3) ** 2},
                "D = 3/4 and 1/4; the means differ by 2 sqrt 2 log 3",
            ),
            Example(
                {"real": [[0.0, 4.0], [2.0, 0.0]], "fake": [[1.0, 2.0]]},
                {"generator": 0.0},
                "equal means, whatever the spread",
            ),
        ),
    )
