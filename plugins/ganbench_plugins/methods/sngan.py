"""The spectrally normalised GANs, with and without labels.

Miyato et al. 2018, "Spectral Normalization for Generative Adversarial Networks", arXiv:1802.05957;
Miyato, Koyama 2018, "cGANs with Projection Discriminator", arXiv:1802.05637.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ganbench import Method, Offer, Use, hookimpl


def sngan() -> Method:
    """Build the authors' standard network setting D: the -log D trick, DCGAN's Adam and five critic steps."""
    return Method(
        loss=Use("non-saturating"),
        constraints=(Use("spectral-norm"),),
        optimizer=Use("adam", lr=2e-4, beta1=0.5, beta2=0.999),
        critic_steps=5,
        critic_norm="layer",
    )


def build() -> Method:
    """Build the authors' ResNet setting; batch norm in the critic would undo the bound on its slope."""
    return Method(
        loss=Use("hinge"),
        constraints=(Use("spectral-norm"),),
        optimizer=Use("adam", lr=2e-4, beta1=0.0, beta2=0.9),
        critic_steps=5,
        critic_norm="layer",
    )


def projection() -> Method:
    """Build the conditional GAN of Miyato and Koyama for ImageNet: the same setting with labels for both networks."""
    return replace(build(), inputs=(Use("class-labels"),))


@hookimpl
def ganbench_methods() -> Iterator[Offer]:
    yield Offer(
        "sngan",
        sngan,
        "The GAN with the -log D trick under spectral normalisation.",
        reference="Miyato et al. 2018, arXiv:1802.05957, table 1, setting D, for their plain convolutional networks",
    )
    yield Offer(
        "hinge-sn",
        build,
        "The hinge loss under spectral normalisation.",
        reference="Miyato et al. 2018, arXiv:1802.05957, equations 16, 17; the authors' settings for CIFAR-10",
    )
    yield Offer(
        "sngan-projection",
        projection,
        "A conditional GAN whose critic projects on the label's embedding; for data with labels.",
        reference="Miyato, Koyama 2018, arXiv:1802.05637, equation 3 and section 4",
    )
