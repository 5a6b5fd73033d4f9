"""Files in the IDX format of MNIST: a magic number, the sizes of the axes, and bytes; with gzip or without."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import torch
from ganbench import GanbenchError
from torch import Tensor

BYTES = 0x08
"""The code of unsigned bytes in the magic number."""


def read_idx(file: Path, axes: int) -> Tensor:
    """Return the bytes of an IDX file as a tensor of that many axes; its name ends in .gz if it is compressed.

    Raise GanbenchError for a file that is damaged, truncated, too long or of another kind.
    """
    try:
        content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise GanbenchError(f"{file}: it cannot be read ({error}). Get the file again.") from None
    head = 4 + 4 * axes
    magic = bytes((0, 0, BYTES, axes))
    if content[:4] != magic:
        kind = {1: "labels", 3: "images"}.get(axes, f"{axes} axes")
        raise GanbenchError(
            f"{file}: it begins with {content[:4].hex() or 'nothing'}, and an IDX file of {kind} with {magic.hex()}. "
            "Get the file again, or name the right one."
        )
    if len(content) < head:
        raise GanbenchError(f"{file}: it ends after {len(content)} bytes, inside its head. Get the file again.")
    sizes = struct.unpack(f">{axes}I", content[4:head])
    expected = head + math.prod(sizes)
    if len(content) != expected:
        raise GanbenchError(
            f"{file}: it has {len(content):,} bytes, and its head announces {expected:,} "
            f"({' x '.join(map(str, sizes))}). It is truncated or damaged: get the file again."
        )
    return torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=head).reshape(sizes)
