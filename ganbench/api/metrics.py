"""How a trained model is scored: what a metric sees, and what it returns."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from ganbench.api.data import Source
from ganbench.api.models import Networks
from ganbench.api.training import Parameters

if TYPE_CHECKING:
    from torch import Tensor


Direction = Literal["higher", "lower", "neutral"]

ACRONYMS = frozenset({"FID", "IS", "JS", "KID", "KL", "MMD", "MMD2", "TV", "W1", "W2"})
"""Words in the names of metric values that papers write in capitals."""


def metric_title(name: str) -> str:
    """Return a metric value's name, or a condition on such values, with the field's acronyms in capitals.

    A word is a run of letters and digits: "fid" becomes "FID", "sliced-w1" becomes "sliced-W1", "is > 4" becomes
    "IS > 4". Every other word stays. The title is for readers only: suites, stored results and keys use the name.
    """
    return re.sub(r"[^\W_]+", lambda word: word[0].upper() if word[0].upper() in ACRONYMS else word[0], name)


class Evidence(Protocol):
    """What a metric sees of one trained model. Like in Play, a field is computed when it is first read.

    `samples` [m, *shape] are generated samples.
    `reference` [m, *shape] are real samples; there may be fewer of them than of `samples`.
    `source` is the dataset.
    `networks` is the architecture; `generator_parameters` and `critic_parameters` are its parameters by name.
    All tensors are on the CPU.
    Reading `features`, `reference_features` or `logits` raises GanbenchError if the dataset has no extractor.
    """

    samples: Tensor
    reference: Tensor
    source: Source
    networks: Networks
    generator_parameters: Parameters
    critic_parameters: Parameters

    @property
    def features(self) -> Tensor:
        """The features [m, d] of the samples, from the dataset's extractor."""

    @property
    def reference_features(self) -> Tensor:
        """The features [m, d] of the reference samples, from the same extractor."""

    @property
    def logits(self) -> Tensor:
        """The logits [m, classes] of the samples, from the dataset's extractor."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric: one or more numbers that score one trained model.

    `measure(evidence)` returns a float for each name in `values`; NaN means that the value is undefined.
    `values` maps each name to the direction that is better: "higher", "lower" or "neutral".
    `needs` is what the metric is computed from: "samples", the "features" of an extractor, or the "networks".
    A metric with `final=True` is measured only at the end of the training.
    """

    measure: Callable[[Evidence], Mapping[str, float]]
    values: Mapping[str, Direction]
    needs: Literal["samples", "features", "networks"] = "samples"
    final: bool = False
