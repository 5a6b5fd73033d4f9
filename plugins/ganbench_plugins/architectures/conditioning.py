"""Networks that take labels, where a method asks for them: one-hot labels beside the noise, a projection in the critic.

Mirza, Osindero 2014, "Conditional Generative Adversarial Nets", arXiv:1411.1784; Miyato, Koyama 2018, "cGANs with
Projection Discriminator", arXiv:1802.05637, equation 3.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from ganbench import Ask, GanbenchError
from torch import Tensor, nn


class LabelledGenerator(nn.Module):
    """A generator whose last codes are the one-hot label of each sample."""

    def __init__(self, net: nn.Module, classes: int) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("one_hot", torch.eye(classes))
        self.one_hot: Tensor

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """Return the samples [n, *shape] for z [n, width] and labels [n]."""
        samples: Tensor = self.net(torch.cat([z, self.one_hot[labels]], 1))
        return samples


def refuse_labels_in_autoencoder(ask: Ask) -> None:
    """Raise GanbenchError if a critic that reconstructs shall take labels: only scores have a projection."""
    if ask.conditional == "both":
        raise GanbenchError(
            "this loss reads the critic's reconstruction, which takes no labels. Give 'class-labels' networks = "
            "'generator', or choose another loss."
        )


def with_label_codes(ask: Ask) -> Ask:
    """Return what is asked of the network inside a labelled generator: as many further codes as there are classes."""
    return replace(ask, latent=ask.latent + ask.classes) if ask.conditional else ask


def label(generator: nn.Module, ask: Ask) -> nn.Module:
    """Return the generator as it is, or one that takes labels if the method asks for it."""
    return LabelledGenerator(generator, ask.classes) if ask.conditional else generator


def find_conditional(ask: Ask) -> bool | Literal["generator"]:
    """Return the networks that take labels, as `Networks.conditional` has it."""
    return "generator" if ask.conditional == "generator" else ask.conditional == "both"


def project(scores: Tensor, by_class: Tensor, labels: Tensor | None) -> Tensor:
    """Return the scores [n] plus each sample's entry for its label in the projections [n, classes]."""
    assert labels is not None
    return scores + by_class.gather(1, labels.unsqueeze(1)).squeeze(1)
