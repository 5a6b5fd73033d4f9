"""The game of progressive growing: the Wasserstein GAN with a gradient penalty, as its authors trained it.

Karras et al. 2017, "Progressive Growing of GANs for Improved Quality, Stability, and Variation", arXiv:1710.10196.
"""

from __future__ import annotations

from collections.abc import Iterator

from ganbench import Method, Offer, Use, hookimpl


def build() -> Method:
    """Build the loss, the optimizer and the average of appendix A.1; the networks are the architecture `progressive`.

    One critic step, Adam without momentum, a penalty of weight 10 and a drift of 1e-3, and an evaluated average of the
    generator with decay .999 that goes on through the stages.
    """
    return Method(
        loss=Use("wasserstein"),
        constraints=(Use("gradient-penalty", weight=10.0), Use("drift", weight=1e-3)),
        optimizer=Use("adam", lr=1e-3, beta1=0.0, beta2=0.99, eps=1e-8),
        critic_steps=1,
        critic_norm="layer",
        ema=0.999,
    )


@hookimpl
def ganbench_methods() -> Iterator[Offer]:
    yield Offer(
        "progan",
        build,
        "The game of progressive growing: WGAN-GP with a drift penalty and an average.",
        reference="Karras et al. 2017, arXiv:1710.10196, appendix A.1",
    )
