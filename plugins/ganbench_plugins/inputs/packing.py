"""Packing: the critic judges several samples of one distribution as one input, so that it sees their variety.

Lin, Khetan, Fanti, Oh 2018, "PacGAN: The power of two samples in generative adversarial networks", arXiv:1712.04086.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from annotated_types import Ge
from ganbench import Input, Offer, hookimpl


def build(m: Annotated[int, Ge(2)] = 2) -> Input:
    """Build a critic that sees `m` samples along the channels, all real or all generated; `m` divides the batch size.

    Only its first layer becomes `m` times as wide. A batch of n samples gives n / m scores.
    """
    return Input(pack=m)


@hookimpl
def ganbench_inputs() -> Iterator[Offer]:
    yield Offer(
        "packing",
        build,
        "Shows the critic several samples as one, so that it sees a lack of variety.",
        reference="Lin et al. 2018, arXiv:1712.04086, section 2",
        formula="D(x_1, .., x_m)",
    )
