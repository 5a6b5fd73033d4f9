"""A critic with a class for each label and one for fakes, whose logit is fixed at 0.

Salimans, Goodfellow, Zaremba, Cheung, Radford, Chen 2016, "Improved Techniques for Training GANs", arXiv:1606.03498,
section 5.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from ganbench import Example, Objective, Offer, hookimpl
from torch.nn.functional import softplus


def build() -> Objective:
    """Build the GAN on D(x) = Z / (Z + 1), Z the sum of exp l_k(x) over the classes k: the -log D trick on log Z.

    With the input 'auxiliary-classifier' with `on="real"`, which shares the head, the critic's loss is the
    cross-entropy of all K + 1 classes: that of the label among K, and that of real against fake.
    """
    return Objective(
        lambda real, fake: softplus(-real).mean() + softplus(fake).mean(),
        lambda real, fake: softplus(-fake).mean(),
        head="classes",
        heads={"classes": lambda classes: classes},
        read=lambda logits, x: torch.logsumexp(logits, 1),
    )


@hookimpl
def ganbench_losses() -> Iterator[Offer]:
    yield Offer(
        "classes-and-fake",
        build,
        "Cross-entropy of real against fake, where real is the sum of all classes.",
        reference="Salimans et al. 2016, arXiv:1606.03498, section 5",
        examples=(
            Example(
                {"real": [[0.0, 0.0]], "fake": [[0.0, 0.0]]},
                {"critic": 1.504077, "generator": 0.405465},
                "Z = 2: log 3/2 + log 3, and log 3/2",
            ),
        ),
        formula="critic sp(-log Z) + sp(log Z~), generator sp(-log Z~), Z = sum_k exp l_k",
    )
