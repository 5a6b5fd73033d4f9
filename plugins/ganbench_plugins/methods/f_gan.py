"""The f-GAN, a method for each divergence.

Nowozin, Cseke, Tomioka 2016, "f-GAN: Training Generative Neural Samplers using Variational Divergence Minimization",
arXiv:1606.00709: both players step at once (algorithm 1), with the Adam of section 4.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ganbench import Method, Offer, Use, hookimpl

DIVERGENCES = {
    "kl": "KL(P || Q)",
    "reverse-kl": "KL(Q || P)",
    "pearson": "Pearson's chi-square",
    "hellinger": "the squared Hellinger distance",
    "js": "the Jensen-Shannon divergence",
}


def build(divergence: str) -> Method:
    """Build the saddle point of one divergence, with batch norm in the critic, as in the paper's DCGANs."""
    return Method(
        loss=Use("f-gan", divergence=divergence),
        dynamics=Use("simultaneous"),
        optimizer=Use("adam", lr=2e-4, beta1=0.5, beta2=0.999),
        critic_norm="batch",
    )


@hookimpl
def ganbench_methods() -> Iterator[Offer]:
    for name, words in DIVERGENCES.items():
        yield Offer(
            f"fgan-{name}",
            partial(build, name),
            f"The f-GAN that minimises {words}.",
            reference="Nowozin et al. 2016, arXiv:1606.00709, equation 6, algorithm 1; the paper's Adam",
        )
