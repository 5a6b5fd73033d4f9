"""PacGAN as its authors trained it on the ring and on the grid of Gaussians, with 2, 3 or 4 samples in a pack.

Lin et al. 2018, arXiv:1712.04086, section 4.1, and the authors' code.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ganbench import Method, Offer, Use, hookimpl

SIZES = {2: "two", 3: "three", 4: "four"}


def build(m: int) -> Method:
    """Build the non-saturating GAN on packs, with the authors' Adam for both mixtures: lr 1e-4, beta1 .8."""
    return Method(
        loss=Use("non-saturating"),
        inputs=(Use("packing", m=m),),
        optimizer=Use("adam", lr=1e-4, beta1=0.8, beta2=0.999),
    )


@hookimpl
def ganbench_methods() -> Iterator[Offer]:
    for m, words in SIZES.items():
        yield Offer(
            f"pacgan-{m}",
            partial(build, m),
            f"The GAN whose critic judges {words} samples as one.",
            reference="Lin et al. 2018, arXiv:1712.04086, section 4.1, and the authors' code",
        )
