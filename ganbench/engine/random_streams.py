"""Random numbers as arguments: one stream for each name, drawn in blocks of steps for all members at once.

The key of a block is (dataset and architecture, seed, stream name, block number). It does not contain the method or the
batch. So all methods of a suite see the same data and the same noise, a seed sees the same numbers in every batch, and
a block can be drawn again from its number alone.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ganbench.api.data import Source
from ganbench.api.training import Draw
from ganbench.engine.pixels import scale_bytes

BLOCK_STEPS = 64
BLOCK_ELEMENTS = 1 << 16
"""A block has at most BLOCK_STEPS steps and, if it has more than one, at most BLOCK_ELEMENTS numbers for each member.

Both are part of every result, because torch's normal numbers depend on how many are drawn at once. So whoever changes
them must raise ENGINE_NUMERICS.
"""

Sampler = Callable[[torch.Generator, int], Tensor]
"""A function from a generator and a number of steps to random numbers [steps, ...]."""


@dataclass(frozen=True)
class Member:
    """What a member's random numbers depend on: the hash of dataset and architecture, and the member's seed."""

    shared_hash: str
    seed: int

    def stream_seed(self, stream: str, block: int = 0) -> int:
        """Return the seed of one block of one stream, an integer of 63 bits."""
        text = f"{self.shared_hash}/{self.seed}/{stream}/{block}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def block_length(elements: int) -> int:
    """Return the number of steps in a block of a stream that draws `elements` numbers for each member and step."""
    return max(1, min(BLOCK_STEPS, BLOCK_ELEMENTS // max(1, elements)))


class Stream:
    """One named stream of random numbers for all members; `next()` returns those of the next step, [S, ...].

    `sampler` draws the numbers; `elements` is how many numbers a step has for each member.
    """

    def __init__(
        self, name: str, members: Sequence[Member], sampler: Sampler, elements: int, device: torch.device
    ) -> None:
        self.name, self.members, self.sampler = name, members, sampler
        self.block = block_length(elements)
        self.generator = torch.Generator(device)
        self.steps_drawn = 0
        self.buffer: Tensor | None = None

    def draw(self, block: int) -> Tensor:
        """Draw the block of this number for every member, [S, steps, ...]."""
        member_blocks = []
        for member in self.members:
            self.generator.manual_seed(member.stream_seed(self.name, block))
            member_blocks.append(self.sampler(self.generator, self.block))
        return torch.stack(member_blocks)

    def next(self) -> Tensor:
        """Return the numbers of the next step, [S, ...]."""
        block, slot = divmod(self.steps_drawn, self.block)
        if slot == 0 or self.buffer is None:
            self.buffer = self.draw(block)
        self.steps_drawn += 1
        return self.buffer[:, slot]


def draw_shape(draw: Draw, rows: int, data: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of one step of a draw: [n, 1, ..], [n, *data] or [n, *shape], with n = `rows`."""
    if draw.shape == "sample":
        return (rows, *(1 for _ in data))
    if draw.shape == "data":
        return (rows, *data)
    return (rows, *draw.shape)


def make_sampler(draw: Draw, size: tuple[int, ...], device: torch.device, dtype: torch.dtype) -> Sampler:
    """Return the function that draws steps of this size from the draw's distribution."""

    def sample(generator: torch.Generator, steps: int) -> Tensor:
        shape = (steps, *size)
        if draw.law == "normal":
            return torch.empty(shape, device=device, dtype=dtype).normal_(generator=generator)
        if draw.law == "uniform":
            return torch.empty(shape, device=device, dtype=dtype).uniform_(generator=generator)
        if draw.law == "sign":
            return torch.randint(2, shape, device=device, generator=generator).to(dtype).mul_(2).sub_(1)
        hot = torch.randint(shape[-1], shape[:-1], device=device, generator=generator)
        return torch.nn.functional.one_hot(hot, shape[-1]).to(dtype)

    return sample


def open_stream(
    name: str,
    draw: Draw,
    members: Sequence[Member],
    rows: int,
    data: tuple[int, ...],
    device: torch.device,
    dtype: torch.dtype,
) -> Stream:
    """Open the stream of a declared draw for all members, with `rows` rows in each step."""
    size = draw_shape(draw, rows, data)
    return Stream(name, members, make_sampler(draw, size, device, dtype), math.prod(size), device)


class Data:
    """Real samples of a source: drawn from its distribution, or chosen from its finite set by random indices.

    A finite set is stored on the device, as bytes if it is uint8; a streamed set is read from its source in each step.
    `rows` is the batch size.
    """

    def __init__(
        self, source: Source, members: Sequence[Member], rows: int, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.source, self.members, self.rows = source, members, rows
        self.device, self.dtype = device, dtype
        self.stored_samples: Tensor | None = None
        self.stored_labels: Tensor | None = None
        if source.take is not None:
            all_indices = torch.arange(source.size)
            if not source.stream:
                samples = source.take(all_indices)
                self.stored_samples = samples.to(device, torch.uint8 if samples.dtype == torch.uint8 else dtype)
            if source.labels is not None:
                self.stored_labels = source.labels(all_indices).to(device, torch.long)

    def open(self, name: str) -> Stream:
        """Open a stream of samples (of a distribution) or of indices (into a finite set)."""
        if self.source.take is not None:
            size = self.source.size
            # the indices of a streamed set are read on the CPU: a block of steps at once, not each step, waits for them
            place = torch.device("cpu") if self.source.stream else self.device

            def draw_indices(generator: torch.Generator, steps: int) -> Tensor:
                return torch.randint(size, (steps, self.rows), device=self.device, generator=generator).to(place)

            return Stream(name, self.members, draw_indices, self.rows, self.device)
        draw = self.source.draw
        assert draw is not None

        def draw_samples(generator: torch.Generator, steps: int) -> Tensor:
            return draw(generator, steps * self.rows).to(self.dtype).unflatten(0, (steps, self.rows))

        return Stream(name, self.members, draw_samples, self.rows * math.prod(self.source.shape), self.device)

    def take(self, drawn: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the samples [S, n, *shape], and the labels [S, n] or None, for what a stream of `open` drew."""
        if self.source.take is None:
            return drawn, None
        indices = drawn.flatten()
        if self.stored_samples is None:
            samples = self.source.take(indices).to(self.device)
        else:
            samples = self.stored_samples.index_select(0, indices)  # several times as fast as an index for bytes
        labels = None if self.stored_labels is None else self.stored_labels[drawn.to(self.device)]
        return scale_bytes(samples, self.source, self.dtype).unflatten(0, drawn.shape), labels

    def augment(self, samples: Tensor, draws: Mapping[str, Tensor]) -> Tensor:
        """Return samples [S, n, *shape] as the source's `augment` changes them; the draws are [S, n, ...].

        It sees the rows of all members as one batch, as each row has numbers of its own. So it gives the same bits
        whether seeds are mapped or looped over.
        """
        assert self.source.augment is not None
        rows = {name: numbers.flatten(0, 1) for name, numbers in draws.items()}
        return self.source.augment(samples.flatten(0, 1), rows).unflatten(0, samples.shape[:2])
