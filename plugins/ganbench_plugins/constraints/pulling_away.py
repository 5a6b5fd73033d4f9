"""The pulling-away term: it keeps the features of generated samples from pointing the same way.

Zhao, Mathieu, LeCun 2017, "Energy-based Generative Adversarial Network", arXiv:1609.03126, section 2.4.
"""

from __future__ import annotations

from collections.abc import Iterator

from ganbench import Constraint, GanbenchError, Offer, Play, hookimpl
from torch import Tensor
from torch.nn.functional import normalize


def pulling_away(play: Play) -> Tensor:
    """Return the mean of cos^2 over pairs i != j of the critic's features [n, k] of generated samples."""
    if "features" not in play.answers_fake:
        raise GanbenchError(
            f"'pulling-away' reads the critic's answer 'features', but this architecture's critic returns only "
            f"{', '.join(sorted(play.answers_fake))}. Choose an autoencoder, or a loss that reads features."
        )
    directions = normalize(play.answers_fake["features"].flatten(1), dim=1)
    squares, n = (directions @ directions.T).square(), len(directions)
    if n < 2:
        raise GanbenchError("batch_size = 1: 'pulling-away' compares pairs of samples. Use 2 samples or more.")
    return (squares.sum() - squares.diagonal().sum()) / (n * (n - 1))


def build() -> Constraint:
    """Build the term in the generator's loss, which the paper weighs by .1."""
    return Constraint(generator=pulling_away)


@hookimpl
def ganbench_constraints() -> Iterator[Offer]:
    yield Offer(
        "pulling-away",
        build,
        "Keeps the critic's features of generated samples apart, against mode collapse.",
        reference="Zhao et al. 2017, arXiv:1609.03126, section 2.4",
        formula="generator: mean over i != j of (h_i . h_j / |h_i| |h_j|)^2",
    )
