"""The Wasserstein GAN, with the critic's weights clipped and with its slope penalised.

Arjovsky, Chintala, Bottou 2017, arXiv:1701.07875, algorithm 1; Gulrajani et al. 2017, arXiv:1704.00028, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ganbench import Method, Offer, Use, hookimpl


def wgan() -> Method:
    """Build weight clipping with the authors' critic steps: 100 in the first 25 and every 500th step, else 5."""
    return Method(
        loss=Use("wasserstein"),
        constraints=(Use("weight-clipping", bound=0.01),),
        optimizer=Use("rmsprop", lr=5e-5),
        critic_steps={"steps": [[25, 100], ["inf", 5]], "every": [500, 100]},
        critic_norm="batch",
    )


def wgan_gp() -> Method:
    """Build the gradient penalty with layer norm; with batch norm it would penalise the slope of a whole batch."""
    return Method(
        loss=Use("wasserstein"),
        constraints=(Use("gradient-penalty", weight=10.0),),
        optimizer=Use("adam", lr=1e-4, beta1=0.0, beta2=0.9),
        critic_steps=5,
        critic_norm="layer",
    )


def one_sided(weight: float) -> Method:
    """Build WGAN-GP with a penalty on slopes above 1 alone."""
    return replace(wgan_gp(), constraints=(Use("gradient-penalty", weight=weight, sides="one"),))


def wgan_gp_one_sided() -> Method:
    """Build the variant that Gulrajani et al. mention: all is WGAN-GP's, but slopes below 1 cost nothing."""
    return one_sided(10.0)


def wgan_lp() -> Method:
    """Build the Lipschitz penalty, the same term with the weight 5 of its authors' toys; all else is WGAN-GP's."""
    return one_sided(5.0)


@hookimpl
def ganbench_methods() -> Iterator[Offer]:
    yield Offer(
        "wgan",
        wgan,
        "The Wasserstein GAN with clipped weights and RMSProp.",
        reference="Arjovsky et al. 2017, arXiv:1701.07875, algorithm 1; critic steps of the authors' code",
    )
    yield Offer(
        "wgan-gp",
        wgan_gp,
        "The Wasserstein GAN with a gradient penalty.",
        reference="Gulrajani et al. 2017, arXiv:1704.00028, algorithm 1",
    )
    yield Offer(
        "wgan-gp-one-sided",
        wgan_gp_one_sided,
        "WGAN-GP that leaves slopes below 1 alone.",
        reference="Gulrajani et al. 2017, arXiv:1704.00028, section 4",
    )
    yield Offer(
        "wgan-lp",
        wgan_lp,
        "The Wasserstein GAN with a one-sided penalty, derived from optimal transport.",
        reference="Petzka, Fischer, Lukovnikov 2018, arXiv:1709.08894, equation 8",
    )
