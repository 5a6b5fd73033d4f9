"""The real samples that models are compared with, and what is computed from them once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, Literal

import torch
from torch import Tensor

from ganbench.api.data import Extractor, Source
from ganbench.api.metrics import Metric, Moments
from ganbench.api.trials import Measurement, digest
from ganbench.engine.pixels import scale_bytes
from ganbench.engine.standing import BATCHES
from ganbench.errors import GanbenchError, shorten
from ganbench.evaluation import pieces
from ganbench.evaluation.extraction import choose_extractor, extract_in_chunks, identify
from ganbench.evaluation.kept_tensors import load_or_make
from ganbench.evaluation.measuring import Copies
from ganbench.evaluation.memory import halve_until_it_fits
from ganbench.evaluation.moments import RunningMoments
from ganbench.registry.exits import explaining_exits
from ganbench.registry.registry import Registry

KEPT_FORMAT = 1
"""Raised when features or moments of the reference are computed in another way; part of the keys of kept files."""

HELD_FEATURES = 2**28
"""Moments are computed from all features at once if these have at most so many bytes, which metrics may need, too."""


class Reference:
    """The real samples that a dataset's models are compared with: drawn once, shared by all models.

    A dataset that is a finite set may have fewer samples than requested. What the extractor computes of them is
    computed when it is first read, on `device`, and kept in the cache. `normalisation` is how generators are evaluated,
    a part of every measurement.
    """

    def __init__(
        self,
        source: Source,
        samples: int,
        *,
        device: torch.device | None = None,
        normalisation: Literal["batch", "standing"] = "batch",
    ) -> None:
        self.source, self.normalisation = source, normalisation
        self.device = device or torch.device("cpu")
        stored = source.reference(samples).cpu()
        self.stored = stored if stored.dtype == torch.uint8 else stored.float()
        self.copies = Copies()
        self._chunk = 0
        self._prepared: dict[str, dict[str, Tensor]] = {}
        self.stages: dict[tuple[int, ...], Reference] = {}  # those of early stages, by shape (evaluation.stages)

    def __len__(self) -> int:
        return len(self.stored)

    @property
    def samples(self) -> Tensor:
        """The samples [m, *shape] on the CPU in float32; they may be stored as bytes."""
        return scale_bytes(self.stored, self.source)

    @cached_property
    def labels(self) -> Tensor | None:
        """The labels [m] of the samples, integers; None if the dataset has no `reference_labels`.

        Raise GanbenchError if they are not one class for each sample.
        """
        if self.source.reference_labels is None:
            return None
        labels = self.source.reference_labels(len(self)).cpu().long()
        if labels.shape != (len(self),) or bool(((labels < 0) | (labels >= self.source.classes)).any()):
            raise GanbenchError(
                f"the dataset's `reference_labels` are {list(labels.shape)} numbers for {len(self)} samples of "
                f"{self.source.classes} classes: return one integer in [0, classes) for each sample."
            )
        return labels

    @cached_property
    def distance(self) -> float:
        """The mean distance of a pair of reference samples; the distance of a model's samples is divided by it."""
        rows = scale_bytes(self.stored[pieces.choose_spread_rows(len(self))], self.source)
        return pieces.mean_pairwise_distance(rows)

    @cached_property
    def content(self) -> str:
        """The SHA-256 of the samples as they are stored."""
        hashed = hashlib.sha256(self.stored.contiguous().numpy().tobytes())
        if self.stored.dtype == torch.uint8:
            hashed.update(repr(tuple(map(float, self.source.range))).encode())
        return hashed.hexdigest()

    @property
    def identity(self) -> tuple[object, ...]:
        """What a measurement knows of the samples: their number, and the hash of a finite set's.

        The draws of a distribution may differ in the last bit between machines, so theirs is "".
        """
        return len(self), "" if self.source.take is None else self.content

    @property
    def protocol(self) -> tuple[object, ...]:
        """What else a measurement knows of the evaluation: nothing, for batches of the training's size."""
        return () if self.normalisation == "batch" else (self.normalisation, BATCHES)

    @property
    def extractor(self) -> Extractor:
        """The feature extractor; reading it raises GanbenchError if there is none."""
        if self.source.extractor is None:
            raise GanbenchError(
                f"this dataset (samples of shape {tuple(self.source.shape)}) has no feature extractor. "
                "`[measurement] extractor` names one (`ganbench list extractors`); or use metrics of samples only."
            )
        return self.source.extractor

    @property
    def has_extractor(self) -> bool:
        """Whether there is an extractor."""
        return self.source.extractor is not None

    @property
    def extractor_identity(self) -> str:
        """The hash of all that features depend on besides the samples."""
        return identify(self.extractor, self.source.range)

    def extract(self, samples: Tensor) -> dict[str, Tensor]:
        """Return what the extractor computes from samples, on the CPU: "features" [n, d] and "logits" [n, classes].

        Where memory runs out, it is shown fewer samples at a time. Raise MemoryExhausted if a single one is too many.
        """

        def call(chunk: int) -> dict[str, Tensor]:
            fewer = self.extractor if chunk == self.extractor.chunk else replace(self.extractor, chunk=chunk)
            return extract_in_chunks(fewer, samples, self.device, self.source.range)

        chunk = min(self._chunk or self.extractor.chunk, max(1, len(samples)))
        with explaining_exits(f"extractor {self.extractor.name!r}"):
            answers, fitting = halve_until_it_fits(call, chunk, f"extractor {self.extractor.name!r}")
        if fitting < chunk:
            self._chunk = fitting
        return answers

    @cached_property
    def widths(self) -> dict[str, int]:
        """The number of features, and of logits, of one sample."""
        return {name: values.shape[1] for name, values in self.extract(self.stored[:1]).items()}

    @cached_property
    def features(self) -> Tensor:
        """The features [m, d] of the reference samples, in float32."""
        return load_or_make(self._key("features"), lambda: {"features": self._collect("features")})["features"]

    @cached_property
    def moments(self) -> Moments:
        """The moments of the reference's features."""
        kept = load_or_make(self._key("moments"), self._make_moments)
        return Moments(len(self), kept["mean"], kept["covariance"])

    def _make_moments(self) -> Mapping[str, Tensor]:
        if len(self) * self.widths["features"] * 4 > HELD_FEATURES:
            moments: Moments = self._collect("moments")
        else:
            running = RunningMoments()
            for rows in self.features.to(self.device).split(self.extractor.chunk):
                running.add(rows)
            moments = running.finish()
        return {"mean": moments.mean, "covariance": moments.covariance}

    def _collect(self, answer: str) -> Any:
        wanted = pieces.Wanted(answers=frozenset({answer}))
        batches: Iterator[Tensor] = (rows.unsqueeze(0) for rows in self.stored.split(self.extractor.chunk))
        return pieces.collect(batches, len(self), wanted, self, thorough=True)[0][answer]

    def _key(self, *what: object) -> str:
        extractor = [self.extractor.name, self.extractor_identity, self.extractor.chunk] if self.has_extractor else []
        content = [len(self), list(self.source.shape), self.content]
        return digest([KEPT_FORMAT, extractor, content, self.device.type, torch.__version__, *what])

    def prepare(self, metric: Metric, identity: str) -> Mapping[str, Tensor]:
        """Return what a metric's `prepare` returns for this reference, computed once and kept in the cache.

        `identity` is the hash of the metric, its options and its software; "" keeps it for this process only. Raise
        GanbenchError if the metric has no `prepare`, if it returns no tensors by name, or changes what it reads.
        """
        if metric.prepare is None:
            raise GanbenchError("it reads `prepared`, and has no `prepare`: give its Metric one.")
        held = identity or str(id(metric.prepare))
        if held not in self._prepared:
            make = partial(self._call_prepare, metric)
            self._prepared[held] = load_or_make(self._key("prepared", identity), make) if identity else make()
        return self._prepared[held]

    def _call_prepare(self, metric: Metric) -> dict[str, Tensor]:
        assert metric.prepare is not None
        with explaining_exits("`prepare`"), torch.no_grad():
            tensors = metric.prepare(ReferenceEvidence(self))
        if changed := [*self.copies.drop_changed()]:
            raise GanbenchError(f"`prepare` changes `{changed[0]}` in place: compute new tensors.")
        if not isinstance(tensors, Mapping) or not all(isinstance(each, Tensor) for each in tensors.values()):
            raise GanbenchError(f"`prepare` returns {shorten(tensors)}: return a dictionary of tensors by name.")
        return dict(tensors)


