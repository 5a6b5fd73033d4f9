"""Labels: networks that take them, and a classifier on the critic's trunk.

Miyato, Koyama 2018, "cGANs with Projection Discriminator", arXiv:1802.05637; Odena, Olah, Shlens 2017, "Conditional
Image Synthesis with Auxiliary Classifier GANs", arXiv:1610.09585; Salimans et al. 2016, "Improved Techniques for
Training GANs", arXiv:1606.03498, section 5.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from ganbench import Input, Offer, Play, hookimpl
from torch import Tensor
from torch.nn.functional import log_softmax

HEAD = "classes"
"""The critic's answer [n, classes]; the loss 'classes-and-fake' reads it too."""


def build_labels(networks: Literal["both", "generator"] = "both") -> Input:
    """Build networks that take labels; the architecture says how, such as by a projection in the critic."""
    return Input(conditional=networks)


def cross_entropy(logits: Tensor, play: Play) -> Tensor:
    """Return the mean of -log P(label)."""
    assert play.labels is not None
    return -log_softmax(logits, 1).gather(1, play.labels.unsqueeze(1)).mean()


def build_classifier(on: Literal["both", "real"] = "both") -> Input:
    """Build a classifier of labels on the critic's trunk, a head [n, classes], whose cross-entropy is added.

    With `on="both"` the generator takes labels, and both players minimise the cross-entropy: the critic at real and at
    generated samples, the generator at its own (ACGAN). With `on="real"` no network takes labels, and the critic alone
    learns them, at real samples.
    """
    if on == "real":
        return Input(
            heads={HEAD: lambda classes: classes},
            labels=True,
            critic=lambda play: cross_entropy(play.answers_real[HEAD], play),
        )

    def critic(play: Play) -> Tensor:
        return cross_entropy(play.answers_real[HEAD], play) + cross_entropy(play.answers_fake[HEAD], play)

    return Input(
        heads={HEAD: lambda classes: classes},
        labels=True,
        conditional="generator",
        critic=critic,
        generator=lambda play: cross_entropy(play.answers_fake[HEAD], play),
    )


@hookimpl
def ganbench_inputs() -> Iterator[Offer]:
    yield Offer(
        "class-labels",
        build_labels,
        "Gives labels to both networks, or to the generator alone.",
        reference="Mirza, Osindero 2014, arXiv:1411.1784; Miyato, Koyama 2018, arXiv:1802.05637, equation 3",
        formula="G(z, y), D(x, y) = psi(h(x)) + v_y . h(x)",
    )
    yield Offer(
        "auxiliary-classifier",
        build_classifier,
        "Makes the critic predict the label, and the generator make samples of theirs.",
        reference="Odena et al. 2017, arXiv:1610.09585, equations 2 and 3",
        formula="critic + CE(C(x), y) + CE(C(G(z, y)), y), generator + CE(C(G(z, y)), y)",
    )
