"""MMD GAN and the Cramer GAN.

Binkowski, Sutherland, Arbel, Gretton 2018, "Demystifying MMD GANs", arXiv:1801.01401, whose code trains both; Bellemare
et al. 2017, "The Cramer Distance as a Solution to Biased Wasserstein Gradients", arXiv:1705.10743, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Iterator

from ganbench import Method, Offer, Use, hookimpl

ADAM = Use("adam", lr=1e-4, beta1=0.5, beta2=0.9)


def mmd_gan() -> Method:
    """Build the rational quadratic kernels plus a linear one, the penalty on the witness, and the code's critic steps.

    Without the code's clipping of gradients, its penalty on all activations, and its learning rate's decay by KID.
    """
    return Method(
        loss=Use("mmd-gan", kernel="rational-quadratic", linear=1.0),
        constraints=(Use("gradient-penalty", weight=1.0),),
        optimizer=ADAM,
        critic_steps={"steps": [[20, 10], ["inf", 5]], "every": [500, 10]},
    )


def cramer_gan() -> Method:
    """Build algorithm 1, whose critic trains on the surrogate; its constants are the paper's defaults."""
    return Method(
        loss=Use("energy-distance", surrogate=True),
        constraints=(Use("gradient-penalty", weight=10.0),),
        optimizer=ADAM,
        critic_steps=5,
    )


@hookimpl
def ganbench_methods() -> Iterator[Offer]:
    yield Offer(
        "mmd-gan",
        mmd_gan,
        "The MMD of learned features, with a penalty on the slope of its witness.",
        reference="Binkowski et al. 2018, arXiv:1801.01401; kernels of the paper, the rest of the authors' code",
    )
    yield Offer(
        "cramer-gan",
        cramer_gan,
        "The energy distance of learned features.",
        reference="Bellemare et al. 2017, arXiv:1705.10743, algorithm 1, and the code of Binkowski et al.",
    )
