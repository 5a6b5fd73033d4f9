"""What one player's steps draw: real data, latents, views and every term's own numbers, each from its own stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ganbench.api.models import Networks
from ganbench.api.training import Draw
from ganbench.engine.program import Program
from ganbench.engine.random_streams import Data, Member, Stream, draw_shape, make_sampler, open_stream


def declare_latents(program: Program, networks: Networks) -> dict[str, Draw]:
    """Give the generator's input by name: the architecture's noise, then the codes that inputs add."""
    codes = {name: draw for link in program.inputs for name, draw in link.part.latent.items()}
    return {"noise": Draw("normal", (networks.latent,)), **codes}


def needs_real(program: Program, player: str) -> bool:
    """Tell whether a player's step looks at real data; the generator's usually does not, and draws none then."""
    looks = program.objective.paired or program.dynamics.together or program.dynamics.generator is not None
    return player == "critic" or looks or any(link.part.generator is not None for link in program.terms)


class StepInputs:
    """The streams of one player; `next()` gives a step's numbers, every leaf [S, ...]."""

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
        self.data, self.conditional = data, networks.conditional
        rows, device, dtype = data.rows, data.device, data.dtype
        seen = (shape[0] * program.pack, *shape[1:])
        whose = f"{player}.{stage}" if stage else player

        def open_(name: str, draw: Draw, n: int, like: tuple[int, ...]) -> Stream:
            return open_stream(f"{name}.{whose}", draw, members, n, like, device, dtype)

        self.real = data.open(f"data.{whose}") if needs_real(program, player) or self.conditional else None
        self.latent = {
            name: open_(f"latent.{name}", draw, rows, ()) for name, draw in declare_latents(program, networks).items()
        }
        self.views = {
            (link.name, side): {
                name: open_(f"{link.name}.{side}.{name}", draw, rows, shape) for name, draw in link.part.draws.items()
            }
            for link in program.inputs
            if link.part.view is not None
            for side in ("real", "fake")
        }
        self.draws = {
            link.name: {
                name: open_(f"{link.name}.{name}", draw, rows // program.pack, seen)
                for name, draw in link.part.draws.items()
            }
            for link in program.terms
            if getattr(link.part, player) is not None or program.dynamics.generator is not None
        }

    @property
    def taken(self) -> int:
        """Steps drawn so far: the same of every stream, and all that it takes to draw on from here."""
        return self.latent["noise"].taken

    @taken.setter
    def taken(self, steps: int) -> None:
        groups = [self.latent, *self.views.values(), *self.draws.values()]
        for drawn in (*(each for group in groups for each in group.values()), self.real):
            if drawn is not None:
                drawn.taken, drawn.buffer = steps, None

    def next(self) -> dict[str, Any]:
        """Draw one step."""
        drawn: dict[str, Any] = {"latent": {name: each.next() for name, each in self.latent.items()}}
        if self.real is not None:
            drawn["real"], labels = self.data.take(self.real.next())
            if labels is not None and self.conditional:
                drawn["labels"] = labels
        views: dict[str, dict[str, dict[str, Tensor]]] = {}
        for (name, side), streams in self.views.items():
            views.setdefault(name, {})[side] = {draw: each.next() for draw, each in streams.items()}
        drawn["views"] = views
        drawn["draws"] = {
            name: {draw: each.next() for draw, each in streams.items()} for name, streams in self.draws.items()
        }
        return drawn


def draw_evaluation_latent(
    program: Program,
    networks: Networks,
    members: Sequence[Member],
    rows: int,
    steps: int,
    data: Data,
    stream: str = "evaluation",
) -> Tensor:
    """Draw the latents that a model is judged on, [S, steps, rows, width]: of one stream the same at every snapshot."""
    parts = []
    for name, draw in declare_latents(program, networks).items():
        fill = make_sampler(draw, draw_shape(draw, rows, ()), data.device, data.dtype)
        generator = torch.Generator(data.device)
        each = []
        for member in members:
            generator.manual_seed(member.stream_seed(f"{stream}.{name}"))
            each.append(fill(generator, steps).flatten(2))
        parts.append(torch.stack(each))
    return torch.cat(parts, -1)
