"""Contract rules for sequences: samples that are read as text, and generators that make soft characters."""

from __future__ import annotations

from typing import Protocol

import torch

from ganbench.api.data import Source
from ganbench.testing.architecture_case import Case as ArchitectureCase
from ganbench.testing.architecture_case import make_inputs
from ganbench.testing.purity import require_no_global_random
from ganbench.testing.rule import require, rule

NEAR_ONE = 1e-4
"""How far a sum of probabilities in float32 may be from 1."""


class DatasetCase(Protocol):
    """A dataset under test, and the number of reference samples that are requested of it."""

    @property
    def source(self) -> Source:
        """The dataset."""

    @property
    def samples(self) -> int:
        """The number of reference samples."""


@rule(lambda case: case.source.text is not None)
def reads_its_samples_as_text(case: DatasetCase) -> None:
    """Reads each sample as one string, the same one every time, and different samples as different strings."""
    text, samples = case.source.text, case.source.reference(case.samples)
    assert text is not None
    with require_no_global_random("read text without chance"):
        texts, again = text(samples), text(samples)
    require(
        isinstance(texts, list) and len(texts) == len(samples) and all(isinstance(each, str) for each in texts),
        f"`text` returns {texts!r:.80} for {len(samples)} samples: return a list with one string for each.",
    )
    require(texts == again, "`text` returns other strings the second time: the same sample has the same text.")
    different = len(samples.unique(dim=0))
    require(
        len(set(texts)) == different,
        f"`text` returns {len(set(texts))} different strings for {different} different samples: read each sample.",
    )


@rule(lambda case: case.source.text is not None and len(case.source.shape) == 2)
def has_one_character_at_each_position(case: DatasetCase) -> None:
    """Has discrete sequences [V, length]: one 1 at each position, and 0 for all other characters."""
    samples = case.source.reference(case.samples)
    one = (samples == 1).sum(1) == 1
    require(
        bool((one & ((samples != 0).sum(1) == 1)).all()),
        f"its samples [V, length] = {list(case.source.shape)} are read as text, and are not one-hot: at each position, "
        "exactly one of the V numbers is 1 and all others are 0.",
    )


@rule(lambda case: len(case.ask.shape) == 2)
def makes_probabilities_at_each_position(case: ArchitectureCase) -> None:
    """Makes sequences whose numbers, if all are in [0, 1], sum to 1 over the characters of each position (softmax)."""
    for spec, networks in case.build_all():
        z, labels = make_inputs(networks, case.ask)
        with torch.no_grad():
            fake = networks.generator(z, *labels)
        if bool(((fake >= 0) & (fake <= 1)).all()):
            gap = float((fake.sum(1) - 1).abs().max())
            require(
                gap < NEAR_ONE,
                f"the generator makes numbers in [0, 1], and over the {fake.shape[1]} characters of a position they "
                f"do not sum to 1 (off by {gap:.2g}, {dict(spec)}): use a softmax over axis 1 of [n, V, length].",
            )


DATASET_RULES = (reads_its_samples_as_text, has_one_character_at_each_position)
ARCHITECTURE_RULES = (makes_probabilities_at_each_position,)
