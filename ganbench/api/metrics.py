"""How a trained model is judged: what a metric sees, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from ganbench.api.data import Source
from ganbench.api.models import Networks
from ganbench.api.training import Parameters

if TYPE_CHECKING:
    from torch import Tensor


Direction = Literal["higher", "lower", "neutral"]


class Evidence(Protocol):
    """What a metric sees of one trained model; lazy, like Play.

    `samples`, `reference` [m, *shape]; `source`; `networks` with `generator_parameters`, `critic_parameters`; all on
    the CPU. Reading `features`, `reference_features` or `logits` is a GanbenchError where the dataset has no extractor.
    """

    samples: Tensor
    reference: Tensor
    source: Source
    networks: Networks
    generator_parameters: Parameters
    critic_parameters: Parameters

    @property
    def features(self) -> Tensor:
        """The features [m, d] that the dataset's extractor gives of the samples."""

    @property
    def reference_features(self) -> Tensor:
        """The features [m, d] of the reference samples."""

    @property
    def logits(self) -> Tensor:
        """The logits [m, classes] that the dataset's extractor gives of the samples."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A judgement of one trained model: `measure(evidence)` -> a float for each of `values`, NaN where undefined.

    `values` maps the names to the direction in which they are better. `needs` says whether it is computed from the
    samples, from an extractor's features, or from the networks. `final` metrics are measured at the end only.
    """

    measure: Callable[[Evidence], Mapping[str, float]]
    values: Mapping[str, Direction]
    needs: Literal["samples", "features", "networks"] = "samples"
    final: bool = False
