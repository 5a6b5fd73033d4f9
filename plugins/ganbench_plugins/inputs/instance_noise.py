"""Instance noise: noise of one distribution is added to every sample that the critic sees, real or fake.

Sonderby et al. 2016, "Amortised MAP Inference for Image Super-resolution", arXiv:1610.04490; Arjovsky, Bottou 2017,
"Towards Principled Methods for Training Generative Adversarial Networks", arXiv:1701.04862, section 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ganbench import Draw, Input, Offer, Scalar, hookimpl
from torch import Tensor


def build(sigma: Scalar = 0.1) -> Input:
    """Build N(0, sigma^2) noise, drawn anew for each step of either player; anneal `sigma` with a schedule."""

    def view(x: Tensor, draws: Mapping[str, Tensor], progress: Tensor) -> Tensor:
        return x + sigma * draws["noise"]

    return Input(view=view, draws={"noise": Draw("normal", "data")})


@hookimpl
def ganbench_inputs() -> Iterator[Offer]:
    yield Offer(
        "instance-noise",
        build,
        "Adds Gaussian noise to whatever the critic sees, real and fake alike.",
        reference="Sonderby et al. 2016, arXiv:1610.04490; Arjovsky, Bottou 2017, arXiv:1701.04862, section 3",
        formula="x + sigma n, n ~ N(0, I)",
    )
