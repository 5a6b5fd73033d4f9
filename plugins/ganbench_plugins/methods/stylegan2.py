"""The training of StyleGAN2, without its networks.

Karras, Laine, Aittala, Hellsten, Lehtinen, Aila 2020, arXiv:1912.04958, and the authors' code, configuration F.
"""

from __future__ import annotations

from collections.abc import Iterator

from ganbench import Method, Offer, Use, hookimpl

HALF_LIFE = 10_000 / 32
"""The half-life of the average of the generator's weights in generator steps: 10,000 images in batches of 32."""


def build() -> Method:
    """Build the -log D trick with lazy R1 (gamma 10, every 16) and lazy path lengths (weight 2, every 4).

    Adam has the authors' 2e-3, 0, .99. They correct it for steps of the lazy terms alone; here a lazy term is a part of
    the player's step, so nothing is to correct. The learning rate is for networks with equalised layers.
    """
    return Method(
        loss=Use("non-saturating"),
        constraints=(Use("r1", weight=10.0, every=16), Use("path-length", weight=2.0, every=4)),
        optimizer=Use("adam", lr=2e-3, beta1=0.0, beta2=0.99),
        critic_norm="layer",
        ema=0.5 ** (1 / HALF_LIFE),
    )


@hookimpl
def ganbench_methods() -> Iterator[Offer]:
    yield Offer(
        "stylegan2",
        build,
        "The -log D trick with lazy R1, lazy path lengths and an average of the generator.",
        reference="Karras et al. 2020, arXiv:1912.04958, section 3 and appendix B; settings of the authors' code",
    )
