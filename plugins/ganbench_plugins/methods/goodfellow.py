"""The first GAN and its usual form, with the settings of DCGAN, which made both work.

Goodfellow et al. 2014, arXiv:1406.2661; Radford, Metz, Chintala 2015, arXiv:1511.06434, section 4.
"""

from __future__ import annotations

from collections.abc import Iterator

from ganbench import Method, Offer, Use, hookimpl

DCGAN_ADAM = Use("adam", lr=2e-4, beta1=0.5, beta2=0.999)


def gan() -> Method:
    """Build the zero-sum game with DCGAN's settings; the first paper gives no learning rate of use today."""
    return Method(loss=Use("minimax"), optimizer=DCGAN_ADAM, critic_norm="batch")


def ns_gan() -> Method:
    """Build the game with the -log D trick: the GAN in the random-architecture experiment of Gulrajani et al."""
    return Method(loss=Use("non-saturating"), optimizer=DCGAN_ADAM, critic_norm="batch")


@hookimpl
def ganbench_methods() -> Iterator[Offer]:
    yield Offer(
        "gan",
        gan,
        "The zero-sum GAN, with DCGAN's Adam.",
        reference="Goodfellow et al. 2014, arXiv:1406.2661, equation 1; Radford et al. 2015, arXiv:1511.06434",
    )
    yield Offer(
        "ns-gan",
        ns_gan,
        "The GAN with the -log D trick and DCGAN's Adam.",
        reference="Goodfellow et al. 2014, arXiv:1406.2661, section 3; Radford et al. 2015, arXiv:1511.06434",
    )
