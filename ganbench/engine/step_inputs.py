"""The inputs of one player's steps: real data, latents, and random numbers of views and terms, each from a stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ganbench.api.models import Networks
from ganbench.api.training import Draw
from ganbench.engine.labels import uses_labels
from ganbench.engine.program import Program
from ganbench.engine.random_streams import Data, Member, Stream, draw_shape, make_sampler, open_stream


def declare_latents(program: Program, networks: Networks) -> dict[str, Draw]:
    """Return the draws of the generator's input by name: the architecture's noise, then the codes that inputs add."""
    codes = {name: draw for link in program.inputs for name, draw in link.part.latent.items()}
    return {"noise": Draw("normal", (networks.latent,)), **codes}


def needs_real(program: Program, player: str) -> bool:
    """Return whether a player's step reads real data; the generator's step usually does not, and then draws none."""
    reads_real = program.objective.paired or program.dynamics.together or program.dynamics.generator is not None
    return player != "generator" or reads_real or any(link.part.generator is not None for link in program.terms)


class StepInputs:
    """The streams of one player in one stage; `next()` returns the inputs of the next step, every leaf [S, ...].

    Any other `player` than the two opens streams of its own, for the terms of both.

    `shape` is the shape of a sample before packing.
    """

    def __init__(
        self,
        program: Program,
        networks: Networks,
        data: Data,
        members: Sequence[Member],
        player: str,
        shape: tuple[int, ...],
        stage: int = 0,
    ) -> None:
        self.data, self.labelled = data, uses_labels(networks, program)
        rows, device, dtype = data.rows, data.device, data.dtype
        packed_shape = (shape[0] * program.pack, *shape[1:])
        suffix = f"{player}.{stage}" if stage else player

        def open_draw(name: str, draw: Draw, n: int, data_shape: tuple[int, ...]) -> Stream:
            return open_stream(f"{name}.{suffix}", draw, members, n, data_shape, device, dtype)

        self.real = data.open(f"data.{suffix}") if needs_real(program, player) or self.labelled else None
        self.augment = {
            name: open_draw(f"data.augment.{name}", draw, rows, data.source.shape)
            for name, draw in data.source.draws.items()
            if self.real is not None
        }
        self.latent = {
            name: open_draw(f"latent.{name}", draw, rows, ())
            for name, draw in declare_latents(program, networks).items()
        }
        self.views = {
            (link.name, side): {
                name: open_draw(f"{link.name}.{side}.{name}", draw, rows, shape)
                for name, draw in link.part.draws.items()
            }
            for link in program.inputs
            if link.part.view is not None
            for side in ("real", "fake")
        }
        self.draws = {
            link.name: {
                name: open_draw(f"{link.name}.{name}", draw, rows // program.pack, packed_shape)
                for name, draw in link.part.draws.items()
            }
            for link in program.terms
            if getattr(link.part, player, True) is not None or program.dynamics.generator is not None
        }

    @property
    def steps_drawn(self) -> int:
        """The number of steps drawn so far, equal for all streams. Setting it is enough to continue from there."""
        return self.latent["noise"].steps_drawn

    @steps_drawn.setter
    def steps_drawn(self, steps: int) -> None:
        groups = [self.latent, self.augment, *self.views.values(), *self.draws.values()]
        for stream in (*(stream for group in groups for stream in group.values()), self.real):
            if stream is not None:
                stream.steps_drawn, stream.buffer = steps, None

    def next(self) -> dict[str, Any]:
        """Draw the inputs of one step.

        The keys are `latent` (by name), `real` and `labels` (where the step needs them), `views` (by input, side and
        name) and `draws` (by term and name).
        """
        inputs: dict[str, Any] = {"latent": {name: stream.next() for name, stream in self.latent.items()}}
        if self.real is not None:
            inputs["real"], labels = self.data.take(self.real.next())
            if self.data.source.augment is not None:
                draws = {name: stream.next() for name, stream in self.augment.items()}
                inputs["real"] = self.data.augment(inputs["real"], draws)
            if labels is not None and self.labelled:
                inputs["labels"] = labels
        views: dict[str, dict[str, dict[str, Tensor]]] = {}
        for (name, side), streams in self.views.items():
            views.setdefault(name, {})[side] = {draw: stream.next() for draw, stream in streams.items()}
        inputs["views"] = views
        inputs["draws"] = {
            name: {draw: stream.next() for draw, stream in streams.items()} for name, streams in self.draws.items()
        }
        return inputs


def draw_evaluation_latent(
    program: Program,
    networks: Networks,
    members: Sequence[Member],
    rows: int,
    steps: int,
    data: Data,
    stream: str = "evaluation",
) -> Tensor:
    """Draw the latents of the samples that are scored, [S, steps, rows, width].

    They depend on the name of the stream only, so one stream gives the same latents at every snapshot.
    """
    parts = draw_evaluation_parts(program, networks, members, rows, steps, data, stream)
    return torch.cat([part.flatten(3) for part in parts.values()], -1)


def draw_evaluation_parts(
    program: Program,
    networks: Networks,
    members: Sequence[Member],
    rows: int,
    steps: int,
    data: Data,
    stream: str = "evaluation",
) -> dict[str, Tensor]:
    """Draw the parts of these latents by name: the noise and each code, [S, steps, rows, ...]."""
    parts = {}
    for name, draw in declare_latents(program, networks).items():
        sampler = make_sampler(draw, draw_shape(draw, rows, ()), data.device, data.dtype)
        generator = torch.Generator(data.device)
        member_latents = []
        for member in members:
            generator.manual_seed(member.stream_seed(f"{stream}.{name}"))
            member_latents.append(sampler(generator, steps))
        parts[name] = torch.stack(member_latents)
    return parts


def draw_evaluation_labels(
    members: Sequence[Member], rows: int, steps: int, data: Data, stream: str = "evaluation"
) -> Tensor:
    """Draw the labels of the samples that are scored, [S, steps, rows], in the frequencies of the data's labels.

    Each is the label of a sample drawn from the data. They depend on the name of the stream only, as the latents do.
    """
    assert data.stored_labels is not None
    generator = torch.Generator(data.device)
    drawn = []
    for member in members:
        generator.manual_seed(member.stream_seed(f"{stream}.labels"))
        drawn.append(torch.randint(data.source.size, (steps, rows), device=data.device, generator=generator))
    return data.stored_labels[torch.stack(drawn)]
