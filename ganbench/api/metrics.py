"""How a trained model is scored: what a metric sees, and what it returns."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ganbench.api.data import Source
from ganbench.api.models import Networks
from ganbench.api.training import Parameters, Play

if TYPE_CHECKING:
    from torch import Tensor


Direction = Literal["higher", "lower", "neutral"]

MOST_POINTS = 100_000
"""The most points of a profile."""

ACRONYMS = frozenset({"FID", "IS", "JS", "KID", "KL", "MMD", "MMD2", "TV", "W1", "W2"})
"""Words in the names of metric values that papers write in capitals."""


def metric_title(name: str) -> str:
    """Return a metric value's name, or a condition on such values, with the field's acronyms in capitals.

    A word is a run of letters and digits: "fid" becomes "FID", "sliced-w1" becomes "sliced-W1", "is > 4" becomes
    "IS > 4". Every other word stays. The title is for readers only: suites, stored results and keys use the name.
    """
    return re.sub(r"[^\W_]+", lambda word: word[0].upper() if word[0].upper() in ACRONYMS else word[0], name)


@dataclass(frozen=True)
class Moments:
    """The number of features, their mean [d] and their covariance [d, d] in float64, which divides by the number - 1.

    The covariance of a single one is NaN.
    """

    count: int
    mean: Tensor
    covariance: Tensor


class ProbeStep(Protocol):
    """The losses of one trained model on one batch, as pure functions of both players' parameters, for probes.

    `g` and `d` are parameters by name, as `Evidence.generator_parameters` and `.critic_parameters`. Everything is
    differentiable in both, twice; the critic is reparametrised and wrapped inside.
    """

    def critic(self, g: Parameters, d: Parameters) -> Tensor:
        """Return the critic's loss with all its terms, a scalar; lazy terms count with their weight on average."""

    def generator(self, g: Parameters, d: Parameters) -> Tensor:
        """Return the generator's loss with all its terms, a scalar."""

    def objective(self, player: str, g: Parameters, d: Parameters) -> Tensor:
        """Return the loss of "critic" or "generator" without any term, a scalar."""

    def play(self, g: Parameters, d: Parameters) -> Play:
        """Return what terms see of this batch: samples, scores, and both players as functions."""


