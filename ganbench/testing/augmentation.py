"""Contract rules for `Source.augment`: it changes real training rows, each by its own random numbers only."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ganbench.api.data import Source
from ganbench.engine.pixels import scale_bytes
from ganbench.engine.random_streams import draw_shape, make_sampler
from ganbench.testing.purity import equal_bits, require_no_global_random, require_unchanged
from ganbench.testing.rule import always, require, rule

ROWS = 8
CPU = torch.device("cpu")
GAP = 1e-5
"""A sample augmented alone and in a batch may differ by this much: libraries may add in another order."""


def draw_all(source: Source, seed: int, rows: int = ROWS) -> dict[str, Tensor]:
    """Return the random numbers that `augment` declares, for some rows."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: make_sampler(draw, draw_shape(draw, rows, source.shape), CPU, torch.float32)(generator, 1)[0]
        for name, draw in source.draws.items()
    }


def take_some(source: Source) -> Tensor:
    """Return real training samples [ROWS, *shape] as `augment` receives them, some of them twice in a small set."""
    if source.take is None:
        assert source.draw is not None
        return source.draw(torch.Generator().manual_seed(0), ROWS)
    return scale_bytes(source.take(torch.arange(ROWS) % source.size), source)


def has_augment(case: Any) -> bool:
    """Return whether a dataset declares an augmentation, or random numbers for one."""
    return case.source.augment is not None or bool(case.source.draws)


@rule(has_augment, vital=always)
def augments_each_sample_by_its_own_numbers(case: Any) -> None:
    """Augments samples to samples of the same form and range, each by its own random numbers, and changes no input."""
    source = case.source
    require(source.augment is not None, "it has `draws` without `augment`: set `augment`, or leave both out.")
    x, draws = take_some(source), draw_all(source, 1)
    with (
        require_no_global_random("declare the numbers as `draws={...: Draw(...)}` and read the argument `draws`"),
        require_unchanged("the samples or the draws", (x, draws)),
    ):
        try:
            changed = source.augment(x, draws)
        except KeyError as error:
            known = ", ".join(map(repr, draws)) or "none"
            require(False, f"`augment` reads the draw {error}, and `draws` declares {known}: declare it.")
    require(
        isinstance(changed, Tensor) and changed.shape == x.shape and changed.dtype == x.dtype,
        f"`augment` turns {x.dtype} {list(x.shape)} into {getattr(changed, 'dtype', type(changed).__name__)} "
        f"{list(getattr(changed, 'shape', []))}: keep shape and dtype.",
    )
    require(bool(changed.isfinite().all()), "`augment` turns finite samples into non-finite ones.")
    require(
        equal_bits(changed, source.augment(x, draws)),
        "`augment` returns other samples for equal draws: use only the numbers that `draws` declares.",
    )
    if len(source.shape) == 3:
        low, high = min(source.range[0], float(x.min())), max(source.range[1], float(x.max()))
        require(
            low - GAP <= float(changed.min()) and float(changed.max()) <= high + GAP,
            f"`augment` makes numbers from {float(changed.min()):.4g} to {float(changed.max()):.4g}, out of the range "
            f"{low:.4g} to {high:.4g}: clamp them.",
        )
    alone = source.augment(x[:1], {name: numbers[:1] for name, numbers in draws.items()})
    require(
        alone.shape == x[:1].shape and float((alone - changed[:1]).abs().max()) <= GAP,
        "`augment` changes a sample by the other samples of its batch, or by their numbers: use its own only.",
    )


RULES = (augments_each_sample_by_its_own_numbers,)
