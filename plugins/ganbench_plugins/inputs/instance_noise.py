"""Instance noise: the critic never sees a sample, real or fake, without noise of the same law.

Sonderby et al. 2016, "Amortised MAP Inference for Image Super-resolution", arXiv:1610.04490; Arjovsky, Bottou 2017,
"Towards Principled Methods for Training Generative Adversarial Networks", arXiv:1701.04862, section 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ganbench import Draw, Input, Offer, Scalar, hookimpl
from torch import Tensor


def build(sigma: Scalar = 0.1) -> Input:
    """Make N(0, sigma^2) noise, fresh at each step and in both players' steps; anneal `sigma` by a schedule."""

    def view(x: Tensor, draws: Mapping[str, Tensor], progress: Tensor) -> Tensor:
        return x + sigma * draws["noise"]

    return Input(view=view, draws={"noise": Draw("normal", "data")})


@hookimpl
def ganbench_inputs() -> Iterator[Offer]:
    """Offer `instance-noise`."""
    yield Offer(
        "instance-noise",
        build,
        "Adds Gaussian noise to whatever the critic sees, real and fake alike.",
        reference="Sonderby et al. 2016, arXiv:1610.04490; Arjovsky, Bottou 2017, arXiv:1701.04862, section 3",
        formula="x + sigma n, n ~ N(0, I)",
    )
