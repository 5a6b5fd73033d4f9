"""Chance as an argument: one stream for each name, drawn in blocks of steps for every member at once.

A stream is keyed by (dataset and architecture, seed, name, block): never by the method, the batch or the device's
neighbours. So all methods of a suite see the same data and the same noise, a seed sees the same in any company, and a
block can be drawn again from its number alone.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ganbench.api.data import Source
from ganbench.api.training import Draw

BLOCK_STEPS = 64
BLOCK_ELEMENTS = 1 << 16
"""A block holds at most this many steps and, past one step, this many numbers a member. Part of every result: torch's
normal numbers depend on how many are drawn at once (so a change raises ENGINE_NUMERICS)."""

Fill = Callable[[torch.Generator, int], Tensor]
"""From a generator and a number of steps to [steps, ...]."""


@dataclass(frozen=True)
class Member:
    """What a member's chance hangs on: the hash of dataset and architecture, and its seed."""

    world: str
    seed: int

    def stream_seed(self, stream: str, block: int = 0) -> int:
        """Give the seed of one block of one stream, 63 bits."""
        text = f"{self.world}/{self.seed}/{stream}/{block}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def block_length(elements: int) -> int:
    """Give the steps in a block of a stream with so many numbers a step: a function of the stream alone."""
    return max(1, min(BLOCK_STEPS, BLOCK_ELEMENTS // max(1, elements)))


class Stream:
    """One named source of chance for all members; `next()` gives a step's share, [S, ...]."""

    def __init__(self, name: str, members: Sequence[Member], fill: Fill, elements: int, device: torch.device) -> None:
        self.name, self.members, self.fill = name, members, fill
        self.block = block_length(elements)
        self.generator = torch.Generator(device)
        self.taken = 0
        self.buffer: Tensor | None = None

    def draw(self, block: int) -> Tensor:
        """Draw one block for every member, [S, steps, ...]."""
        rows = []
        for member in self.members:
            self.generator.manual_seed(member.stream_seed(self.name, block))
            rows.append(self.fill(self.generator, self.block))
        return torch.stack(rows)

    def next(self) -> Tensor:
        """Give the next step's numbers, [S, ...]."""
        block, slot = divmod(self.taken, self.block)
        if slot == 0 or self.buffer is None:
            self.buffer = self.draw(block)
        self.taken += 1
        return self.buffer[:, slot]


def draw_shape(draw: Draw, rows: int, data: tuple[int, ...]) -> tuple[int, ...]:
    """Give the shape of one step of a draw: [n, 1, ..], [n, *data] or [n, *shape]."""
    if draw.shape == "sample":
        return (rows, *(1 for _ in data))
    if draw.shape == "data":
        return (rows, *data)
    return (rows, *draw.shape)


def make_sampler(draw: Draw, size: tuple[int, ...], device: torch.device, dtype: torch.dtype) -> Fill:
    """Give the function that draws steps of this law."""

    def fill(generator: torch.Generator, steps: int) -> Tensor:
        shape = (steps, *size)
        if draw.law == "normal":
            return torch.empty(shape, device=device, dtype=dtype).normal_(generator=generator)
        if draw.law == "uniform":
            return torch.empty(shape, device=device, dtype=dtype).uniform_(generator=generator)
        if draw.law == "sign":
            return torch.randint(2, shape, device=device, generator=generator).to(dtype).mul_(2).sub_(1)
        hot = torch.randint(shape[-1], shape[:-1], device=device, generator=generator)
        return torch.nn.functional.one_hot(hot, shape[-1]).to(dtype)

    return fill


def open_stream(
    name: str,
    draw: Draw,
    members: Sequence[Member],
    rows: int,
    data: tuple[int, ...],
    device: torch.device,
    dtype: torch.dtype,
) -> Stream:
    """Open the stream of a declared draw."""
    size = draw_shape(draw, rows, data)
    return Stream(name, members, make_sampler(draw, size, device, dtype), math.prod(size), device)


class Data:
    """Real samples: a law's draws, or rows of a set that lies on the device and is gathered by drawn indices."""

    def __init__(
        self, source: Source, members: Sequence[Member], rows: int, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.source, self.members, self.rows = source, members, rows
        self.device, self.dtype = device, dtype
        self.rows_held: Tensor | None = None
        self.labels_held: Tensor | None = None
        if source.take is not None:
            everything = torch.arange(source.size)
            self.rows_held = source.take(everything).to(device, dtype)
            if source.labels is not None:
                self.labels_held = source.labels(everything).to(device)

    def open(self, name: str) -> Stream:
        """Open a stream of samples (of a law) or of indices (into a set)."""
        if self.rows_held is not None:
            size = self.source.size

            def indices(generator: torch.Generator, steps: int) -> Tensor:
                return torch.randint(size, (steps, self.rows), device=self.device, generator=generator)

            return Stream(name, self.members, indices, self.rows, self.device)
        draw = self.source.draw
        assert draw is not None

        def samples(generator: torch.Generator, steps: int) -> Tensor:
            return draw(generator, steps * self.rows).to(self.dtype).unflatten(0, (steps, self.rows))

        return Stream(name, self.members, samples, self.rows * math.prod(self.source.shape), self.device)

    def take(self, drawn: Tensor) -> tuple[Tensor, Tensor | None]:
        """Give the samples [S, n, *shape] and labels [S, n] of what a stream drew."""
        if self.rows_held is None:
            return drawn, None
        return self.rows_held[drawn], None if self.labels_held is None else self.labels_held[drawn]
