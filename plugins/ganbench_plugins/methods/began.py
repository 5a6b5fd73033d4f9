"""BEGAN with the paper's settings.

Berthelot, Schumm, Metz 2017, "BEGAN: Boundary Equilibrium Generative Adversarial Networks", arXiv:1703.10717.
"""

from __future__ import annotations

from collections.abc import Iterator

from ganbench import Method, Offer, Use, hookimpl


def build() -> Method:
    """Build BEGAN with the paper's Adam and its learning rate, halved when the measure of convergence stalls.

    The paper does not say when it stalls: 500 generator steps without a minimum of its moving average, to a 20th of
    the learning rate, are ours, and so are the betas, Adam's defaults. The paper's batch of 16 is a setting of the
    suite's budget. Its noise is uniform on [-1, 1]; ours is normal, as for every method.
    """
    return Method(
        loss=Use("began", gamma=0.5, lambda_k=0.001),
        optimizer=Use("adam", lr=1e-4, beta1=0.9, beta2=0.999),
        plateau={"signal": "objective.measure", "factor": 0.5, "patience": 500, "least": 0.05, "smoothing": 0.99},
    )


@hookimpl
def ganbench_methods() -> Iterator[Offer]:
    yield Offer(
        "began",
        build,
        "The boundary equilibrium GAN, whose critic is an autoencoder; its updates are halved when it stalls.",
        reference="Berthelot et al. 2017, arXiv:1703.10717, sections 3.3, 3.4 and 4.1",
    )
