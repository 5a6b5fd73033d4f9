"""The digest of a dataset's content: other rows under the same name are other data."""

from __future__ import annotations

import torch

from ganbench.api.data import Source
from ganbench.engine.tensor_hash import hash_tensors
from ganbench.errors import GanbenchError


def digest_data(source: Source) -> str:
    """Return the hash of a dataset's content, 64 hexadecimal digits; "" for a distribution without a `digest`.

    It is the source's own `digest` if it has one. A finite set without one is hashed: all samples and all labels.
    Raise GanbenchError for a streamed set without one, which is too large to be read for its hash.
    """
    if source.digest or source.take is None:
        return source.digest
    if source.stream:
        raise GanbenchError(
            f"the dataset streams its {source.size:,} samples (stream=True) and has no `digest`: set the hash of its "
            "content, such as digest=ganbench.hash_files(path)."
        )
    indices = torch.arange(source.size)
    labels = {"labels": source.labels(indices)} if source.labels is not None else {}
    return hash_tensors({"samples": source.take(indices), **labels})
