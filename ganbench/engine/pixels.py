"""Bytes as numbers: the one formula by which uint8 samples become what both networks and all metrics see."""

from __future__ import annotations

import torch
from torch import Tensor

from ganbench.api.data import Source


def scale_bytes(samples: Tensor, source: Source, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return samples in `dtype`: uint8 x as x / 255 * (high - low) + low, by the source's `range`; others as they are.

    So 0 becomes exactly `low`, and for the usual ranges 255 exactly `high`; and each byte becomes the same number on
    every device.
    """
    if samples.dtype != torch.uint8:
        return samples.to(dtype)
    low, high = source.range
    # a number in Python would let CUDA multiply by its rounded reciprocal, which is not the quotient
    most = torch.full((), 255, dtype=dtype, device=samples.device)
    return samples.to(dtype).div_(most).mul_(high - low).add_(low)
