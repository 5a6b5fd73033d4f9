"""The least-squares GAN as its authors trained it on images of scenes.

Mao et al. 2017, "Least Squares Generative Adversarial Networks", arXiv:1611.04076, section 4.
"""

from __future__ import annotations

from collections.abc import Iterator

from ganbench import Method, Offer, Use, hookimpl


def build() -> Method:
    """Build the game with targets 0 and 1, and Adam with the authors' values for LSUN: lr 1e-3, beta1 .5."""
    optimizer = Use("adam", lr=1e-3, beta1=0.5, beta2=0.999)
    return Method(loss=Use("least-squares", a=0.0, b=1.0, c=1.0), optimizer=optimizer, critic_norm="batch")


@hookimpl
def ganbench_methods() -> Iterator[Offer]:
    yield Offer(
        "lsgan",
        build,
        "Least squares instead of cross-entropy.",
        reference="Mao et al. 2017, arXiv:1611.04076, equation 9 and the authors' code",
    )
