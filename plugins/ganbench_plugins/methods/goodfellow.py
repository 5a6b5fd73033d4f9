"""The first GAN and its usual form, with the settings of DCGAN, which made both work.

Goodfellow et al. 2014, arXiv:1406.2661; Radford, Metz, Chintala 2015, arXiv:1511.06434, section 4; Metz, Poole, Pfau,
Sohl-Dickstein 2016, arXiv:1611.02163.
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


def dcgan() -> Method:
    """Build DCGAN's training, which is that of `ns-gan`: its networks are the architecture `dcgan`, normalised."""
    return ns_gan()


def unrolled_gan() -> Method:
    """Build five unrolled steps with the settings of the authors' demo on a ring of Gaussians.

    There the generator has 10 times the critic's learning rate, and the latent is 256 wide.
    """
    critic = Use("adam", lr=1e-4, beta1=0.5, beta2=0.999)
    generator = Use("adam", lr=1e-3, beta1=0.5, beta2=0.999)
    return Method(
        loss=Use("minimax"),
        dynamics=Use("unrolled", steps=5, lr=1e-4, beta1=0.5, beta2=0.999),
        critic_optimizer=critic,
        generator_optimizer=generator,
        critic_norm="batch",
    )


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
    yield Offer(
        "dcgan",
        dcgan,
        "The GAN that made convolutions work: ns-gan under the name of its networks.",
        reference="Radford et al. 2015, arXiv:1511.06434, section 4",
    )
    yield Offer(
        "unrolled-gan",
        unrolled_gan,
        "The generator plays against the critic of five steps later.",
        reference="Metz et al. 2016, arXiv:1611.02163, equation 9; settings of the authors' demo",
    )
