"""What a trained critic says: its losses on training and on held-out data, and the distances that it estimates.

Gulrajani et al. 2017, "Improved Training of Wasserstein GANs", arXiv:1704.00028, section 5.3: the critic's loss on
held-out data shows whether it overfits. Arjovsky et al. 2017, "Wasserstein GAN", arXiv:1701.07875, figures 3 and 4: the
estimates of the Wasserstein and of the Jensen-Shannon distance over a training.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from statistics import fmean
from typing import Annotated, Any

import torch
from annotated_types import Ge
from ganbench import Evidence, Metric, Offer, ProbeStep, hookimpl
from torch.nn.functional import softplus


def list_losses(evidence: Evidence, batches: int, held_out: bool) -> list[tuple[float, float, float]]:
    """Return for each batch the critic's loss without terms, E r - E f, and the Jensen-Shannon estimate."""
    with torch.no_grad():
        return [read_losses(evidence, evidence.step(number, held_out)) for number in range(batches)]


def read_losses(evidence: Evidence, step: ProbeStep) -> tuple[float, float, float]:
    """Return the critic's loss without terms, E r - E f of its scores, and log 2 less half the cross entropy of these.

    The last two are NaN for a loss that reads no scores.
    """
    g, d = evidence.generator_parameters, evidence.critic_parameters
    loss, play = float(step.objective("critic", g, d)), step.play(g, d)
    real, fake = play.scores_real, play.scores_fake
    if real.ndim != 1:
        return loss, math.nan, math.nan
    entropy = float(softplus(-real).mean() + softplus(fake).mean())
    return loss, float(real.mean() - fake.mean()), math.log(2) - entropy / 2


def measure(evidence: Evidence, batches: int) -> Mapping[str, float]:
    """Return the means over these many batches of training data, and over as many of held-out data."""
    found: dict[str, float] = {}
    for ending, held_out in (("", False), ("-held-out", True)):
        columns = zip(*list_losses(evidence, batches, held_out), strict=True)
        for name, column in zip(("critic-loss", "em-estimate", "js-estimate"), columns, strict=True):
            found[name + ending] = fmean(column)
    return found


def build(batches: Annotated[int, Ge(1)] = 16) -> Metric:
    """Build the critic's losses, means over `batches` batches of the training's size.

    `critic-loss` is the loss without its terms. `em-estimate` is E r - E f: of a Wasserstein critic it is the estimate
    of the earth mover's distance, up to the critic's slope. `js-estimate` is log 2 - (E sp(-r) + E sp(f)) / 2, of a
    critic of the cross entropy a lower bound of the Jensen-Shannon divergence; it is at most log 2, and negative for a
    bad critic.
    """
    names = (name + ending for ending in ("", "-held-out") for name in ("critic-loss", "em-estimate", "js-estimate"))
    values: dict[str, Any] = dict.fromkeys(names, "neutral")
    run: Callable[[Evidence], Mapping[str, float]] = partial(measure, batches=batches)
    return Metric(measure=run, values=values, needs="networks")


@hookimpl
def ganbench_metrics() -> Iterator[Offer]:
    yield Offer(
        "critic-losses",
        build,
        "The critic's loss on training and held-out data, without penalties, and the distances that it estimates.",
        reference="Arjovsky et al. 2017, arXiv:1701.07875, figures 3 and 4; Gulrajani et al. 2017, arXiv:1704.00028, "
        "section 5.3",
        formula="EM = E D(x) - E D(G(z)); JS >= log 2 - (E sp(-D(x)) + E sp(D(G(z)))) / 2",
    )
