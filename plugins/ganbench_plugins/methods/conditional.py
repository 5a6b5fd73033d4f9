"""The conditional GAN with an auxiliary classifier.

Odena, Olah, Shlens 2017, arXiv:1610.09585.
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


@hookimpl
def ganbench_methods() -> Iterator[Offer]:
    yield Offer(
        "acgan",
        acgan,
        "A conditional GAN whose critic predicts the label, too; for data with labels.",
        reference="Odena et al. 2017, arXiv:1610.09585, section 3 and appendix A",
    )
