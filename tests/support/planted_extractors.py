"""Extractors with one planted mistake each, and a part of the message that `ganbench check` must report for it."""

from __future__ import annotations

from itertools import count

import torch
from ganbench import Extractor, Offer
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from tests.support.planted_mistakes import Planted


def pool(x: Tensor) -> Tensor:
    """Return the mean colours of the sixteen tiles of each image."""
    return adaptive_avg_pool2d(x.float(), 4).flatten(1)


def extractor(mistake: str, message: str, extract=lambda x: {"features": pool(x)}, **fields) -> Planted:
    """Return an extractor with a planted mistake."""
    fields = {"name": "planted", "digest": "0" * 64, "extract": extract, **fields}
    return Planted("extractors", Offer(mistake, lambda: Extractor(**fields), "Sees."), message)


def normalise_in_place(x: Tensor) -> dict[str, Tensor]:
    return {"features": pool(x.sub_(x.mean()))}


def normalise_by_batch(x: Tensor) -> dict[str, Tensor]:
    features = pool(x)
    return {"features": (features - features.mean(0)) / (features.std(0, unbiased=False) + 1)}


def add_the_neighbour(x: Tensor) -> dict[str, Tensor]:
    features = pool(x)
    return {"features": features + features.roll(1, 0)}


def drop_out(x: Tensor) -> dict[str, Tensor]:
    return {"features": nn.functional.dropout(pool(x))}


def build_counting() -> Extractor:
    calls = count()
    return Extractor(name="planted", digest="d", extract=lambda x: {"features": pool(x) + next(calls)})


def build_new_weights() -> Extractor:
    weights = torch.randn(3, generator=torch.Generator().manual_seed(next(BUILDS)))
    return Extractor(name="planted", digest=f"{weights.sum():.6f}", extract=lambda x: {"features": pool(x)})


BUILDS = count()

EXTRACTORS = (
    extractor("no weights' hash", "has no digest", digest=""),
    extractor("no name", "has no name", name=" "),
    extractor("no features", "must return a dictionary with 'features'", lambda x: pool(x)),
    extractor("logits alone", "must return a dictionary with 'features'", lambda x: {"logits": pool(x)}),
    extractor("one row", "returns 'features' [1, 48] for 5 samples", lambda x: {"features": pool(x)[:1]}),
    extractor("maps, not rows", "returns 'features' [5, 3, 4, 4]", lambda x: {"features": adaptive_avg_pool2d(x, 4)}),
    extractor("whole numbers", "return floating-point numbers", lambda x: {"features": pool(x).long()}),
    extractor("infinite on white", "are not finite", lambda x: {"features": 1 / (pool(x) - 1)}),
    extractor("blind", "sees no difference", lambda x: {"features": pool(x) * 0}),
    extractor("changes its images", "changes the images in place", normalise_in_place),
    extractor("batch statistics", "depend on the images beside it", normalise_by_batch),
    extractor("looks at a neighbour", "depend on the order of the images", add_the_neighbour),
    extractor("dropout", "draws random numbers from torch's global generator", drop_out),
    extractor("sees colours of sound", "`sees` is 'sound'", sees="sound"),
    extractor("no chunk", "`chunk` is 0", chunk=0),
    extractor("a path as module", "`module` is 'net.pth'", module="net.pth"),
    extractor("two channels", "`channels` is -2", channels=-2),
    Planted("extractors", Offer("counts its calls", build_counting, "Sees."), "other 'features' the second time"),
    Planted("extractors", Offer("other weights each time", build_new_weights, "Sees."), "when it is built again"),
    Planted("extractors", Offer("a module", lambda: nn.Identity(), "Sees."), "It must return an Extractor"),
)
