"""How trials of one program train together: how many of them, and in which form.

Both are fixed rules, the same on every machine, because the composition of a batch must not depend on the machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, inf

from ganbench.api.trials import STACK_FROM, Mode

MOST_MEMBERS = 32
"""The largest number of members of a batch, unless the suite says `[engine] together`."""

FEW_BATCHES, CUT_TO = 8, 8
"""A plan of fewer than FEW_BATCHES batches is cut into smaller ones, of at least CUT_TO seeds, so that no core is idle.
With networks of 3 x 64, a seed takes a quarter longer in a batch of eight than in one of sixteen; with 3 x 256, no
longer.
"""

STACKED_SIDE, STACKED_CHANNELS = 32, ((16, inf), (32, 256))
"""A stack of convolutional networks is faster than a loop up to so many channels, with so many rows of all members.

Larger images were not measured. Measured by tests/benchmarks/bench_images.py; docs/background/images.md has the table.
"""


def members_per_batch(members: int, groups: int, fit: int = MOST_MEMBERS, most: int = MOST_MEMBERS) -> int:
    """Return how many of the `members`, all trials of one program, train together.

    `groups` is the number of programs x datasets x architectures, `fit` the number of members that fit into the memory,
    `most` that of the suite. Above MOST_MEMBERS nothing is cut for the sake of idle cores: it is meant for a GPU.
    """
    parts = ceil(members / max(1, min(fit, most)))
    if most <= MOST_MEMBERS:
        parts = max(parts, min(ceil(FEW_BATCHES / groups), members // CUT_TO))
    return ceil(members / parts)


def choose_mode(members: int, stackable: bool, shape: Sequence[int], channels: int, rows: int) -> Mode:
    """Return the form in which trials of one program train.

    `stackable` is whether every offer can be stacked, `shape` that of a sample, and `channels` the number of channels
    of the widest convolution, 0 without one; `rows` are those of a member's batch.
    """
    is_narrow = any(channels <= most and members * rows <= most_rows for most, most_rows in STACKED_CHANNELS)
    is_small = not channels or (is_narrow and max(shape[1:], default=1) <= STACKED_SIDE)
    return "stack" if stackable and is_small and members >= STACK_FROM else "loop"
