"""The rules for datasets: they repeat from a generator, and hand out what they say."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ganbench.api.data import Source
from ganbench.testing.purity import equal_bits, require_no_global_random, require_unchanged
from ganbench.testing.rule import Subject, require, rule

ROWS = 16
HELD = 4096
"""Of a large set no more rows than these are looked at."""


@dataclass(frozen=True)
class Case:
    """A dataset under test."""

    subject: Subject

    @cached_property
    def source(self) -> Source:
        """The dataset."""
        built: Source = self.subject.build()
        return built

    @property
    def is_set(self) -> bool:
        """Whether it is a set of rows, and no law."""
        return self.source.take is not None


def cases(subject: Subject) -> list[Case]:
    """Give the one case of a dataset."""
    return [Case(subject)]


def require_samples(rows: Tensor, shape: tuple[int, ...], what: str) -> None:
    """Raise ContractError unless these are finite float32 samples of the shape."""
    require(
        tuple(rows.shape[1:]) == tuple(shape), f"{what} gives rows of {list(rows.shape[1:])}, and `shape` is {shape}."
    )
    require(rows.dtype == torch.float32, f"{what} gives {rows.dtype}: samples are float32.")
    require(bool(rows.isfinite().all()), f"{what} gives numbers that are not finite.")


@rule()
def is_a_law_or_a_set(case: Case) -> None:
    """Is a law with `draw`, or a set with `size` and `take`."""
    source = case.source
    require(isinstance(source, Source), f"build gives {source!r}. It must give a Source.")
    require((source.draw is None) == case.is_set, "give either `draw` (a law) or `take` and `size` (a set).")
    require(case.is_set == (source.size > 0), f"size = {source.size}: a set has a size above 0, a law has none.")
    require(source.labels is None or source.classes > 0, "it has `labels`, and `classes` is 0: say how many there are.")
    if source.labels is not None:
        require(case.is_set, "labels belong to rows of a set; a law has none.")


@rule(lambda case: not case.is_set)
def draws_from_its_generator_alone(case: Case) -> None:
    """Draws float32 samples of its shape, the same ones from equal generators, other ones from another."""
    draw = case.source.draw
    assert draw is not None
    with require_no_global_random("draw every number from the generator that `draw` is given"):
        one, again, other = (draw(torch.Generator().manual_seed(seed), ROWS) for seed in (1, 1, 2))
    require_samples(one, case.source.shape, "`draw`")
    require(len(one) == ROWS, f"asked for {ROWS} samples, `draw` gives {len(one)}.")
    require(equal_bits(one, again), "two equal generators give different samples: draw from the generator alone.")
    constant = bool((one == one[0]).all())
    require(
        constant or not equal_bits(one, other),
        "two generators give the same samples: `draw` does not use its generator.",
    )


@rule(lambda case: case.is_set)
def takes_the_rows_asked_for(case: Case) -> None:
    """Gives the rows of the indices it is handed, in their order, and their labels."""
    source = case.source
    assert source.take is not None
    indices = torch.arange(min(source.size, HELD))
    with require_no_global_random("a set is the same every time"), require_unchanged("the indices", indices):
        rows = source.take(indices)
        some = source.take(torch.tensor([2, 0, source.size - 1]) % source.size)
    require_samples(rows, source.shape, "`take`")
    require(len(rows) == len(indices), f"asked for {len(indices)} rows, `take` gives {len(rows)}.")
    require(
        equal_bits(some[0], rows[2 % source.size]) and equal_bits(some[1], rows[0]),
        "`take` gives rows in another order.",
    )
    if source.labels is not None:
        labels = source.labels(indices)
        require(
            labels.shape == indices.shape and not labels.is_floating_point(), "`labels` gives one integer for a row."
        )
        least, most = int(labels.min()), int(labels.max())
        require(least >= 0 and most < source.classes, f"labels run from {least} to {most} of {source.classes} classes.")


@rule()
def has_one_reference(case: Case) -> None:
    """Compares with the same reference samples every time, at most as many as asked for."""
    with require_no_global_random("the reference sample needs a generator of its own, with a fixed seed"):
        one, again = (case.source.reference(ROWS) for _ in range(2))
    require_samples(one, case.source.shape, "`reference`")
    require(0 < len(one) <= ROWS, f"asked for {ROWS} reference samples, it gives {len(one)}.")
    require(equal_bits(one, again), "`reference` gives other samples the second time: fix the seed of its generator.")


@rule(lambda case: bool(case.subject.offer.metrics))
def names_metrics_that_exist(case: Case) -> None:
    """Is judged by metrics that are installed."""
    for name in case.subject.offer.metrics:
        case.subject.registry.get("metrics", name)


@rule(lambda case: case.source.extractor is not None)
def extracts_features_row_by_row(case: Case) -> None:
    """Looks through an extractor that gives features and logits of each sample alone, the same every time."""
    extractor = case.source.extractor
    assert extractor is not None
    require(bool(extractor.digest), "its extractor has no digest: the hash of its weights, so that scores never mix.")
    rows = case.source.reference(ROWS)
    with require_no_global_random("an extractor is a fixed network in evaluation mode"), torch.no_grad():
        whole, again = (extractor.extract(rows) for _ in range(2))
        first = extractor.extract(rows[:1])
    for name in ("features", "logits"):
        require(name in whole and whole[name].ndim == 2, f"its extractor must give {name!r} [n, d].")
        require(equal_bits(whole[name], again[name]), f"its extractor gives other {name} the second time: use eval().")
        gap = float((whole[name][:1] - first[name]).abs().max())
        require(
            gap < 1e-3,
            f"the {name} of a sample hang on its neighbours (by {gap:.2g}): use eval(), no batch statistics.",
        )


RULES = (
    is_a_law_or_a_set,
    draws_from_its_generator_alone,
    takes_the_rows_asked_for,
    has_one_reference,
    names_metrics_that_exist,
    extracts_features_row_by_row,
)
