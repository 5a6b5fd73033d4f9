"""DRAGAN: the GAN whose critic is held to a slope of 1 near the data.

Kodali, Abernethy, Hays, Kira 2017, "On Convergence and Stability of GANs", arXiv:1705.07215.
"""

from __future__ import annotations

from collections.abc import Iterator

from ganbench import Method, Offer, Use, hookimpl


def build() -> Method:
    """Build the authors' code: the -log D trick, a penalty of weight 10 and DCGAN's Adam.

    The critic has no batch norm, under which the slope of one sample would depend on its batch.
    """
    return Method(
        loss=Use("non-saturating"),
        constraints=(Use("dragan", weight=10.0),),
        optimizer=Use("adam", lr=2e-4, beta1=0.5, beta2=0.999),
        critic_norm="layer",
    )


@hookimpl
def ganbench_methods() -> Iterator[Offer]:
    yield Offer(
        "dragan",
        build,
        "The GAN with the critic's slope held at 1 near real samples.",
        reference="Kodali et al. 2017, arXiv:1705.07215, algorithm 1; settings of the authors' code",
    )
