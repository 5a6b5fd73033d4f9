"""Bytes as numbers: the one formula by which uint8 samples become what both networks and all metrics see."""

from __future__ import annotations

import torch
from torch import Tensor

from ganbench.api.data import Source


def scale_bytes(samples: Tensor, source: Source, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return samples in `dtype`: uint8 x as x / 255 * (high - low) + low, by the source's `range`; others as they are.

    So 0 becomes exactly `low`, and for the usual ranges 255 exactly `high`.
    """
    if samples.dtype != torch.uint8:
        return samples.to(dtype)
    low, high = source.range
    return samples.to(dtype).div_(255).mul_(high - low).add_(low)
