"""The calls of an extractor: images as it wants them, a few at a time, on the device that its network is on.

What an extractor that sees bytes is shown is rounded, so the rounding is part of what scores depend on (`identify`).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ganbench.api.data import Extractor
from ganbench.api.trials import digest
from ganbench.errors import GanbenchError, shorten

ROUNDING = "clamp, scale to 0..255, round half to even"
"""How images become bytes, as part of the hash of a measurement. Say it otherwise if it is done otherwise."""


def identify(extractor: Extractor, range: tuple[float, float]) -> str:
    """Return the hash of all that features depend on besides the samples: the digest, and how images are prepared."""
    if extractor.sees == "float" and extractor.channels is None:
        return extractor.digest
    rounding = [ROUNDING, *map(float, range)] if extractor.sees == "bytes" else []
    return digest([extractor.digest, extractor.channels, *rounding])


def prepare_images(samples: Tensor, extractor: Extractor, range: tuple[float, float]) -> Tensor:
    """Return samples [n, *shape] as an extractor wants them: float32, or uint8 from 0 to 255; grey repeated if it asks.

    `range` is the range of the samples. Floats beyond it are clamped, and rounded to the nearest byte (a half to the
    even one); bytes become floats in it. Raise GanbenchError for samples that this extractor cannot see.
    """
    low, high = range
    if (extractor.sees == "bytes" or extractor.channels is not None) and samples.ndim != 4:
        raise GanbenchError(
            f"extractor {extractor.name!r} sees images [channels, height, width], and the samples have the shape "
            f"{list(samples.shape[1:])}. Use another extractor, or metrics on samples."
        )
    if extractor.sees == "bytes" and samples.dtype != torch.uint8:
        samples = samples.clamp(low, high).sub(low).mul(255 / (high - low)).round().to(torch.uint8)
    if extractor.sees == "float":
        is_bytes = samples.dtype == torch.uint8
        samples = samples.float().mul((high - low) / 255).add(low) if is_bytes else samples.float()
    if extractor.channels in (None, samples.shape[1]):
        return samples
    if samples.shape[1] != 1:
        raise GanbenchError(
            f"extractor {extractor.name!r} sees images of {extractor.channels} channels, and the samples have "
            f"{samples.shape[1]}: only images of one channel can be repeated. Use another extractor."
        )
    return samples.expand(-1, extractor.channels, -1, -1).contiguous()


def extract_in_chunks(
    extractor: Extractor, samples: Tensor, device: torch.device, range: tuple[float, float]
) -> dict[str, Tensor]:
    """Return what an extractor computes from samples, on the CPU: "features" [n, d], and its other answers.

    It is shown at most `chunk` samples at a time, in float32 and without gradients. A `module` is moved to `device`,
    and so are the samples; without one the samples are on the CPU. Raise GanbenchError for samples that it cannot see,
    and for answers that are not one row for each sample.
    """
    if extractor.module is None:
        device = torch.device("cpu")
    else:
        extractor.module.to(device)
    own = [device] if device.type == "cuda" else []
    chunks: list[Mapping[str, Tensor]] = []
    # building a network when it is first called draws its weights before they are loaded
    with torch.inference_mode(), torch.random.fork_rng(devices=own), torch.autocast(device.type, enabled=False):
        for rows in samples.split(extractor.chunk):
            answers = extractor.extract(prepare_images(rows.to(device), extractor, range))
            refuse_wrong_answers(answers, extractor, len(rows))
            chunks.append({name: values.cpu() for name, values in answers.items()})
    return {name: torch.cat([chunk[name] for chunk in chunks]) for name in chunks[0]}


def refuse_wrong_answers(answers: Mapping[str, Tensor], extractor: Extractor, rows: int) -> None:
    """Raise GanbenchError unless an extractor has answered with features, and every answer is a tensor [rows, ...]."""
    place = f"extractor {extractor.name!r}"
    if not isinstance(answers, Mapping) or "features" not in answers:
        raise GanbenchError(f"{place} returns {shorten(answers)}. It must return a dictionary with 'features' [n, d].")
    for name, values in answers.items():
        if not isinstance(values, Tensor) or values.ndim != 2 or len(values) != rows:
            shape = list(values.shape) if isinstance(values, Tensor) else shorten(values)
            raise GanbenchError(f"{place} returns {name!r} {shape} for {rows} samples. It must be a tensor [n, d].")
