"""The reference of an early stage of a growing network: the real samples at its own size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ganbench.api.data import Extractor
from ganbench.api.models import Networks
from ganbench.engine.pixels import scale_bytes
from ganbench.errors import GanbenchError
from ganbench.evaluation.pieces import PIECE
from ganbench.evaluation.reference import Reference

Shape = tuple[int, ...]


class StageReference(Reference):
    """The samples of a reference as they are at the end of an early stage, where they have this `shape`.

    An extractor sees samples enlarged to the dataset's shape, each pixel to a square. The shape is part of every
    measurement, so scores of different sizes never mix.
    """

    def __init__(self, whole: Reference, networks: Networks, shape: Shape) -> None:
        extractor = whole.source.extractor
        source = replace(
            whole.source,
            shape=shape,
            reference=lambda n: fit_to_stage(networks, whole, n),
            extractor=None if extractor is None else enlarge_for(extractor, shape, whole.source.shape),
        )
        super().__init__(source, len(whole), device=whole.device, normalisation=whole.normalisation)

    @property
    def identity(self) -> tuple[object, ...]:
        """What a measurement knows of the samples: also their shape."""
        return (*super().identity, list(self.source.shape))


def open_stage(reference: Reference, networks: Networks) -> Reference:
    """Return the reference for models of the stage of these networks: the same one where samples have its shape."""
    if networks.prepare is None or isinstance(reference, StageReference):
        return reference
    shape = tuple(fit_to_stage(networks, reference, 1).shape[1:])
    if shape == tuple(reference.source.shape):
        return reference
    if shape not in reference.stages:
        reference.stages[shape] = StageReference(reference, networks, shape)
    return reference.stages[shape]


@torch.no_grad()
def fit_to_stage(networks: Networks, reference: Reference, count: int) -> Tensor:
    """Return `count` samples of a reference as they are at the end of a stage, in float32."""
    assert networks.prepare is not None
    rows = reference.stored[:count].split(PIECE)
    return torch.cat([networks.prepare(scale_bytes(piece, reference.source), torch.ones(())) for piece in rows])


def enlarge_for(extractor: Extractor, shape: Shape, full: Shape) -> Extractor:
    """Return an extractor of samples of this shape that sees them enlarged to the `full` shape, by whole numbers."""
    fits = len(shape) == len(full) >= 2 and not any(large % small for small, large in zip(shape, full, strict=True))

    def extract(samples: Tensor) -> Mapping[str, Tensor]:
        if not fits:
            raise GanbenchError(
                f"extractor {extractor.name!r} sees samples {list(full)}, and those of this stage are {list(shape)}: "
                "only images whose sides divide the dataset's can be enlarged. Use metrics on samples."
            )
        return extractor.extract(interpolate(samples, size=full[1:]))

    return replace(extractor, extract=extract, digest=f"{extractor.digest} of {list(shape)} as {list(full)}")
