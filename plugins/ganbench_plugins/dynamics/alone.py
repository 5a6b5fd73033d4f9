"""One player trains alone, and the other stays as it is: a critic against a frozen generator, or the reverse.

Arjovsky, Bottou 2017, "Towards Principled Methods for Training Generative Adversarial Networks", arXiv:1701.04862,
figures 1 and 2, train a critic against generators that are fixed.
"""

from __future__ import annotations

from collections.abc import Iterator

from ganbench import Dynamics, Offer, hookimpl


def critic_alone() -> Dynamics:
    """Build steps of the critic alone; a budget in generator steps counts the rounds of its critic steps."""
    return Dynamics(trains="critic")


def generator_alone() -> Dynamics:
    """Build steps of the generator alone, against the critic as it was drawn."""
    return Dynamics(trains="generator")


@hookimpl
def ganbench_dynamics() -> Iterator[Offer]:
    yield Offer(
        "critic-alone",
        critic_alone,
        "Only the critic steps; the generator keeps its first weights.",
        reference="Arjovsky, Bottou 2017, arXiv:1701.04862, figures 1 and 2",
        formula="d <- d - h grad_d L_D(g, d), and g stays",
    )
    yield Offer(
        "generator-alone",
        generator_alone,
        "Only the generator steps, against the critic's first weights.",
        reference="Arjovsky, Bottou 2017, arXiv:1701.04862, section 2",
        formula="g <- g - h grad_g L_G(g, d), and d stays",
    )
