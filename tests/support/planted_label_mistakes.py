"""Planted mistakes with labels: networks that ignore them, terms that do not read them, data that mislabels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from ganbench import Input, Metric, Networks, Offer, Source, Space
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from ganbench_plugins.architectures import mlp
from ganbench_plugins.datasets import labelled_ring
from tests.support.planted_mistakes import Planted


def term(mistake: str, message: str, **fields: Any) -> Planted:
    """Return an input with a planted mistake, on a head of as many numbers as there are classes."""
    fields = {"labels": True, "heads": {"classes": lambda classes: classes}} | fields
    return Planted("inputs", Offer(mistake, lambda: Input(**fields), "An input."), message)


def dataset(mistake: str, message: str, **fields: Any) -> Planted:
    def build() -> Source:
        return replace(labelled_ring.build(modes=3, size=60), **fields)

    return Planted("datasets", Offer(mistake, build, "A dataset.", metrics=("modes",)), message)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    return -log_softmax(logits, 1).gather(1, labels.unsqueeze(1)).mean()


def entropy_without_labels(play: Any) -> Tensor:
    return -log_softmax(play.answers_real["classes"], 1).mean()


def entropy_of_the_first_label(play: Any) -> Tensor:
    return cross_entropy(play.answers_real["classes"], play.labels[:1].expand(len(play.labels)))


def entropy_of_a_detached_head(play: Any) -> Tensor:
    return cross_entropy(play.answers_real["classes"].detach(), play.labels)


def entropy_of_each_sample(play: Any) -> Tensor:
    logits = play.answers_real["classes"]
    return -log_softmax(logits, 1).gather(1, play.labels.unsqueeze(1)).squeeze(1)


class TakesLabels(nn.Module):
    """A network that takes labels and ignores them."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, labels: Tensor) -> Any:
        return self.net(x)


class MixesLabels(nn.Module):
    """A critic that scores a sample by the mean of the batch's labels."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, labels: Tensor) -> Any:
        return self.net(x) + labels.to(x.dtype).mean()


def space(mistake: str, message: str, **change: Any) -> Planted:
    """Return a space of perceptrons whose conditional networks are changed."""
    plain = mlp.build_mlp(generator_width=6, critic_width=6, latent=3)

    def networks(spec: Any, ask: Any) -> Networks:
        if not ask.conditional:
            built = plain.networks(spec, ask)
            assert isinstance(built, Networks)
            return built
        built = plain.networks(spec, replace(ask, conditional=""))
        assert isinstance(built, Networks)
        assert built.critic is not None
        made = {
            "generator": TakesLabels(built.generator),
            "critic": TakesLabels(built.critic) if ask.conditional == "both" else built.critic,
            "conditional": True if ask.conditional == "both" else "generator",
        }
        if ask.conditional == "both":
            made |= {name: wrap(built.critic) for name, wrap in change.items()}
        return replace(built, **made)

    return Planted(
        "architectures", Offer(mistake, lambda: Space(sample=plain.sample, networks=networks, size=1), "A."), message
    )


def always_labelled(evidence: Any) -> dict[str, float]:
    return {"share": float((evidence.labels == 0).double().mean())}


LABEL_MISTAKES = (
    term("labels never read", "changes nothing: read play.labels", critic=entropy_without_labels),
    term("the first sample's label", "the label of sample 1 changes nothing", critic=entropy_of_the_first_label),
    term("a detached classifier", "no gradient in the critic's parameters", critic=entropy_of_a_detached_head),
    term("a classifier without a mean", "return one number", critic=entropy_of_each_sample),
    term("a head that nobody reads", "no term reads it", critic=lambda play: 0 * play.scores_real.mean()),
    dataset(
        "labels of the reference out of range", "there are 3 classes", reference_labels=lambda n: torch.full((n,), 3)
    ),
    dataset(
        "labels of the reference as numbers", "return one integer for each", reference_labels=lambda n: torch.zeros(n)
    ),
    dataset(
        "too few labels of the reference",
        "return one integer for each",
        reference_labels=lambda n: torch.zeros(n // 2, dtype=torch.long),
    ),
    space("a generator that ignores labels", "ignores its labels"),
    space("a critic that mixes labels", "depends on the rest of its batch", critic=MixesLabels),
    Planted(
        "metrics",
        Offer("a metric that needs labels", lambda: Metric(measure=always_labelled, values={"share": "neutral"}), "A."),
        "it raised",
    ),
)
