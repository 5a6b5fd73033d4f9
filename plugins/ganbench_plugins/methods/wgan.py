"""The Wasserstein GAN, with the critic's weights clipped and with its slope penalised.

Arjovsky, Chintala, Bottou 2017, arXiv:1701.07875, algorithm 1; Gulrajani et al. 2017, arXiv:1704.00028, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Iterator

from ganbench import Method, Offer, Use, hookimpl


def wgan() -> Method:
    """Make weight clipping with the critic steps of the authors' code: 100 at the start and at every 500th step."""
    return Method(
        loss=Use("wasserstein"),
        constraints=(Use("weight-clipping", bound=0.01),),
        optimizer=Use("rmsprop", lr=5e-5),
        critic_steps={"steps": [[25, 100], ["inf", 5]], "every": [500, 100]},
        critic_norm="batch",
    )


def wgan_gp() -> Method:
    """Make the gradient penalty; batch norm would make it a penalty on a whole batch's slope, so layer norm it is."""
    return Method(
        loss=Use("wasserstein"),
        constraints=(Use("gradient-penalty", weight=10.0),),
        optimizer=Use("adam", lr=1e-4, beta1=0.0, beta2=0.9),
        critic_steps=5,
        critic_norm="layer",
    )


@hookimpl
def ganbench_methods() -> Iterator[Offer]:
    """Offer `wgan` and `wgan-gp`."""
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
