"""The gradient that a frozen critic would hand the generator under each loss: its norm, and its variance over batches.

Arjovsky, Bottou 2017, "Towards Principled Methods for Training Generative Adversarial Networks", arXiv:1701.04862,
section 2.2, figures 2 and 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Annotated

import torch
from annotated_types import Ge
from ganbench import Evidence, GanbenchError, Metric, Offer, hookimpl
from torch import Tensor
from torch.func import grad
from torch.nn.functional import softplus

LOSSES = {
    "saturating": lambda fake: -softplus(fake).mean(),
    "non-saturating": lambda fake: softplus(-fake).mean(),
    "wasserstein": lambda fake: -fake.mean(),
}
"""The generator's losses of scores [n]: minimax, the -log D trick, and Wasserstein."""


def differentiate(evidence: Evidence, number: int) -> dict[str, Tensor]:
    """Return the gradient of each loss by the generator's parameters on one batch, in float64, flattened."""
    step, d = evidence.step(number), evidence.critic_parameters

    def read(g: Mapping[str, Tensor], name: str) -> Tensor:
        scores = step.play(g, d).scores_fake
        if scores.ndim != 1:
            raise GanbenchError("the loss of this method reads no scores of single samples. Leave the metric out.")
        value: Tensor = LOSSES[name](scores)  # type: ignore[no-untyped-call]
        return value

    slopes = {name: grad(read)(evidence.generator_parameters, name) for name in LOSSES}
    return {name: torch.cat([part.flatten().double() for part in slope.values()]) for name, slope in slopes.items()}


def measure(evidence: Evidence, batches: int) -> Mapping[str, float]:
    """Return the norm of each loss's mean gradient over batches, and the mean squared distance of a batch's from it."""
    drawn = [differentiate(evidence, number) for number in range(batches)]
    found: dict[str, float] = {}
    for name in LOSSES:
        stacked = torch.stack([slopes[name] for slopes in drawn])
        centre = stacked.mean(0)
        found[f"{name}-gradient"] = float(centre.norm())
        found[f"{name}-gradient-variance"] = float((stacked - centre).square().sum(1).sum() / (batches - 1))
    return found


def build(batches: Annotated[int, Ge(2)] = 16) -> Metric:
    """Build the gradients of three losses at one critic, over `batches` batches of the training's size.

    The critic is the trained one, whatever loss it was trained with: the paper's question is what it would hand on. The
    variance is the unbiased one of the whole gradient vector: the sum of the variances of its entries.
    """
    names = [f"{name}-gradient{ending}" for name in LOSSES for ending in ("", "-variance")]
    return Metric(measure=partial(measure, batches=batches), values=dict.fromkeys(names, "neutral"), needs="networks")


@hookimpl
def ganbench_metrics() -> Iterator[Offer]:
    yield Offer(
        "generator-gradients",
        build,
        "The norm and the variance of the generator's gradient at a frozen critic, under three losses.",
        reference="Arjovsky, Bottou 2017, arXiv:1701.04862, figures 2 and 3, theorems 2.4 and 2.6",
        formula="|E grad_g L(D(G(z)))| and E |grad_g L - E grad_g L|^2 for L = -sp(f), sp(-f), -f",
    )
