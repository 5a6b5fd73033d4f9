"""The content of tensors as a hash."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ganbench.api.trials import canonical_json

if TYPE_CHECKING:
    from torch import Tensor


def hash_tensors(tensors: Mapping[str, Tensor], text: str = "") -> str:
    """Return the SHA-256, in hexadecimal, of a text and of all tensors with names, types, shapes and content."""
    import torch

    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(canonical_json([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
