"""The relativistic GANs, and R3GAN.

Jolicoeur-Martineau 2018, arXiv:1807.00734; Huang, Gokaslan, Kuleshov, Tompkin 2024, "The GAN is dead; long live the
GAN! A Modern GAN Baseline", arXiv:2501.05441.
"""

from __future__ import annotations

from collections.abc import Iterator

from ganbench import Method, Offer, Use, hookimpl


def build_relativistic(loss: str) -> Method:
    """Build the author's "stable" setting for CIFAR-10, which is DCGAN's with spectral norm in the critic."""
    return Method(
        loss=Use(loss),
        constraints=(Use("spectral-norm"),),
        optimizer=Use("adam", lr=2e-4, beta1=0.5, beta2=0.999),
        critic_norm="layer",
    )


def rsgan() -> Method:
    """Build the game on pairs."""
    return build_relativistic("rpgan")


def rasgan() -> Method:
    """Build the game on averages."""
    return build_relativistic("rasgan")


def r3gan() -> Method:
    """Build the paired loss with both penalties; the numbers are those at the start of the authors' CIFAR-10 runs.

    Their code then lowers gamma and the learning rate tenfold and fourfold over 20 million images, and averages the
    generator.
    """
    return Method(
        loss=Use("rpgan"),
        constraints=(Use("r1", weight=0.05), Use("r2", weight=0.05)),
        optimizer=Use("adam", lr=2e-4, beta1=0.0, beta2=0.9),
    )


@hookimpl
def ganbench_methods() -> Iterator[Offer]:
    yield Offer(
        "rsgan",
        rsgan,
        "The relativistic GAN on pairs of real and fake samples.",
        reference="Jolicoeur-Martineau 2018, arXiv:1807.00734; the author's code for CIFAR-10",
    )
    yield Offer(
        "rasgan",
        rasgan,
        "The relativistic GAN against the other side's average.",
        reference="Jolicoeur-Martineau 2018, arXiv:1807.00734; the author's code for CIFAR-10",
    )
    yield Offer(
        "r3gan",
        r3gan,
        "The paired relativistic loss with zero-centred penalties on real and fake samples.",
        reference="Huang et al. 2024, arXiv:2501.05441, section 2; the authors' code for CIFAR-10",
    )
