"""The energy-based GAN with its pulling-away term.

Zhao, Mathieu, LeCun 2017, "Energy-based Generative Adversarial Network", arXiv:1609.03126.
"""

from __future__ import annotations

from collections.abc import Iterator

from ganbench import Method, Offer, Use, hookimpl


def build() -> Method:
    """Build EBGAN-PT with the paper's best setting for MNIST; its other margins are for larger images."""
    return Method(
        loss=Use("ebgan", margin=10.0),
        constraints=(Use("pulling-away", weight=0.1),),
        optimizer=Use("adam", lr=1e-3, beta1=0.9, beta2=0.999),
        critic_norm="batch",
    )


@hookimpl
def ganbench_methods() -> Iterator[Offer]:
    yield Offer(
        "ebgan",
        build,
        "The energy-based GAN, whose critic is an autoencoder.",
        reference="Zhao et al. 2017, arXiv:1609.03126, sections 2.3, 2.4 and 4.1: the paper's best for MNIST",
    )