def open_reference(
    source: Source, measurement: Measurement, plugins: Registry, device: torch.device | None = None
) -> Reference:
    """Return the reference of a measurement, with the extractor that it names, or with the dataset's own."""
    chosen = choose_extractor(source, measurement.extractor, plugins)
    return Reference(chosen, measurement.samples, device=device, normalisation=measurement.normalisation)


class ReferenceView:
    """What metrics see of the reference, of which every tensor is a copy."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference

    @property
    def reference(self) -> Tensor:
        """The reference samples [m, *shape]."""
        return self._reference.copies.show("reference", self._reference.samples)

    @property
    def reference_labels(self) -> Tensor | None:
        """The labels [m] of the reference samples; None if the dataset does not tell them."""
        labels = self._reference.labels
        return None if labels is None else self._reference.copies.show("reference_labels", labels)

    @property
    def reference_features(self) -> Tensor:
        """The extractor's features [m, d] of the reference samples."""
        return self._reference.copies.show("reference_features", self._reference.features)

    @property
    def reference_moments(self) -> Moments:
        """The moments of these features."""
        return self._reference.copies.show_moments("reference_moments", self._reference.moments)


class ReferenceEvidence(ReferenceView):
    """What `Metric.prepare` sees: the reference, and nothing of a model."""

    def __getattr__(self, name: str) -> Any:
        raise GanbenchError(
            f"`prepare` reads `{name}`, which is not of the reference: it sees `reference`, `reference_labels`, "
            "`reference_features` and `reference_moments`. Read the rest in `measure`."
        )
