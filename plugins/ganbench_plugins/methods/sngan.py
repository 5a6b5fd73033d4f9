"""The spectrally normalised GAN with the hinge loss.

Miyato et al. 2018, "Spectral Normalization for Generative Adversarial Networks", arXiv:1802.05957.
"""

from __future__ import annotations

from collections.abc import Iterator

from ganbench import Method, Offer, Use, hookimpl


def build() -> Method:
    """Build the authors' ResNet setting; batch norm in the critic would undo the bound on its slope."""
    return Method(
        loss=Use("hinge"),
        constraints=(Use("spectral-norm"),),
        optimizer=Use("adam", lr=2e-4, beta1=0.0, beta2=0.9),
        critic_steps=5,
        critic_norm="layer",
    )


@hookimpl
def ganbench_methods() -> Iterator[Offer]:
    yield Offer(
        "hinge-sn",
        build,
        "The hinge loss under spectral normalisation.",
        reference="Miyato et al. 2018, arXiv:1802.05957, equations 16, 17; the authors' settings for CIFAR-10",
    )