class Evidence(Protocol):
    """What a metric sees of one trained model. Like in Play, a field is computed when it is first read.

    All tensors are on the CPU, and none may be changed in place: the metric is refused.
    Reading features, moments or logits raises GanbenchError if the dataset has no extractor.
    What the metric does not declare as its `needs` can be read too, but is then drawn and extracted once more.
    """

    @property
    def samples(self) -> Tensor:
        """The generated samples [n, *shape]; the first `Metric.images` of them, if that is set."""

    @property
    def reference(self) -> Tensor:
        """The real samples [m, *shape]; there may be fewer of them than of `samples`."""

    @property
    def source(self) -> Source:
        """The dataset that the model was trained on."""

    @property
    def networks(self) -> Networks:
        """The architecture. Its modules hold no trained weights: call `generator` and `critic`."""

    @property
    def generator_parameters(self) -> Parameters:
        """The generator's parameters by name: those of `generator`, averaged if the method averages them."""

    @property
    def critic_parameters(self) -> Parameters:
        """The critic's parameters by name, raw, before any reparametrisation; averaged if the method averages them."""

    def generator(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the samples [n, *shape] for z [n, width] by the generator that `samples` come from.

        z is the noise, `networks.latent` wide, and the codes that inputs add to it. Conditional networks need the
        labels [n]. Raise GanbenchError if the metric does not need "networks".
        """

    def critic(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return what the loss reads for samples x [n, *shape]; differentiable in x.

        It is the complete critic: reparametrised and wrapped by the constraints as at this point of the training, but
        without views such as noise. [n] for most losses; [n, k] for a loss on features; [n / m] if the method shows the
        critic m samples as one. Conditional networks need the labels [n]. Raise GanbenchError if the metric does not
        need "networks", or if the method has no critic.
        """

    def step(self, number: int = 0, held_out: bool = False) -> ProbeStep:
        """Return the losses on batch `number` of this model's probes, drawn as that of a training step.

        Its real samples are training data; with `held_out` they are reference samples. The batches are the same at each
        call and in every snapshot. Raise GanbenchError if the metric does not need "networks", and where no critic is
        stored.
        """

    def first_parameters(self, player: str) -> Parameters:
        """Return the parameters of "generator" or "critic" before the first step, by name, on the CPU.

        They are drawn again from the trial's seed. Raise GanbenchError if the metric does not need "networks", and for
        networks that grow.
        """

    @property
    def features(self) -> Tensor:
        """The features [m, d] of the samples, from the dataset's extractor."""

    @property
    def reference_features(self) -> Tensor:
        """The features [m, d] of the reference samples, from the same extractor."""

    @property
    def logits(self) -> Tensor:
        """The logits [m, classes] of the samples, from the dataset's extractor."""

    @property
    def moments(self) -> Moments:
        """The moments of the samples' features, computed without holding the features."""

    @property
    def reference_moments(self) -> Moments:
        """The moments of the reference samples' features."""

    @property
    def labels(self) -> Tensor | None:
        """The labels [n] by which the samples were generated; None if the generator takes none."""

    @property
    def codes(self) -> Mapping[str, Tensor]:
        """The latent codes of the samples that inputs added, [n, ...] by name; empty if there are none."""

    @property
    def reference_labels(self) -> Tensor | None:
        """The labels [m] of the reference samples; None if the dataset has no `reference_labels`."""

    @property
    def prepared(self) -> Mapping[str, Tensor]:
        """What the metric's `prepare` returned for the reference."""


@dataclass(frozen=True)
class Profile:
    """Numbers along an axis, or on a surface: `values` [n] at the positions `x` [n], and `y` [n] on a surface.

    Positions are finite; a value may be NaN. At most `MOST_POINTS`.
    """

    values: Sequence[float]
    _: KW_ONLY
    x: Sequence[float]
    y: Sequence[float] | None = None


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric: one or more numbers that score one trained model.

    `measure(evidence)` returns a float for each name in `values`; NaN means that the value is undefined. It returns a
    `Profile` for each name in `profiles`.
    `values` maps each name to the direction that is better: "higher", "lower" or "neutral".
    `needs` is what the metric is computed from: "samples"; of an extractor, the "features", their "moments" alone or
    the "logits" alone; or the "networks". Only that is kept of a model's samples.
    `profiles` maps each name to what its positions are, such as "layer" or "x1, x2". Untrained baselines have none.
    A metric with `final=True` is measured only at the end of the training.
    `least_samples` is the fewest samples of a model that the metric can be measured on; a suite with fewer is refused.
    `software` is the library, with its version, that the values depend on, such as "torch-fidelity 0.4.0". Scores by
    another version are of another measurement.
    A metric that needs "samples" sees the first `images` of them; None means all.
    `prepare(evidence)` returns tensors by name that depend on the reference alone; `evidence` has `reference`,
    `reference_labels`, `reference_features` and `reference_moments`, and nothing else. `measure` finds them as
    `evidence.prepared`. They are computed once and kept for all models, and in the cache for later runs.
    """

    measure: Callable[[Evidence], Mapping[str, Any]]
    values: Mapping[str, Direction] = field(default_factory=dict)
    needs: Literal["samples", "features", "networks", "moments", "logits"] = "samples"
    final: bool = False
    least_samples: int = 1
    software: str = ""
    images: int | None = field(default=None, metadata={"since": "0.2"})
    prepare: Callable[[Evidence], Mapping[str, Tensor]] | None = field(default=None, metadata={"since": "0.2"})
    profiles: Mapping[str, str] = field(default_factory=dict, metadata={"since": "0.2"})

    @property
    def on_features(self) -> bool:
        """Whether the metric needs an extractor."""
        return self.needs in ("features", "moments", "logits")
