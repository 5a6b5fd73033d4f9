"""InfoGAN as its authors trained it on handwritten digits.

Chen et al. 2016, arXiv:1606.03657, appendix C.1, and the authors' code.
"""

from __future__ import annotations

from collections.abc import Iterator

from ganbench import Method, Offer, Use, hookimpl


def build() -> Method:
    """Build the MNIST setting of the authors' code: one code of 10 classes, two on [-1, 1], a std of 1, lambda 1.

    Its learning rates are 2e-4 for the critic and 1e-3 for the generator, and its batches have 128 images.
    """
    return Method(
        loss=Use("non-saturating"),
        inputs=(Use("infogan", weight=1.0, categories=10, continuous=2, fixed_std=True),),
        critic_optimizer=Use("adam", lr=2e-4, beta1=0.5, beta2=0.999),
        generator_optimizer=Use("adam", lr=1e-3, beta1=0.5, beta2=0.999),
        critic_norm="batch",
    )


@hookimpl
def ganbench_methods() -> Iterator[Offer]:
    yield Offer(
        "infogan",
        build,
        "A GAN whose codes the critic must recover from the samples.",
        reference="Chen et al. 2016, arXiv:1606.03657, appendix C.1, and the authors' code for MNIST",
    )
