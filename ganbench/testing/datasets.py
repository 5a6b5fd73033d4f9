"""Contract rules for datasets: their samples repeat from a generator, and are what they declare."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ganbench.api.data import Source
from ganbench.testing.purity import equal_bits, require_no_global_random, require_unchanged
from ganbench.testing.rule import Subject, require, rule

SAMPLES = 16
MOST_SAMPLES = 4096
"""Samples of a large set that are checked at most."""


@dataclass(frozen=True)
class Case:
    """A dataset under test."""

    subject: Subject

    @cached_property
    def source(self) -> Source:
        """The dataset that the offer builds."""
        built: Source = self.subject.build()
        return built

    @property
    def is_set(self) -> bool:
        """Whether it is a set of samples rather than a distribution."""
        return self.source.take is not None


def cases(subject: Subject) -> list[Case]:
    """Return the one case of a dataset."""
    return [Case(subject)]


def require_samples(samples: Tensor, shape: tuple[int, ...], what: str) -> None:
    """Raise ContractError unless these are finite float32 samples of the shape; `what` names their source."""
    require(
        tuple(samples.shape[1:]) == tuple(shape),
        f"{what} returns samples of {list(samples.shape[1:])}, and `shape` is {shape}: make them equal.",
    )
    require(samples.dtype == torch.float32, f"{what} returns {samples.dtype}: samples must be float32.")
    require(bool(samples.isfinite().all()), f"{what} returns numbers that are not finite.")


@rule()
def is_a_distribution_or_a_set(case: Case) -> None:
    """Is a distribution with `draw`, or a set with `size` and `take`."""
    source = case.source
    require(isinstance(source, Source), f"build returns {source!r}. It must return a Source.")
    require((source.draw is None) == case.is_set, "set either `draw` (a distribution) or `take` and `size` (a set).")
    require(
        case.is_set == (source.size > 0), f"size = {source.size}: a set has a size above 0, a distribution has none."
    )
    require(source.labels is None or source.classes > 0, "it has `labels`, and `classes` is 0: set their number.")
    if source.labels is not None:
        require(case.is_set, "it has `labels` without `take`: only a set has labels.")


@rule(lambda case: not case.is_set)
def draws_only_from_its_generator(case: Case) -> None:
    """Draws float32 samples of its shape: equal ones from equal generators, different ones from different ones."""
    draw = case.source.draw
    assert draw is not None
    with require_no_global_random("draw every number from the argument `generator` of `draw`"):
        first, again, other = (draw(torch.Generator().manual_seed(seed), SAMPLES) for seed in (1, 1, 2))
    require_samples(first, case.source.shape, "`draw`")
    require(len(first) == SAMPLES, f"`draw` returns {len(first)} samples for n = {SAMPLES}: return n samples.")
    require(equal_bits(first, again), "two equal generators give different samples: draw only from the generator.")
    constant = bool((first == first[0]).all())
    require(
        constant or not equal_bits(first, other),
        "two different generators give the same samples: `draw` does not use its generator.",
    )


@rule(lambda case: case.is_set)
def takes_the_samples_requested(case: Case) -> None:
    """Returns the samples of the indices that it receives, in their order, and their labels."""
    source = case.source
    assert source.take is not None
    indices = torch.arange(min(source.size, MOST_SAMPLES))
    with require_no_global_random("a set must be the same every time"), require_unchanged("the indices", indices):
        samples = source.take(indices)
        reordered = source.take(torch.tensor([2, 0, source.size - 1]) % source.size)
    require_samples(samples, source.shape, "`take`")
    require(
        len(samples) == len(indices),
        f"`take` returns {len(samples)} samples for {len(indices)} indices: return one for each index.",
    )
    require(
        equal_bits(reordered[0], samples[2 % source.size]) and equal_bits(reordered[1], samples[0]),
        "`take` returns samples in another order: keep the order of the indices.",
    )
    if source.labels is not None:
        labels = source.labels(indices)
        require(
            labels.shape == indices.shape and not labels.is_floating_point(),
            f"`labels` returns {labels.dtype} {list(labels.shape)}: return one integer for each sample.",
        )
        least, most = int(labels.min()), int(labels.max())
        require(
            least >= 0 and most < source.classes,
            f"labels run from {least} to {most} of {source.classes} classes: they must be in [0, classes).",
        )


@rule()
def has_one_reference(case: Case) -> None:
    """Returns the same reference samples every time, and at most as many as requested."""
    with require_no_global_random("use a generator of its own with a fixed seed for the reference samples"):
        first, again = (case.source.reference(SAMPLES) for _ in range(2))
    require_samples(first, case.source.shape, "`reference`")
    require(
        0 < len(first) <= SAMPLES,
        f"`reference` returns {len(first)} samples for n = {SAMPLES}: return at least 1 and at most n.",
    )
    require(
        equal_bits(first, again), "`reference` returns other samples the second time: fix the seed of its generator."
    )


@rule(lambda case: bool(case.subject.offer.metrics))
def names_metrics_that_exist(case: Case) -> None:
    """Names only metrics that are installed."""
    for name in case.subject.offer.metrics:
        case.subject.registry.get("metrics", name)


@rule(lambda case: case.source.extractor is not None)
def extracts_features_sample_by_sample(case: Case) -> None:
    """Has an extractor whose features and logits depend on one sample only, and repeat."""
    extractor = case.source.extractor
    assert extractor is not None
    require(
        bool(extractor.digest),
        "its extractor has no digest: set the hash of its weights, so that scores of two extractors never mix.",
    )
    samples = case.source.reference(SAMPLES)
    with require_no_global_random("an extractor must be a fixed network in evaluation mode"), torch.no_grad():
        answers, again = (extractor.extract(samples) for _ in range(2))
        alone = extractor.extract(samples[:1])
    for name in ("features", "logits"):
        require(name in answers and answers[name].ndim == 2, f"its extractor must return {name!r} [n, d].")
        require(
            equal_bits(answers[name], again[name]), f"its extractor returns other {name} the second time: use eval()."
        )
        gap = float((answers[name][:1] - alone[name]).abs().max())
        require(
            gap < 1e-3,
            f"the {name} of a sample depend on the rest of its batch (by {gap:.2g}): use eval(), no batch statistics.",
        )


RULES = (
    is_a_distribution_or_a_set,
    draws_only_from_its_generator,
    takes_the_samples_requested,
    has_one_reference,
    names_metrics_that_exist,
    extracts_features_sample_by_sample,
)
