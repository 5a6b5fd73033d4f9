"""Conditional GANs: by an auxiliary classifier, and by a projection.

Odena, Olah, Shlens 2017, arXiv:1610.09585; Miyato, Koyama 2018, arXiv:1802.05637.
"""

from __future__ import annotations

from collections.abc import Iterator

from ganbench import Method, Offer, Use, hookimpl


def acgan() -> Method:
    """Build ACGAN with the paper's Adam for either player; its networks have dropout and noise, which are not here."""
    return Method(
        loss=Use("non-saturating"),
        inputs=(Use("auxiliary-classifier"),),
        optimizer=Use("adam", lr=2e-4, beta1=0.5, beta2=0.999),
        critic_norm="batch",
    )


def projection() -> Method:
    """Build the paper's setting for ImageNet: hinge loss, spectral norm, five critic steps."""
    return Method(
        loss=Use("hinge"),
        constraints=(Use("spectral-norm"),),
        inputs=(Use("class-labels"),),
        optimizer=Use("adam", lr=2e-4, beta1=0.0, beta2=0.9),
        critic_steps=5,
        critic_norm="layer",
    )


@hookimpl
def ganbench_methods() -> Iterator[Offer]:
    yield Offer(
        "acgan",
        acgan,
        "A conditional GAN whose critic predicts the label, too; for data with labels.",
        reference="Odena et al. 2017, arXiv:1610.09585, section 3 and appendix A",
    )
    yield Offer(
        "sngan-projection",
        projection,
        "A conditional GAN whose critic projects on the label's embedding; for data with labels.",
        reference="Miyato, Koyama 2018, arXiv:1802.05637, equation 3 and section 4",
    )
