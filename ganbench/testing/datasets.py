"""Contract rules for datasets: their samples repeat from a generator, and are what they declare.

A run asks most of them, of the dataset that it is about to train on: see `runner.calibrate`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from ganbench.api.data import Source
from ganbench.evaluation.extraction import prepare_images
from ganbench.evaluation.lacks import find_lack
from ganbench.testing import augmentation, sequences
from ganbench.testing.offers import build_without_chance
from ganbench.testing.purity import equal_bits, require_no_global_random, require_unchanged
from ganbench.testing.rule import Subject, always, require, rule

SAMPLES = 16
ROWS, ENTRIES = 4096, 2**22
"""The most samples, and the most numbers altogether, that are read at once."""
STREAMED_CHUNKS = 8
"""So many pieces of a streamed set are read, at even distances: the set itself is too large."""
QUICK = 1.0
"""A dataset that builds in fewer seconds is built a second time before a run, and the two are compared."""


@dataclass(frozen=True)
class Case:
    """A dataset under test; `samples` is the number of reference samples that are requested of it."""

    subject: Subject
    samples: int = SAMPLES

    @cached_property
    def built(self) -> tuple[Source, float]:
        """The dataset that the offer builds, and the seconds that it takes."""
        began = perf_counter()
        return build_without_chance(self.subject), perf_counter() - began

    @property
    def source(self) -> Source:
        """The dataset that the offer builds."""
        return self.built[0]

    @property
    def is_set(self) -> bool:
        """Whether it is a set of samples rather than a distribution."""
        return self.source.take is not None

    @property
    def rows(self) -> int:
        """The number of samples that are read at once."""
        return max(SAMPLES, min(ROWS, ENTRIES // math.prod(self.source.shape)))

    def index_chunks(self) -> Iterator[Tensor]:
        """Yield the indices of a set, as many at once as are read at once; of a streamed set, those of some pieces."""
        starts = range(0, self.source.size, self.rows)
        for start in starts[:: max(1, len(starts) // STREAMED_CHUNKS)] if self.source.stream else starts:
            yield torch.arange(start, min(start + self.rows, self.source.size))


def cases(subject: Subject) -> list[Case]:
    """Return the one case of a dataset."""
    return [Case(subject)]


def require_samples(samples: Any, shape: tuple[int, ...], what: str, start: int = 0, bytes_too: bool = True) -> None:
    """Raise ContractError unless these are finite float32 samples of the shape, or bytes with `bytes_too`.

    `what` names their source; `start` is the number of the first of them.
    """
    require(
        isinstance(samples, Tensor),
        f"{what} returns {type(samples).__name__}: return a torch.Tensor (torch.from_numpy turns an array into one).",
    )
    require(
        tuple(samples.shape[1:]) == tuple(shape),
        f"{what} returns samples of {list(samples.shape[1:])}, and `shape` is {shape}: make them equal.",
    )
    require(
        samples.dtype == torch.float32 or (bytes_too and samples.dtype == torch.uint8),
        f"{what} returns {samples.dtype}: samples must be float32{' or uint8' if bytes_too else ''}. "
        + (
            "Use x.float()."
            if samples.is_floating_point()
            else "Return pixels of 0..255 as x.to(torch.uint8): they are scaled to `range`."
            if bytes_too
            else "Pixels of 0..255 are scaled by x.float() / 127.5 - 1."
        ),
    )
    bad = ~samples.isfinite().flatten(1).all(1)
    if bad.any():
        first = int(bad.nonzero()[0])
        value = next(value for value in samples[first].flatten().tolist() if not math.isfinite(value))
        require(
            False,
            f"{what} returns numbers that are not finite: {value} in sample {start + first} "
            f"({int(bad.sum())} of {len(samples)} samples have one). Leave such samples out, or repair them.",
        )


@rule(vital=always)
def is_a_distribution_or_a_set(case: Case) -> None:
    """Is a distribution with `draw`, or a set with `size` and `take`, of samples that have an axis."""
    source = case.source
    require(isinstance(source, Source), f"build returns {source!r}. It must return a Source.")
    sizes = tuple(source.shape)
    require(sizes != (), "`shape` is (): a sample needs an axis. Use shape=(1,), and x.reshape(-1, 1) for the samples.")
    require(
        all(isinstance(size, Integral) and size > 0 for size in sizes),
        f"`shape` is {source.shape}: use whole numbers above 0, the sizes of a sample's axes.",
    )
    require((source.draw is None) == case.is_set, "set either `draw` (a distribution) or `take` and `size` (a set).")
    require(
        case.is_set == (source.size > 0), f"size = {source.size}: a set has a size above 0, a distribution has none."
    )
    require(source.labels is None or source.classes > 0, "it has `labels`, and `classes` is 0: set their number.")
    if source.labels is not None:
        require(case.is_set, "it has `labels` without `take`: only a set has labels.")
    if source.stream:
        require(case.is_set, "stream=True without `take`: only a set is streamed.")
        require(
            bool(source.digest),
            "stream=True and no `digest`: a streamed set is too large to be read for its hash. Set digest to the hash "
            "of its content, such as ganbench.hash_files(path).",
        )


@rule(lambda case: not case.is_set, vital=always)
def draws_only_from_its_generator(case: Case) -> None:
    """Draws float32 samples of its shape: equal ones from equal generators, different ones from different ones."""
    draw = case.source.draw
    assert draw is not None
    with require_no_global_random("draw every number from the argument `generator` of `draw`"):
        first, again, other = (draw(torch.Generator().manual_seed(seed), SAMPLES) for seed in (1, 1, 2))
        many = draw(torch.Generator().manual_seed(3), case.rows)
    require_drawn(first, case, SAMPLES)
    require(equal_bits(first, again), "two equal generators give different samples: draw only from the generator.")
    constant = bool((first == first[0]).all())
    require(
        constant or not equal_bits(first, other),
        "two different generators give the same samples: `draw` does not use its generator.",
    )
    require_drawn(many, case, case.rows)


def require_drawn(samples: Any, case: Case, n: int) -> None:
    """Raise ContractError unless these are n samples as the dataset must draw them."""
    require_samples(samples, case.source.shape, "`draw`", bytes_too=False)
    require(len(samples) == n, f"`draw` returns {len(samples)} samples for n = {n}: return n samples.")


@rule(lambda case: case.is_set, vital=always)
def takes_the_samples_requested(case: Case) -> None:
    """Returns the samples of the indices that it receives, in their order, and the same ones every time."""
    source = case.source
    assert source.take is not None
    for indices in case.index_chunks():
        with require_no_global_random("a set must be the same every time"), require_unchanged("the indices", indices):
            samples = source.take(indices)
        require_samples(samples, source.shape, "`take`", int(indices[0]))
        require(
            len(samples) == len(indices),
            f"`take` returns {len(samples)} samples for {len(indices)} indices: return one for each index.",
        )
    indices = torch.arange(min(case.rows, source.size))
    samples, again, backwards = source.take(indices), source.take(indices), source.take(indices.flip(0))
    require(
        equal_bits(samples, again),
        "`take` returns other samples the second time: a set must be the same every time. An input of the method may "
        "change the samples that the critic sees.",
    )
    require(
        equal_bits(backwards, samples.flip(0)),
        "`take` returns samples in another order: keep the order of the indices.",
    )


@rule(lambda case: case.source.labels is not None and case.is_set, vital=always)
def has_labels_of_its_classes(case: Case) -> None:
    """Returns a label for each index, an integer in [0, classes)."""
    labels_of, classes = case.source.labels, case.source.classes
    assert labels_of is not None
    for indices in case.index_chunks():
        labels = labels_of(indices)
        require(
            isinstance(labels, Tensor) and labels.shape == indices.shape and not labels.is_floating_point(),
            f"`labels` returns {getattr(labels, 'dtype', type(labels).__name__)} {list(getattr(labels, 'shape', []))}: "
            "return one integer for each sample.",
        )
        least, most = int(labels.min()), int(labels.max())
        require(
            least >= 0 and most < classes,
            f"labels run from {least} to {most} of {classes} classes: they must be in [0, classes).",
        )


@rule(vital=always)
def has_one_reference(case: Case) -> None:
    """Returns the same reference samples every time, and at most as many as requested."""
    with require_no_global_random("use a generator of its own with a fixed seed for the reference samples"):
        first, again = (case.source.reference(case.samples) for _ in range(2))
    require_samples(first, case.source.shape, "`reference`")
    require(not first.requires_grad, "`reference` returns samples that require gradients: return x.detach().")
    require(
        0 < len(first) <= case.samples,
        f"`reference` returns {len(first)} samples for n = {case.samples}: return at least 1 and at most n.",
    )
    require(
        equal_bits(first, again), "`reference` returns other samples the second time: fix the seed of its generator."
    )
    if case.source.take is not None:
        taken = case.source.take(torch.arange(1)).dtype
        require(
            first.dtype == taken,
            f"`reference` returns {first.dtype} and `take` {taken}, and only uint8 is scaled to `range`: return the "
            "same type in both.",
        )


@rule(vital=lambda case: case.built[1] < QUICK)
def is_the_same_when_built_again(case: Case) -> None:
    """Has the same samples when it is built again, as another worker builds it."""
    sources = (case.source, build_without_chance(case.subject))
    references = [source.reference(case.samples) for source in sources]
    same = equal_bits(references[0], references[1])
    if case.is_set:
        indices = torch.arange(min(case.rows, case.source.size))
        taken = [source.take(indices) for source in sources if source.take is not None]
        same = same and sources[0].size == sources[1].size and equal_bits(taken[0], taken[-1])
    require(
        same,
        "a second build has other samples, so every worker would train on data of its own: fix the seed of every "
        "generator in `build`.",
    )


@rule(lambda case: bool(case.subject.offer.metrics))
def names_metrics_that_exist(case: Case) -> None:
    """Names only metrics that are installed."""
    for name in case.subject.offer.metrics:
        case.subject.registry.get("metrics", name)


@rule(lambda case: bool(case.subject.offer.metrics))
def has_what_its_metrics_need(case: Case) -> None:
    """Has the extractor and the facts that the metrics it names need."""
    for name in case.subject.offer.metrics:
        metric = case.subject.registry.build("metrics", name)
        lack = find_lack(metric, case.source, case.samples)
        require(not lack, f"it names the metric {name!r}: {lack}. Add it to the Source, or name another metric.")


@rule(lambda case: case.source.extractor is not None)
def extracts_features_sample_by_sample(case: Case) -> None:
    """Has an extractor whose features and logits depend on one sample only, and repeat."""
    extractor = case.source.extractor
    assert extractor is not None
    require(
        bool(extractor.digest),
        "its extractor has no digest: set the hash of its weights, so that scores of two extractors never mix.",
    )
    samples = prepare_images(case.source.reference(SAMPLES), extractor, case.source.range)
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
    has_labels_of_its_classes,
    has_one_reference,
    is_the_same_when_built_again,
    names_metrics_that_exist,
    has_what_its_metrics_need,
    extracts_features_sample_by_sample,
    *sequences.DATASET_RULES,
    *augmentation.RULES,
)
